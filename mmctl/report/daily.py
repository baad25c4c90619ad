"""The daily review: trading, returns, risk, running, problems, made of what a journal and its engine answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from mmctl.report import criteria, fills, money, problems, quotes, risk, running
from mmctl.report.answers import Answers
from mmctl.report.document import (
    Chart,
    Figure,
    Listing,
    Report,
    Section,
    Shape,
    Subject,
    Tone,
    Unit,
    Words,
    unknown,
)
from mmctl.report.notes import Note
from mmctl.report.period import NS, Day

HEADLINE: Final = (
    "day_pnl",
    "cumulative_pnl",
    "day_return",
    "max_drawdown",
    "worst_fill",
    "fills",
    "quote_uptime",
    "trips",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that was read for one day. ``past`` are the days before, oldest first, for the Sharpe ratio."""

    subject: Subject
    day: Day
    answers: Answers
    past: Sequence[Day] = ()
    limits: risk.Limits = field(default_factory=risk.Limits)
    now: running.Now = field(default_factory=running.Now)
    latencies: Mapping[str, running.Stage] = field(default_factory=dict)  # of the day, where the journal keeps them
    logged: running.Logged = field(default_factory=running.Logged)
    notes: Sequence[Note] = ()


def review(reading: Reading) -> Report:
    """The whole report. Raises ValueError where the journal holds what is no number."""
    answers, day = reading.answers, reading.day
    made_ns = reading.subject.made_ns
    until = min(day.end_ns, made_ns)
    currency = money.currency_of(answers)
    found = money.day_money(answers["before"], answers["first"], answers["last"])
    spans = quotes.observed(answers, day, made_ns)
    by_symbol = quotes.stood(answers["orders"].rows, spans or [])
    done = fills.traded(answers, currency, None if found is None else found.part("fees"))
    tripped = risk.trips(answers["events"].rows)
    begun = running.starts(answers, day)
    incidents = sum(1 for row in answers["events"].rows if str(row["kind"]).startswith("order:"))
    orders = quotes.counted(answers["orders"].rows, day, incidents)
    values = [value for _, value in _returns(reading)]

    trading = [
        *quotes.figures(orders, answers),
        *fills.figures(done, answers, day),
        *quotes.uptime_figures(by_symbol, answers, spans),
        _captured(found, done, answers),
    ]
    earned = [*money.figures(found, answers, day), money.sharpe_figure(values, answers.with_prefix("closes:"))]
    risks = [
        *money.drawdown_figures(answers, day),
        fills.worst_figure(done, answers, day),
        *risk.figures(answers, tripped),
    ]
    begin = running.answers_begin(answers)
    ran = [
        *running.figures(spans, begun, answers, until),
        *running.latency_figures(reading.latencies, reading.now, day),
        *running.resource_figures(reading.now, made_ns),
        *_log_figures(reading.logged, answers, orders, day),
    ]
    figures = {figure.key: figure for figure in [*trading, *earned, *risks, *ran]}
    verdicts = criteria.judge(figures)
    held = {symbol: _largest(places, done, symbol) for symbol, places in done.positions.items()}
    uses = risk.uses(answers, reading.limits, held, reading.now)
    seen = problems.Seen(answers, day, figures, done, tripped, begun or [], uses, reading.logged, verdicts, currency)
    sections = (
        Section("trading", tuple(trading), (quotes.by_symbol_listing(by_symbol, answers["orders"].rows, day),),
                (_hours(answers, day), *_inventories(done, answers, day))),
        Section("returns", tuple(earned), (),
                (_curve(found, answers, day), _attribution(found, answers), fills.markouts(answers))),
        Section(
            "risk",
            tuple(risks),
            (
                risk.limit_listing(uses),
                fills.worst_listing(done, day),
                risk.event_listing(answers, day),
            ),
            (_falling(found, answers, day), risk.by_hour(answers, day)),
        ),
        Section(
            "performance",
            tuple(ran),
            (running.gap_listing(spans, begun, day, begin, until), risk.change_listing(answers, day)),
        ),
        Section("criteria", (), (criteria.listing(verdicts),)),
        Section("problems", (), _speaking(seen, reading.notes, day)),
    )  # fmt: skip
    subject = replace(reading.subject, currency=currency, instruments=fills.symbols(answers))
    headline = tuple(figures[key] for key in HEADLINE)
    return Report("daily", subject, headline, sections, tuple(_remarks(reading, found)))


