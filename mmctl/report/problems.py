"""What the day's review has to speak of: problems that were found, and suggestions that follow from them by rule.

Each names its evidence: the figure or event it stands on and where that was read. A rule that lacks its figures is
silent; what is missing is told by the figures themselves.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mmctl.report.answers import Answers
from mmctl.report.criteria import Verdict
from mmctl.report.document import Cell, Figure, Listing, Tone, Unit, Words
from mmctl.report.fills import Traded
from mmctl.report.notes import Note
from mmctl.report.period import NS, Day
from mmctl.report.quotes import FAILED, outcome
from mmctl.report.risk import NEAR, Tripped, Use
from mmctl.report.running import Logged, Start
from mmctl.report.shown import shown

WARN, BAD = Tone.WARN, Tone.BAD
LOG_SHOWN: Final = 3
LOW_UPTIME: Final = Decimal("0.95")
MANY_REFUSED: Final = Decimal("0.01")
FEW_FILLED: Final = Decimal("0.30")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: how bad, what, and what it stands on."""

    tone: Tone
    what: Words
    evidence: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything the rules look at. ``figures`` by key."""

    answers: Answers
    day: Day
    figures: Mapping[str, Figure]
    traded: Traded
    trips: Sequence[Tripped]
    starts: Sequence[Start]
    uses: Sequence[Use]
    logged: Logged
    verdicts: Sequence[Verdict]
    currency: str

    def number(self, key: str) -> Decimal | None:
        """A figure's value where it is known and a number."""
        figure = self.figures.get(key)
        value = figure.value if figure is not None else None
        return Decimal(value) if isinstance(value, Decimal | int) else None


def problems(seen: Seen) -> list[Problem]:
    """Every problem, the worst first."""
    found = [problem for rule in FINDERS for problem in rule(seen)]
    return sorted(found, key=lambda problem: problem.tone is not BAD)


def _trips(seen: Seen) -> list[Problem]:
    made = []
    for cause, count in Counter(trip.cause for trip in seen.trips).most_common():
        first = next(trip for trip in seen.trips if trip.cause == cause)
        halted = any(trip.halted for trip in seen.trips if trip.cause == cause)
        times = Words(f"{count} times", f"{count} 次") if count > 1 else Words("once", "1 次")
        what = Words(
            f"the breaker {'halted' if halted else 'opened'} {times.en}, cause {cause}: {first.message}",
            f"熔断{'停机' if halted else '触发'} {times.zh}，原因 {cause}：{first.message}",
        )
        made.append(Problem(BAD if halted else WARN, what, f"risk_events: breaker, {seen.day.clock(first.ns)}"))
    return made


def _refused(seen: Seen) -> list[Problem]:
    rows = [r for r in seen.answers["orders"].rows if outcome(r) in FAILED]
    rows = [r for r in rows if seen.day.begin_ns <= int(r["created_ns"]) < seen.day.end_ns]
    made = []
    for (state, reason), count in Counter((str(r["state"]), str(r["reason"])) for r in rows).most_common(5):
        words = reason or "no reason was given"
        what = Words(f"{count:,} orders {state}: {words}", f"{count:,} 笔订单 {state}：{words}")
        made.append(Problem(BAD if state == "UNKNOWN" else WARN, what, "orders.state, orders.reason"))
    return made


def _reconciled(seen: Seen) -> list[Problem]:
    rows = [r for r in seen.answers["events"].rows if str(r["kind"]).startswith("reconcile:")]
    made = []
    for kind, count in Counter(str(row["kind"]) for row in rows).most_common():
        first = next(row for row in rows if row["kind"] == kind)
        unmended = any(row["severity"] == "critical" for row in rows if row["kind"] == kind)
        end, ende = ("", "") if unmended else (" (mended by its rule)", "（已按规则修复）")
        what = Words(
            f"reconciliation found {count} × {kind.partition(':')[2]}: {first['message']}{end}",
            f"对账差异 {kind.partition(':')[2]} {count} 次：{first['message']}{ende}",
        )
        made.append(
            Problem(BAD if unmended else WARN, what, f"risk_events: {kind}, {seen.day.clock(int(first['ns']))}")
        )
    return made


def _critical(seen: Seen) -> list[Problem]:
    told = ("breaker", "stop")
    rows = [
        r
        for r in seen.answers["events"].rows
        if r["severity"] == "critical" and r["kind"] not in told and not str(r["kind"]).startswith("reconcile:")
    ]
    made = []
    for kind, count in Counter(str(row["kind"]) for row in rows).most_common():
        first = next(row for row in rows if row["kind"] == kind)
        what = Words(f"{count} × {kind}: {first['message']}", f"{kind} {count} 次：{first['message']}")
        made.append(Problem(BAD, what, f"risk_events: {kind}, {seen.day.clock(int(first['ns']))}"))
    return made


