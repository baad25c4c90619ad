"""What a day earned: from the journal's samples of profit and loss, each exact and once a second.

``total = realized + unrealized - fees + funding + hedge = spread + inventory - fees + funding + hedge`` holds in every
sample, and so for the difference of two. A day's profit is the last sample in it minus the last one before it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mmctl.report.answers import Answer, Answers, Row, decimal
from mmctl.report.document import NOTHING, Figure, Tone, Unit, Words, unknown
from mmctl.report.period import NS, Day

#: Days of returns below which a Sharpe ratio says nothing: its 95 % interval is then wider than plus or minus 8.
SHARPE_DAYS: Final = 20
#: Days looked back on for it.
SHARPE_WINDOW: Final = 90
#: Exchanges of crypto assets trade every day of the year.
DAYS_A_YEAR: Final = 365
#: So much later than the day's begin, the sample before it is said to be old: profit of that time is in the day's.
EDGE_NS: Final = 60 * NS
PARTS: Final = ("spread", "inventory", "fees", "funding", "hedge")
SOURCE: Final = "journal: pnl"
NO_SAMPLE: Final = Words("the journal holds no sample of this day", "日志中没有当天的样本")


@dataclass(frozen=True, slots=True)
class DayMoney:
    """One day's profit. ``start`` is the sample it is measured from, ``end`` the last one in it."""

    start: Row
    end: Row
    from_first: bool  # no sample before the day: measured from the first one in it

    def part(self, name: str) -> Decimal:
        """What ``name`` (total, realized, fees, ...) changed by, quote currency."""
        return decimal(self.end[name]) - decimal(self.start[name])

    @property
    def profit(self) -> Decimal:
        """Of the day, after fees and funding, at its last mark."""
        return self.part("total")

    @property
    def capital(self) -> Decimal:
        """Equity that the day began with, quote currency."""
        return decimal(self.start["equity"])

    @property
    def ratio(self) -> Decimal | None:
        """Profit as a share of ``capital``; None where that is not positive."""
        return self.profit / self.capital if self.capital > 0 else None


def day_money(before: Answer, first: Answer, last: Answer) -> DayMoney | None:
    """The day's profit, None where it has no sample."""
    end = last.one
    start = before.one or first.one
    if end is None or start is None:
        return None
    return DayMoney(start, end, before.one is None)


def reason(*answers: Answer) -> Words:
    """Why something is not known: what the journal said, or that it holds nothing of the day."""
    for answer in answers:
        if not answer.known:
            return Words(f"the journal does not tell: {answer.why}", f"日志无法给出：{answer.why}")
    return NO_SAMPLE


def figures(found: DayMoney | None, answers: Answers, day: Day) -> list[Figure]:
    """Profit of the day and in all, return, and its parts."""
    why = reason(answers["last"], answers["before"], answers["first"])
    if found is None:
        return [
            unknown("day_pnl", Unit.QUOTE, why, SOURCE),
            _cumulative(answers),
            unknown("day_return", Unit.RATIO, why, SOURCE),
            *(unknown(f"pnl_{name}", Unit.QUOTE, why, SOURCE) for name in ("realized", "unrealized", *PARTS)),
        ]
    note = NOTHING
    if found.from_first:
        at = day.clock(found.start["ns"])
        note = Words(f"measured from the journal's first sample, {at}", f"自日志首个样本 {at} 起计")
    elif day.begin_ns - found.start["ns"] > EDGE_NS:
        at = day.clock(found.start["ns"])
        note = Words(
            f"the sample before the day is of {at}: what happened since then is in this figure",
            f"当天之前的最后样本在 {at}，其后的变化计入本数",
        )
    ratio = found.ratio
    capital = Words("equity at the day's begin is not positive", "当天开始时权益不为正")
    fees = found.part("fees")
    return [
        Figure("day_pnl", found.profit, Unit.QUOTE, note=note, source=SOURCE, tone=gain(found.profit)),
        _cumulative(answers),
        unknown("day_return", Unit.RATIO, capital, SOURCE)
        if ratio is None
        else Figure("day_return", ratio, Unit.RATIO, source=SOURCE, tone=gain(ratio)),
        Figure("capital", found.capital, Unit.QUOTE, source="journal: pnl.equity"),
        *(Figure(f"pnl_{name}", found.part(name), Unit.QUOTE, source=SOURCE) for name in ("realized", "unrealized")),
        *(
            Figure(f"pnl_{name}", -fees if name == "fees" else found.part(name), Unit.QUOTE, source=SOURCE)
            for name in PARTS
        ),
    ]


def _cumulative(answers: Answers) -> Figure:
    last = answers["last"].one or answers["before"].one
    if last is None:
        return unknown("cumulative_pnl", Unit.QUOTE, reason(answers["last"], answers["before"]), SOURCE)
    total = decimal(last["total"])
    return Figure("cumulative_pnl", total, Unit.QUOTE, source=SOURCE, tone=gain(total))


def gain(value: Decimal) -> Tone:
    """Green above zero, red below."""
    return Tone.GOOD if value > 0 else Tone.BAD if value < 0 else Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of equity from its highest point so far. ``amount`` in quote currency, positive."""

    amount: Decimal
    peak: Decimal
    at_ns: int

    @property
    def ratio(self) -> Decimal | None:
        """As a share of the peak; None where the peak is not positive."""
        return self.amount / self.peak if self.peak > 0 else None


def drawdown(answer: Answer, peak: str) -> Drawdown | None:
    """Out of a row with ``ns``, ``equity`` and the peak's column; None without a row."""
    row = answer.one
    if row is None:
        return None
    top, equity = decimal(row[peak]), decimal(row["equity"])
    amount = (top - equity).quantize(Decimal("1e-12"))  # the running peak is compared as a floating number
    return Drawdown(max(amount, Decimal(0)), top, int(row["ns"]))