def _speaking(seen: problems.Seen, notes: Sequence[Note], day: Day) -> tuple[Listing, ...]:
    return (
        problems.listing("found_problems", problems.problems(seen), Words("none was found", "未发现问题")),
        problems.listing("suggestions", problems.suggestions(seen), Words("no rule applies", "无规则命中")),
        problems.note_listing(notes, day),
    )


def _returns(reading: Reading) -> list[tuple[Day, Decimal]]:
    days = [*reading.past, reading.day]
    moments = [days[0].begin_ns, *(day.end_ns for day in days)]
    answer = reading.answers.with_prefix("closes:")
    return money.returns(days, money.closing(answer, moments)) if answer.known else []


def _captured(found: money.DayMoney | None, done: fills.Traded, answers: Answers) -> Figure:
    """Spread earned against the mid at each fill, in bps of what was traded."""
    value = done.value[1] + done.value[-1]
    source = "journal: pnl.spread, trades"
    if found is None or not answers["fills"].known:
        return unknown("captured_spread", Unit.BPS, money.reason(answers["last"], answers["fills"]), source)
    if not value:
        return unknown("captured_spread", Unit.BPS, Words("no fill", "无成交"), source)
    return Figure("captured_spread", found.part("spread") / value * 10_000, Unit.BPS, source=source)


def _log_figures(logged: running.Logged, answers: Answers, orders: quotes.Counted, day: Day) -> list[Figure]:
    made = []
    if logged.why is not None:
        made = [unknown(key, Unit.COUNT, logged.why, "log") for key in ("log_errors", "errors_in_an_hour")]
    else:
        note = Words("", "")
        if logged.since_ns > day.begin_ns:
            at = day.clock(logged.since_ns)
            note = Words(f"the log that is there begins at {at}", f"现有日志始于 {at}")
        most = running.most_in_an_hour(sorted(ns for ns, _ in logged.errors))
        count = len(logged.errors)
        tone = Tone.WARN if count else Tone.PLAIN
        made.append(Figure("log_errors", count, Unit.COUNT, note=note, source="log", tone=tone))
        made.append(Figure("errors_in_an_hour", most, Unit.COUNT, note=note, source="log"))
    if not answers["orders"].known:
        why = money.reason(answers["orders"])
        return [*made, unknown("failed_in_an_hour", Unit.COUNT, why), unknown("abnormal_ratio", Unit.RATIO, why)]
    failed = sorted(
        int(row["created_ns"])
        for row in answers["orders"].rows
        if quotes.outcome(row) in quotes.FAILED and day.begin_ns <= int(row["created_ns"]) < day.end_ns
    )
    made.append(Figure("failed_in_an_hour", running.most_in_an_hour(failed), Unit.COUNT, source=quotes.SOURCE))
    none = Words("no order was sent", "没有发出订单")
    abnormal = min(orders.sent, orders.failed + orders.incidents)
    return [*made, quotes.share("abnormal_ratio", abnormal, orders.sent, none)]


def _largest(places: Sequence[tuple[int, Decimal]], done: fills.Traded, symbol: str) -> Decimal | None:
    return max((abs(lots) for _, lots in places), default=None)


def hours_ticks(day: Day, until_ns: int) -> list[tuple[float, str]]:
    """Marks of an axis of time over the day: six at most, on whole hours of the zone."""
    hours = round((until_ns - day.begin_ns) / NS / 3600)
    step = next((s for s in (1, 2, 3, 4, 6) if hours / s <= 6), 6)
    if hours < 1:
        return [(0.0, day.clock(day.begin_ns)[:5]), ((until_ns - day.begin_ns) / NS, day.clock(until_ns)[:5])]
    found = []
    for hour in range(0, hours + 1, step):
        ns = day.begin_ns + hour * 3600 * NS
        found.append((hour * 3600.0, "24:00" if ns == day.end_ns else day.clock(ns)[:5]))
    return found


