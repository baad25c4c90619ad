"""A span of days beside each other: profit by the day, the curve of closes, drawdown, ratios, the worst day."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mmctl.report import money, risk
from mmctl.report.answers import Answer, Answers, Row, decimal
from mmctl.report.daily import waterfall
from mmctl.report.document import (
    NOTHING,
    Cell,
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
    same,
    unknown,
)
from mmctl.report.money import SOURCE, DayMoney, gain
from mmctl.report.notes import Note
from mmctl.report.period import Day
from mmctl.report.problems import note_listing
from mmctl.report.quotes import ENDED, FAILED, outcome

HEADLINE = (
    "range_pnl",
    "range_return",
    "range_drawdown",
    "sharpe",
    "best_day",
    "worst_day",
    "range_fills",
    "range_trips",
)


@dataclass(frozen=True, slots=True)
class SpanReading:
    """Everything read for a span. ``counted``: the answers of each day, in the order of ``days``."""

    subject: Subject
    days: Sequence[Day]
    answers: Answers  # of the journal, and the closes: one before the first day, one at each day's end
    counted: Sequence[Answers]
    notes: Sequence[Note] = ()


@dataclass(frozen=True, slots=True)
class Dayline:
    """One day of the span; ``earned`` None where it has no sample."""

    day: Day
    earned: DayMoney | None
    answers: Answers
    states: Mapping[str, int] = field(default_factory=dict)
    touched: int = 0

    @property
    def drawdown(self) -> money.Drawdown | None:
        """The deepest fall within the day."""
        return money.drawdown(self.answers["drawdown"], "peak")

    @property
    def trips(self) -> int | None:
        """How many trips of the breaker; None where the journal does not tell."""
        told = self.answers["opened"]
        return len(risk.trips(told.rows)) if told.known else None

    @property
    def fills(self) -> int | None:
        """How many fills; None where the journal does not tell."""
        told = self.answers["traded"]
        return sum(int(row["fills"]) for row in told.rows) if told.known else None

    @property
    def turnover(self) -> Decimal | None:
        """Traded value, quote currency."""
        told = self.answers["traded"]
        return sum((_rounded(row["value"]) for row in told.rows), Decimal(0)) if told.known else None

    @property
    def orders(self) -> int | None:
        """How many orders were sent; None where the journal does not tell."""
        return sum(self.states.values()) if self.answers["by_state"].known else None


def _rounded(value: object) -> Decimal:
    """A sum that the database made of floating numbers, to the precision that it has."""
    return decimal(f"{float(str(value)):.10g}")


def lines(reading: SpanReading) -> list[Dayline]:
    """Every day with what is known of it."""
    moments = [reading.days[0].begin_ns, *(day.end_ns for day in reading.days)]
    closes = money.closing(reading.answers.with_prefix("closes:"), moments)
    found = []
    for at, (day, answers) in enumerate(zip(reading.days, reading.counted, strict=True)):
        start, end = closes[at], closes[at + 1]
        made: DayMoney | None = None
        if end is not None and int(end["ns"]) >= day.begin_ns:
            first = answers["first"].one
            begin: Row | None = start or first
            made = None if begin is None else DayMoney(begin, end, start is None)
        states: Counter[str] = Counter()
        for row in answers["by_state"].rows:
            states[outcome(row)] += int(row["orders"])
        touched = sum(int(row["hit"] or 0) for row in answers["by_state"].rows if row["state"] in ENDED)
        found.append(Dayline(day, made, answers, states, touched))
    return found


def compare(reading: SpanReading) -> Report:
    """The whole report. Raises ValueError where the journal holds what is no number."""
    days = lines(reading)
    known = [one for one in days if one.earned is not None]
    closes = reading.answers.with_prefix("closes:")
    figures = _figures(days, known, closes)
    by_key = {figure.key: figure for figure in figures}
    currency = str(known[-1].earned.end["currency"]) if known and known[-1].earned else ""
    sections = (
        Section("returns", tuple(figures), (), _charts(days, known, closes)),
        Section("days", (), (_listing(days),)),
        Section("problems", (), (note_listing(reading.notes, reading.days[-1]),)),
    )
    subject = replace(reading.subject, currency=currency)
    return Report("range", subject, tuple(by_key[key] for key in HEADLINE), sections, tuple(_remarks(reading, days)))


def _figures(days: Sequence[Dayline], known: Sequence[Dayline], closes: Answer) -> list[Figure]:
    keys = (
        *(("range_pnl", Unit.QUOTE), ("range_return", Unit.RATIO), ("range_days", Unit.COUNT)),
        *(("mean_day", Unit.QUOTE), ("mean_return", Unit.RATIO), ("best_day", Unit.QUOTE), ("worst_day", Unit.QUOTE)),
        *(("win_days", Unit.RATIO), ("profit_factor", Unit.NUMBER), ("volatility", Unit.RATIO)),
        *(("range_drawdown", Unit.RATIO), ("sharpe", Unit.NUMBER), ("sortino", Unit.NUMBER)),
    )
    if not known:
        why = money.reason(closes) if not closes.known else Words("no day has a sample", "没有任何一天有样本")
        return [*(unknown(key, unit, why, SOURCE) for key, unit in keys), *_counted(days)]
    profits = [(one.day, one.earned.profit) for one in known if one.earned is not None]
    ratios = [one.earned.ratio for one in known if one.earned is not None and one.earned.ratio is not None]
    first, last = known[0].earned, known[-1].earned
    assert first is not None
    assert last is not None
    whole = DayMoney(first.start, last.end, first.from_first)
    best, worst = max(profits, key=lambda one: one[1]), min(profits, key=lambda one: one[1])
    count = len(profits)
    made = [
        Figure("range_pnl", whole.profit, Unit.QUOTE, source=SOURCE, tone=gain(whole.profit)),
        _ratio("range_return", whole.ratio),
        Figure("range_days", count, Unit.COUNT, note=_of(len(days)), source=SOURCE),
        Figure("mean_day", sum((p for _, p in profits), Decimal(0)) / count, Unit.QUOTE, source=SOURCE),
        _ratio("mean_return", sum(ratios, Decimal(0)) / len(ratios) if ratios else None),
        Figure("best_day", best[1], Unit.QUOTE, note=same(best[0].name), source=SOURCE, tone=gain(best[1])),
        Figure("worst_day", worst[1], Unit.QUOTE, note=same(worst[0].name), source=SOURCE, tone=gain(worst[1])),
        Figure("win_days", Decimal(sum(p > 0 for _, p in profits)) / count, Unit.RATIO, source=SOURCE),
        _factor([p for _, p in profits]),
        _ratio("volatility", _deviation(ratios)),
        _falling(known),
        money.sharpe_figure(ratios, closes),
        _sortino(ratios),
    ]
    return [*made, *_parts(whole), *_counted(days)]


def _of(days: int) -> Words:
    return Words(f"of {days}", f"共 {days} 天")


def _ratio(key: str, value: Decimal | None) -> Figure:
    if value is None:
        return unknown(key, Unit.RATIO, Words("too few days, or no capital", "天数不足或无资金"), SOURCE)
    return Figure(key, value, Unit.RATIO, source=SOURCE)


def _deviation(values: Sequence[Decimal]) -> Decimal | None:
    if len(values) < 2:
        return None
    mean = sum(values, Decimal(0)) / len(values)
    return (sum(((v - mean) ** 2 for v in values), Decimal(0)) / (len(values) - 1)).sqrt()


def _factor(profits: Sequence[Decimal]) -> Figure:
    """What the days with a profit made by what the others lost."""
    won = sum((p for p in profits if p > 0), Decimal(0))
    lost = -sum((p for p in profits if p < 0), Decimal(0))
    if not lost:
        return unknown("profit_factor", Unit.NUMBER, Words("no day lost", "没有亏损日"), SOURCE)
    return Figure("profit_factor", won / lost, Unit.NUMBER, source=SOURCE)


def _sortino(values: Sequence[Decimal]) -> Figure:
    """Mean daily return by the root mean square of the losing ones, times the root of 365."""
    if len(values) < money.SHARPE_DAYS:
        why = Words(
            f"{len(values)} days with a return; it needs {money.SHARPE_DAYS}",
            f"只有 {len(values)} 个交易日的收益率，至少需要 {money.SHARPE_DAYS} 个",
        )
        return unknown("sortino", Unit.NUMBER, why, SOURCE)
    numbers = [float(value) for value in values]
    below = math.sqrt(math.fsum(min(x, 0.0) ** 2 for x in numbers) / len(numbers))
    if not below:
        return unknown("sortino", Unit.NUMBER, Words("no day lost", "没有亏损日"), SOURCE)
    value = math.fsum(numbers) / len(numbers) / below * math.sqrt(money.DAYS_A_YEAR)
    return Figure("sortino", Decimal(f"{value:.4f}"), Unit.NUMBER, source=SOURCE)


def _falling(known: Sequence[Dayline]) -> Figure:
    """The deepest fall of the days' closing equity below its highest before, the first day's begin among them."""
    first = known[0].earned
    assert first is not None
    base = first.capital
    peak, worst, at = base, Decimal(0), known[0].day.name
    for one in known:
        if one.earned is None:
            continue
        equity = base + decimal(one.earned.end["total"]) - decimal(first.start["total"])
        peak = max(peak, equity)
        if peak > 0 and (peak - equity) / peak > worst:
            worst, at = (peak - equity) / peak, one.day.name
    note = same(at) if worst else NOTHING
    return Figure("range_drawdown", worst, Unit.RATIO, note=note, source=SOURCE)


def _parts(whole: DayMoney) -> list[Figure]:
    return [
        Figure(f"pnl_{name}", -whole.part(name) if name == "fees" else whole.part(name), Unit.QUOTE, source=SOURCE)
        for name in money.PARTS
    ]


def _counted(days: Sequence[Dayline]) -> list[Figure]:
    """Sums over the days; not known where one day's is not."""
    made = []
    for key, unit, source, values in (
        ("range_orders", Unit.COUNT, "journal: orders", [one.orders for one in days]),
        ("range_fills", Unit.COUNT, "journal: trades", [one.fills for one in days]),
        ("range_turnover", Unit.QUOTE, "journal: trades", [one.turnover for one in days]),
        ("range_trips", Unit.COUNT, "journal: risk_events", [one.trips for one in days]),
    ):
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            why = next(
                one.answers[n].why for one in days for n in ("by_state", "traded", "opened") if one.answers[n].why
            )
            made.append(unknown(key, unit, Words(why, why), source))
        else:
            total = sum(known, Decimal(0))
            made.append(Figure(key, int(total) if unit is Unit.COUNT else total, unit, source=source))
    return made