def drawdown_figures(answers: Answers, day: Day) -> list[Figure]:
    """The day's own drawdown, and the one that the limit counts, from the peak that the engine remembers."""
    made = []
    for key, name, peak in (
        ("max_drawdown", "drawdown", "peak"),
        ("limit_drawdown", "limit_drawdown", "peak_equity"),
    ):
        found = drawdown(answers[name], peak)
        if found is None or found.ratio is None:
            why = reason(answers[name]) if found is None else Words("equity was not positive", "权益不为正")
            made.append(unknown(key, Unit.RATIO, why, SOURCE))
            continue
        at = day.clock(found.at_ns)
        note = NOTHING if not found.amount else Words(f"at {at}", f"发生于 {at}")
        made.append(Figure(key, found.ratio, Unit.RATIO, note=note, source=SOURCE))
        if key == "max_drawdown":
            made.append(Figure("max_drawdown_quote", found.amount, Unit.QUOTE, source=SOURCE))
    return made


def closing(answer: Answer, moments: Sequence[int]) -> list[Row | None]:
    """The last sample before each moment, None where there is none."""
    found: Mapping[int, Row] = {int(row["number"]): row for row in answer.rows}
    return [found.get(at) for at in range(len(moments))]


def returns(days: Sequence[Day], closes: Sequence[Row | None]) -> list[tuple[Day, Decimal]]:
    """Day and return, of the days that have a sample of their own and one before. ``closes``: one more than days.

    The first of ``closes`` is the sample before the first day's begin.
    """
    found = []
    for at, day in enumerate(days):
        start, end = closes[at], closes[at + 1]
        if start is None or end is None or int(end["ns"]) < day.begin_ns:
            continue
        capital = decimal(start["equity"])
        if capital > 0:
            found.append((day, (decimal(end["total"]) - decimal(start["total"])) / capital))
    return found


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio a year with its 95 % interval, from so many days."""

    value: float
    low: float
    high: float
    days: int


def sharpe(values: Sequence[Decimal]) -> Ratio | None:
    """Mean of daily returns by their deviation, times the root of 365; None below ``SHARPE_DAYS`` or without change.

    The interval is Lo's for independent returns (Lo, "The Statistics of Sharpe Ratios", 2002, eq. 9). The rate
    without risk is taken as zero.
    """
    count = len(values)
    if count < SHARPE_DAYS:
        return None
    numbers = [float(value) for value in values]
    mean = math.fsum(numbers) / count
    variance = math.fsum((x - mean) ** 2 for x in numbers) / (count - 1)
    if variance <= 0:
        return None
    daily = mean / math.sqrt(variance)
    error = math.sqrt((1 + daily * daily / 2) / count)
    year = math.sqrt(DAYS_A_YEAR)
    return Ratio(daily * year, (daily - 1.96 * error) * year, (daily + 1.96 * error) * year, count)


def sharpe_figure(values: Sequence[Decimal], answer: Answer) -> Figure:
    """The Sharpe ratio with the number of days behind it, or why there is none."""
    if not answer.known:
        return unknown("sharpe", Unit.NUMBER, reason(answer), SOURCE)
    found = sharpe(values)
    count = len(values)
    if found is None:
        why = Words(
            f"{count} days with a return; it needs {SHARPE_DAYS}",
            f"只有 {count} 个交易日的收益率，至少需要 {SHARPE_DAYS} 个",
        )
        if count >= SHARPE_DAYS:
            why = Words("the returns do not differ", "收益率没有差异")
        return unknown("sharpe", Unit.NUMBER, why, SOURCE)
    note = Words(
        f"of {found.days} days; 95 % interval {found.low:.2f} to {found.high:.2f}",
        f"基于 {found.days} 天；95% 区间 {found.low:.2f} 至 {found.high:.2f}",
    )
    return Figure("sharpe", Decimal(f"{found.value:.4f}"), Unit.NUMBER, note=note, source=SOURCE)


def curve(rows: Sequence[Row], start: Row, begin_ns: int) -> tuple[list[float], list[float | None]]:
    """Seconds since the begin and profit since ``start``, with a gap where there were no samples for five minutes."""
    x: list[float] = []
    y: list[float | None] = []
    base = decimal(start["total"])
    for row in rows:
        at = (int(row["ns"]) - begin_ns) / NS
        if x and at - x[-1] > 300:
            x.append(x[-1])
            y.append(None)
        x.append(at)
        y.append(float(decimal(row["total"]) - base))
    return x, y


def falling(y: Sequence[float | None]) -> list[float | None]:
    """Each value's distance below the highest so far, at most zero; the first counts from zero."""
    peak, found = 0.0, list[float | None]()
    for value in y:
        if value is not None:
            peak = max(peak, value)
        found.append(None if value is None else value - peak)
    return found


def currency_of(answers: Answers) -> str:
    """The quote currency that the samples are in; empty where there is none."""
    row: Any = answers["last"].one or answers["before"].one
    return str(row["currency"]) if row else ""
