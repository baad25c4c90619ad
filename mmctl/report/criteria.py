"""The stage's key figures, alert triggers, success and failure criteria, each judged on the day's figures.

The numbers are those of the rollout plan's stage with small capital: 1,000 in the quote currency, 72 to 120 hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from mmctl.report.document import Cell, Figure, Listing, Tone, Unit, Words


class Kind(Enum):
    """What a criterion is for."""

    KEY = "key"  # a key figure to watch
    TRIGGER = "trigger"  # an alert's trigger
    SUCCESS = "success"  # wanted before the next stage
    STOP = "stop"  # stop at once


KINDS: Final = {
    Kind.KEY: Words("key figure", "关键指标"),
    Kind.TRIGGER: Words("alert trigger", "告警触发"),
    Kind.SUCCESS: Words("success criterion", "成功标准"),
    Kind.STOP: Words("stop at once", "立即停止"),
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """``figure`` must stand to ``bound`` as ``above`` says. Bounds on losses are negative: a loss of 10 is -10."""

    kind: Kind
    figure: str
    above: bool  # must be above the bound; else at or below it
    bound: Decimal
    unit: Unit
    text: Words

    def met(self, value: Decimal) -> bool:
        """Whether ``value`` is where it should be."""
        return value > self.bound if self.above else value <= self.bound


def _one(kind: Kind, figure: str, sign: str, bound: str, unit: Unit, zh: str, en: str) -> Criterion:
    return Criterion(kind, figure, sign == ">", Decimal(bound), unit, Words(en, zh))


#: A wanted state each; the seed's triggers and failures are turned round: "loss > 10" is wanted as "above -10".
CRITERIA: Final = (
    _one(Kind.KEY, "success_ratio", ">", "0.99", Unit.RATIO, "订单成功率 > 99%", "orders accepted > 99 %"),
    _one(Kind.KEY, "fill_ratio", ">", "0.30", Unit.RATIO, "成交率 > 30%", "fill ratio > 30 %"),
    _one(Kind.TRIGGER, "worst_fill", ">", "-10", Unit.QUOTE, "任何单笔亏损 ≤ 10", "no single loss over 10"),
    _one(
        Kind.TRIGGER, "failed_in_an_hour", "<=", "5", Unit.COUNT, "订单失败 ≤ 5 次/小时", "failed orders ≤ 5 in an hour"
    ),
    _one(Kind.TRIGGER, "trips", "<=", "3", Unit.COUNT, "风控触发 ≤ 3 次/天", "trips ≤ 3 a day"),
    _one(Kind.TRIGGER, "errors_in_an_hour", "<=", "10", Unit.COUNT, "系统错误 ≤ 10 次/小时", "errors ≤ 10 in an hour"),
    _one(Kind.SUCCESS, "cumulative_pnl", ">", "0", Unit.QUOTE, "累计 PnL > 0", "cumulative profit > 0"),
    _one(Kind.SUCCESS, "day_return", ">", "0.0005", Unit.RATIO, "日收益率 > 0.05%", "return of the day > 0.05 %"),
    _one(Kind.SUCCESS, "max_drawdown", "<=", "0.02", Unit.RATIO, "最大回撤 ≤ 2%", "max drawdown ≤ 2 %"),
    _one(Kind.SUCCESS, "accuracy_ratio", ">", "0.995", Unit.RATIO, "订单准确率 > 99.5%", "order accuracy > 99.5 %"),
    _one(Kind.SUCCESS, "stability", ">", "0.999", Unit.RATIO, "系统稳定性 > 99.9%", "stability > 99.9 %"),
    _one(Kind.STOP, "cumulative_pnl", ">", "-50", Unit.QUOTE, "累计亏损 ≤ 50", "cumulative loss not over 50"),
    _one(Kind.STOP, "day_pnl", ">", "-30", Unit.QUOTE, "单日亏损 ≤ 30", "loss of the day not over 30"),
    _one(Kind.STOP, "crashes", "<=", "3", Unit.COUNT, "系统崩溃 ≤ 3 次", "crashes ≤ 3"),
    _one(Kind.STOP, "abnormal_ratio", "<=", "0.10", Unit.RATIO, "订单异常 ≤ 10%", "abnormal orders ≤ 10 %"),
    _one(Kind.STOP, "inconsistencies", "<=", "0", Unit.COUNT, "数据一致", "books and exchange agree"),
)
MET, MISSED, UNKNOWN = Words("met", "达标"), Words("missed", "未达标"), Words("not known", "未知")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One criterion, the figure it was judged on, and whether it holds: None where the figure is not known."""

    criterion: Criterion
    figure: Figure | None
    met: bool | None


def judge(figures: Mapping[str, Figure]) -> list[Verdict]:
    """Every criterion in its order. A figure that is not known meets nothing and misses nothing."""
    found = []
    for one in CRITERIA:
        figure = figures.get(one.figure)
        value = figure.value if figure is not None else None
        known = isinstance(value, Decimal | int)
        found.append(Verdict(one, figure, one.met(Decimal(value)) if known else None))  # type: ignore[arg-type]
    return found


def listing(verdicts: Sequence[Verdict]) -> Listing:
    """A row a criterion: what is wanted, what was found, whether it holds."""
    rows = []
    for one in verdicts:
        bad = Tone.BAD if one.criterion.kind is Kind.STOP else Tone.WARN
        state = UNKNOWN if one.met is None else MET if one.met else MISSED
        tone = Tone.PLAIN if one.met is None else Tone.GOOD if one.met else bad
        value = one.figure.value if one.figure is not None else None
        rows.append(
            (
                Cell(KINDS[one.criterion.kind]),
                Cell(one.criterion.text),
                Cell(value, one.criterion.unit),
                Cell(state, tone=tone),
            )
        )
    return Listing("criteria", ("kind", "wanted", "found", "verdict"), tuple(rows), Words("none", "无"))