def _charts(days: Sequence[Dayline], known: Sequence[Dayline], closes: Answer) -> tuple[Chart, ...]:
    if not known or known[0].earned is None or known[-1].earned is None:
        why = money.reason(closes)
        return tuple(Chart(key, Shape.BARS, (), (), Unit.QUOTE, why=why) for key in ("day_bars", "cumulative"))
    names = [one.day.name for one in days]
    bars = [None if one.earned is None else float(one.earned.profit) for one in days]
    base = decimal(known[0].earned.start["total"])
    curve = [None if one.earned is None else float(decimal(one.earned.end["total"]) - base) for one in days]
    x = [0.0, *(float(at + 1) for at in range(len(days)))]
    y: list[float | None] = [0.0, *curve]
    every = max(1, math.ceil(len(days) / 6))
    ticks = [(float(at + 1), days[at].day.name[5:]) for at in range(0, len(days), every)]
    whole = DayMoney(known[0].earned.start, known[-1].earned.end, False)
    return (
        Chart("day_bars", Shape.BARS, names, bars, Unit.QUOTE),
        Chart("cumulative", Shape.LINE, x, y, Unit.QUOTE, ticks=ticks),
        Chart("range_curve_drawdown", Shape.AREA, x, money.falling(y), Unit.QUOTE, ticks=ticks),
        waterfall({name: whole.part(name) for name in (*money.PARTS, "total")}),
    )