def _running(seen: Seen) -> list[Problem]:
    made = []
    for one in seen.starts:
        if one.clean is False:
            at = seen.day.clock(one.at_ns)
            what = Words(
                f"epoch {one.epoch} began at {at}; the one before had ended without a word (killed, crashed or lost)",
                f"任期 {one.epoch} 于 {at} 开始；前一任期未正常停止（被杀、崩溃或丢失）",
            )
            made.append(Problem(BAD, what, "orders.epoch, risk_events: stop"))
    gaps = seen.number("gaps")
    if gaps:
        note = seen.figures["gaps"].note
        what = Words(f"{gaps:,} stretches without a sample, {note.en}", f"{gaps:,} 段无样本，{note.zh}")
        made.append(Problem(WARN, what, "pnl.ns"))
    return made


def _late(seen: Seen) -> list[Problem]:
    rows = seen.traded.late
    if not rows:
        return []
    longest = max(int(row["booked_ns"]) / NS - int(row["exchange_ms"]) / 1000 for row in rows)
    what = Words(
        f"{len(rows):,} trades were booked more than a minute after they were made, the latest {longest:,.0f} s after: "
        "profit counts where they were booked, fills where they were made",
        f"{len(rows):,} 笔成交入账晚于发生一分钟以上，最长 {longest:,.0f} 秒：收益按入账时间、成交按发生时间统计",
    )
    return [Problem(WARN, what, "trades.exchange_ms, trades.booked_ns")]


def _fees(seen: Seen) -> list[Problem]:
    rows = [r for r in seen.answers["events"].rows if "no rate for a fee" in str(r["message"])]
    if not rows:
        return []
    what = Words(
        f"{len(rows)} fees had no rate and count as zero in profit: {rows[0]['message']}",
        f"{len(rows)} 笔手续费无汇率，在收益中按零计：{rows[0]['message']}",
    )
    return [Problem(BAD, what, "risk_events: books")]


def _logged(seen: Seen) -> list[Problem]:
    made = []
    counts = Counter(text for _, text in seen.logged.errors)
    for text, count in counts.most_common(LOG_SHOWN):
        made.append(Problem(WARN, Words(f"{count} × in the log: {text}", f"程序日志 {count} 次：{text}"), "mmctl logs"))
    return made


def _missed(seen: Seen) -> list[Problem]:
    made = []
    for verdict in seen.verdicts:
        if verdict.met is False and verdict.criterion.kind.value in ("stop", "trigger"):
            text = verdict.criterion.text
            what = Words(f"missed: {text.en}", f"未满足：{text.zh}")
            tone = BAD if verdict.criterion.kind.value == "stop" else WARN
            made.append(Problem(tone, what, f"criterion on {verdict.criterion.figure}"))
    return made


FINDERS: Final[tuple[Callable[[Seen], list[Problem]], ...]] = (
    _missed,
    _trips,
    _reconciled,
    _critical,
    _running,
    _refused,
    _fees,
    _late,
    _logged,
)


def suggestions(seen: Seen) -> list[Problem]:
    """What a rule would look at next; each names the figures that it stands on."""
    return [found for rule in RULES if (found := rule(seen)) is not None]


def _inventory(seen: Seen) -> Problem | None:
    spread, inventory = seen.number("pnl_spread"), seen.number("pnl_inventory")
    if spread is None or inventory is None or inventory >= 0 or -inventory <= spread:
        return None
    lost, earned = money(inventory, seen.currency), money(spread, seen.currency)
    what = Words(
        f"the position lost {lost} while quotes earned {earned}: lean quotes harder against the position, or lower "
        "strategy.max_inventory",
        f"持仓损失 {lost}，价差收入 {earned}：加大库存偏移或降低 strategy.max_inventory",
    )
    return Problem(WARN, what, "pnl_inventory, pnl_spread")


def _adverse(seen: Seen) -> Problem | None:
    spread = seen.number("pnl_spread")
    if spread is None or spread >= 0:
        return None
    what = Words(
        f"fills were worse than the mid ({money(spread, seen.currency)}): widen strategy.base_spread, and look at "
        "latency, since quotes were hit before they moved",
        f"成交价劣于中间价（{money(spread, seen.currency)}）：扩大 strategy.base_spread，并检查延迟",
    )
    return Problem(WARN, what, "pnl_spread")


def _costly(seen: Seen) -> Problem | None:
    spread, fees = seen.number("pnl_spread"), seen.number("pnl_fees")
    if spread is None or fees is None or spread <= 0 or -fees <= spread:
        return None
    what = Words(
        f"fees of {money(-fees, seen.currency)} exceed the spread earned, {money(spread, seen.currency)}: widen, "
        "or reach a better fee tier",
        f"手续费 {money(-fees, seen.currency)} 超过价差收入 {money(spread, seen.currency)}：扩大价差或改善费率",
    )
    return Problem(WARN, what, "pnl_fees, pnl_spread")