def _curve(found: money.DayMoney | None, answers: Answers, day: Day) -> Chart:
    rows = answers["curve"].rows
    if found is None or not rows:
        return Chart("day_curve", Shape.LINE, (), (), Unit.QUOTE, why=money.reason(answers["curve"], answers["last"]))
    x, y = money.curve(rows, found.start, day.begin_ns)
    return Chart("day_curve", Shape.LINE, x, y, Unit.QUOTE, ticks=hours_ticks(day, day.end_ns))


def _falling(found: money.DayMoney | None, answers: Answers, day: Day) -> Chart:
    rows = answers["curve"].rows
    if found is None or not rows:
        return Chart(
            "day_drawdown", Shape.AREA, (), (), Unit.QUOTE, why=money.reason(answers["curve"], answers["last"])
        )
    x, y = money.curve(rows, found.start, day.begin_ns)
    return Chart("day_drawdown", Shape.AREA, x, money.falling(y), Unit.QUOTE, ticks=hours_ticks(day, day.end_ns))


def _attribution(found: money.DayMoney | None, answers: Answers) -> Chart:
    if found is None:
        return Chart("attribution", Shape.WATERFALL, (), (), Unit.QUOTE, why=money.reason(answers["last"]))
    return waterfall({name: found.part(name) for name in (*money.PARTS, "total")})


def waterfall(parts: dict[str, Decimal]) -> Chart:
    """Spread, inventory, fees (taken away), funding and hedge, and the total they add up to."""
    from mmctl.report.words import label

    values = [float(-parts[name] if name == "fees" else parts[name]) for name in money.PARTS]
    names = tuple(label(f"part_{name}") for name in (*money.PARTS, "total"))
    return Chart(
        "attribution",
        Shape.WATERFALL,
        (*money.PARTS, "total"),
        [*values, float(parts["total"])],
        Unit.QUOTE,
        names=names,
    )


def _hours(answers: Answers, day: Day) -> Chart:
    rows = answers["fills"].rows
    if not rows:
        why = Words("no fill", "无成交") if answers["fills"].known else money.reason(answers["fills"])
        return Chart("hourly", Shape.STACK, (), (), Unit.QUOTE, why=why)
    names, bought, sold = fills.hourly(rows, day)
    return Chart("hourly", Shape.STACK, names, bought, Unit.QUOTE, y2=[-value for value in sold])


def _inventories(done: fills.Traded, answers: Answers, day: Day) -> list[Chart]:
    made = []
    for symbol, places in list(done.positions.items())[:4]:
        start = fills.start_of(answers, symbol)
        x, y = fills.inventory(places, start.lots, day)
        chart = Chart("inventory", Shape.STEPS, x, y, Unit.BASE, ticks=hours_ticks(day, day.end_ns))
        made.append(replace(chart, names=(fills.names([symbol]),)))
    return made


def _remarks(reading: Reading, found: money.DayMoney | None) -> list[Words]:
    made = []
    day, answers = reading.day, reading.answers
    if reading.subject.unfinished:
        at = day.clock(reading.subject.made_ns)
        made.append(Words(f"the day has not ended: figures as of {at}", f"当日未结束：数据截至 {at}"))
    if abs(day.seconds - 86_400) > 1:
        hours = day.seconds / 3600
        made.append(Words(f"the clocks changed: this day had {hours:g} hours", f"当天时制变更：共 {hours:g} 小时"))
    silent: dict[str, list[str]] = {}
    for name, answer in answers.by_name.items():
        if not answer.known:
            silent.setdefault(answer.why, []).append(name)
    for why, unanswered in silent.items():
        text = ", ".join(unanswered)
        made.append(Words(f"the journal did not answer {text}: {why}", f"日志未能回答 {text}：{why}"))
    cut = [name for name, answer in answers.by_name.items() if answer.cut]
    if cut:
        names = ", ".join(cut)
        made.append(Words(f"only the first rows were read of {names}", f"{names} 仅读取了前部分行"))
    oldest = answers["oldest"].one
    if found is not None and found.from_first and oldest is not None:
        at = day.clock(int(oldest["ns"]))
        made.append(Words(f"the journal begins at {at}", f"日志始于 {at}"))
    return made