def _listing(days: Sequence[Dayline]) -> Listing:
    rows = []
    for one in reversed(days):
        profit = None if one.earned is None else one.earned.profit
        ratio = None if one.earned is None else one.earned.ratio
        fall = one.drawdown
        ended = sum(count for state, count in one.states.items() if state in ENDED)
        failed = sum(count for state, count in one.states.items() if state in FAILED)
        told = one.answers["by_state"].known
        rows.append(
            (
                Cell(one.day.name),
                Cell(profit, Unit.QUOTE, Tone.PLAIN if profit is None else gain(profit)),
                Cell(ratio, Unit.RATIO),
                Cell(None if fall is None else fall.ratio, Unit.RATIO),
                Cell(one.orders, Unit.COUNT),
                Cell(one.fills, Unit.COUNT),
                Cell(Decimal(one.touched) / ended if ended else None, Unit.RATIO),
                Cell(one.turnover, Unit.QUOTE),
                Cell(failed if told else None, Unit.COUNT, Tone.WARN if failed else Tone.PLAIN),
                Cell(one.trips, Unit.COUNT, Tone.WARN if one.trips else Tone.PLAIN),
            )
        )
    columns = (
        "date",
        "profit",
        "return",
        "drawdown",
        "orders",
        "fills",
        "fill_ratio",
        "turnover",
        "orders_failed",
        "trips",
    )
    return Listing("by_day", columns, tuple(rows), Words("no day", "无"))


def _remarks(reading: SpanReading, days: Sequence[Dayline]) -> list[Words]:
    made = []
    if reading.subject.unfinished:
        made.append(Words("the last day has not ended", "最后一天尚未结束"))
    empty = [one.day.name for one in days if one.earned is None]
    if empty:
        text = ", ".join(empty[:10]) + (f" + {len(empty) - 10}" if len(empty) > 10 else "")
        made.append(Words(f"days without a sample ({len(empty)}): {text}", f"{len(empty)} 天没有样本：{text}"))
    silent = {answer.why for one in days for answer in one.answers.by_name.values() if not answer.known}
    made += [Words(f"the journal did not answer: {why}", f"日志未能回答：{why}") for why in sorted(silent)]
    return made