def _uptime(seen: Seen) -> Problem | None:
    uptime = seen.number("quote_uptime")
    if uptime is None or uptime >= LOW_UPTIME:
        return None
    what = Words(
        f"both sides stood {uptime:.1%} of the time: ask `mmctl why` which refusals keep quotes away",
        f"双边报价时间仅 {uptime:.1%}：用 `mmctl why` 查看报价缺失原因",
    )
    return Problem(WARN, what, "quote_uptime")


def _rejects(seen: Seen) -> Problem | None:
    sent, failed = seen.number("orders"), seen.number("orders_failed")
    if not sent or failed is None or failed / sent <= MANY_REFUSED:
        return None
    what = Words(
        f"{failed / sent:.1%} of the orders failed: look at their reasons above, at filters, funds and rate limits",
        f"{failed / sent:.1%} 的订单失败：检查失败原因、交易规则、资金与限频",
    )
    return Problem(WARN, what, "orders_failed, orders")


def _unfilled(seen: Seen) -> Problem | None:
    ratio = seen.number("fill_ratio")
    if ratio is None or ratio > FEW_FILLED:
        return None
    what = Words(
        f"{ratio:.1%} of the ended orders were filled (the plan asks for 30 %): quotes are far from the market or are "
        "replaced too often; see strategy.base_spread and strategy.requote_tolerance",
        f"已结束订单成交率 {ratio:.1%}（目标 30%）：报价过远或更换过频，参见 base_spread 与 requote_tolerance",
    )
    return Problem(WARN, what, "fill_ratio")


def _near(seen: Seen) -> Problem | None:
    near = [one for one in seen.uses if one.ratio is not None and one.ratio >= NEAR]
    if not near:
        return None
    most = max(near, key=lambda one: one.ratio or Decimal(0))
    what = Words(
        f"{most.name.en} used {most.ratio:.0%} of its limit: less size, or a limit that is meant",
        f"{most.name.zh} 已用限额的 {most.ratio:.0%}：降低规模或复核限额",
    )
    return Problem(WARN, what, most.source)


def _again(seen: Seen) -> Problem | None:
    causes = Counter(trip.cause for trip in seen.trips).most_common(1)
    if not causes or causes[0][1] < 3:
        return None
    cause, count = causes[0]
    what = Words(
        f"the breaker tripped {count} times for {cause}: its threshold or what it watches needs a look before tomorrow",
        f"熔断因 {cause} 触发 {count} 次：请在明日之前复核阈值或其监测对象",
    )
    return Problem(WARN, what, "trips")


def _one_sided(seen: Seen) -> Problem | None:
    bought, sold = seen.traded.value[1], seen.traded.value[-1]
    both = bought + sold
    if not both or seen.traded.fills < 20 or abs(bought - sold) / both < Decimal("0.3"):
        return None
    what = Words(
        f"bought {money(bought, seen.currency)}, sold {money(sold, seen.currency)}: fills came from one side, which "
        "points to a trend or to quotes off the mid",
        f"买入 {money(bought, seen.currency)}，卖出 {money(sold, seen.currency)}：成交偏向单边，可能存在趋势或报价偏离",
    )
    return Problem(WARN, what, "bought, sold")


RULES: Final[tuple[Callable[[Seen], Problem | None], ...]] = (
    _inventory,
    _adverse,
    _costly,
    _one_sided,
    _uptime,
    _rejects,
    _unfilled,
    _near,
    _again,
)


def money(value: Decimal, currency: str) -> str:
    """An amount for a sentence: thousands apart, four decimals, two from a thousand on."""
    return shown(value, Unit.QUOTE, currency, "en")


def listing(key: str, found: Sequence[Problem], empty: Words) -> Listing:
    """A row a problem or suggestion."""
    rows = tuple((Cell(one.what, tone=one.tone), Cell(one.evidence)) for one in found)
    return Listing(key, ("what", "evidence"), rows, empty)


def note_listing(notes: Sequence[Note], day: Day) -> Listing:
    """Open points first, by priority, then those closed in the period."""
    ranked = sorted(notes, key=lambda note: (not note.open, note.priority, note.number))
    rows = []
    for note in ranked:
        state = Words("open", "未关闭") if note.open else Words(f"closed: {note.outcome}", f"已关闭：{note.outcome}")
        tone = (Tone.BAD if note.priority == "P0" else Tone.WARN) if note.open else Tone.GOOD
        age = max(0, (day.end_ns - note.opened_ns) // (86_400 * NS))
        rows.append(
            (
                Cell(f"#{note.number}"),
                Cell(note.priority),
                Cell(note.text),
                Cell(state, tone=tone),
                Cell(age, Unit.COUNT),
                Cell(note.opened_by),
            )
        )
    empty = Words("no open point: mmctl report note add TARGET TEXT", "没有待办：mmctl report note add TARGET TEXT")
    return Listing("open_points", ("number", "priority", "what", "state", "age_days", "opened_by"), tuple(rows), empty)
