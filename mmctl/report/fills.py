"""What was traded: the day's fills as the journal holds them, and what each closed at average cost."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from mmctl.report.answers import Answers, Row, decimal, document_of
from mmctl.report.document import NOTHING, Cell, Chart, Figure, Listing, Shape, Tone, Unit, Words, same, unknown
from mmctl.report.money import reason
from mmctl.report.period import NS, Day

SOURCE: Final = "journal: trades"
#: Booked so much later than the exchange made it, a trade was found afterwards, not heard of as it happened.
LATE_NS: Final = 60 * NS
#: A position that sums of floating numbers leave so near to zero is zero, base currency.
FLAT: Final = Decimal("1e-9")
#: Asset ``*``: of a fee paid in another asset than base or quote, the value is the engine's own.
WORST_SHOWN: Final = 5


@dataclass(slots=True)
class Walk:
    """One symbol's position at average cost, fill by fill. ``known`` is False until its cost is.

    ``placed`` is False where not even the position is known that it began with.
    """

    lots: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)  # of the position, sign as the position's
    known: bool = True
    placed: bool = True

    def take(self, side: int, quantity: Decimal, price: Decimal) -> Decimal | None:
        """Book a fill; what it closed earned, quote currency before its fee. None where the cost is not known."""
        signed = quantity * side
        before = self.lots
        self.lots += signed
        if not before or (before > 0) == (signed > 0):
            self.cost += signed * price
            return Decimal(0) if self.known else None
        closed = min(quantity, abs(before))
        share = self.cost * closed / abs(before)
        made = (closed * price * (1 if before > 0 else -1)) - share
        self.cost -= share
        if quantity > abs(before):  # turned
            self.cost = self.lots * price
        found = made if self.known else None
        if abs(self.lots) <= FLAT:
            self.lots, self.cost = Decimal(0), Decimal(0)
        if not self.lots or (self.lots > 0) != (before > 0):
            self.known = True
        return found


@dataclass(frozen=True, slots=True)
class Made:
    """A fill, and what it made: what it closed earned, less its own fee; one that opens has its fee lost.

    ``result`` is None where cost or fee are not known in quote currency.
    """

    row: Row
    result: Decimal | None


@dataclass(slots=True)
class Traded:
    """The day's trades, summed."""

    fills: int = 0
    value: dict[int, Decimal] = field(default_factory=lambda: {1: Decimal(0), -1: Decimal(0)})
    count: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})
    maker: int = 0
    fees: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    made: list[Made] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    positions: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)  # ns and base after each fill
    rate: tuple[str, Decimal] | None = None  # of the third asset that fees were paid in, quote currency


def start_of(answers: Answers, symbol: str) -> Walk:
    """The position a symbol's day began with: from the trades before it, back to when it was last flat."""
    held = next((row for row in answers["held"].rows if row["symbol"] == symbol), None)
    if not answers["held"].known or not answers["basis"].known:
        return Walk(known=False, placed=False)
    if held is None:
        return Walk()
    rows = sorted((row for row in answers["basis"].rows if row["symbol"] == symbol), key=_order)
    moved = sum((decimal(row["quantity"]) * int(row["side"]) for row in rows), Decimal(0))
    whole = len(rows) >= int(held["trades"])
    begin = Decimal(0) if whole else decimal(held["held"]) - moved
    walk = Walk(lots=begin if abs(begin) > FLAT else Decimal(0))
    walk.known = not walk.lots
    for row in rows:
        walk.take(int(row["side"]), decimal(row["quantity"]), decimal(row["price"]))
    return walk


def _order(row: Row) -> tuple[int, int]:
    return int(row["exchange_ms"]), int(row["trade_id"])


def traded(answers: Answers, currency: str, fees: Decimal | None = None) -> Traded:
    """The day's trades: counts, values, fees by asset, what each closing earned.

    ``fees``: what the engine counted for all of them, quote currency; it values a fee paid in a third asset.
    """
    found = Traded()
    found.rate = rate_of(answers, currency, fees)
    by_symbol: dict[str, list[Row]] = defaultdict(list)
    for row in answers["fills"].rows:
        by_symbol[str(row["symbol"])].append(row)
    for symbol, rows in by_symbol.items():
        walk = start_of(answers, symbol)
        places = found.positions.setdefault(symbol, [])
        for row in sorted(rows, key=_order):
            _take(found, walk, row, currency)
            places.append((int(row["exchange_ms"]) * 1_000_000, walk.lots))
    return found


def _take(found: Traded, walk: Walk, row: Row, currency: str) -> None:
    side, quantity, price = int(row["side"]), decimal(row["quantity"]), decimal(row["price"])
    found.fills += 1
    found.count[side] += 1
    found.value[side] += quantity * price
    found.maker += bool(row["maker"])
    fee, asset = decimal(row["fee"]), str(row["fee_asset"])
    if fee:
        found.fees[asset] += fee
    if int(row["booked_ns"]) - int(row["exchange_ms"]) * 1_000_000 > LATE_NS:
        found.late.append(row)
    before = walk.lots
    made = walk.take(side, quantity, price)
    if walk.placed and (not before or (before > 0) == (side > 0)):
        made = Decimal(0)  # whatever the position has cost: nothing of it was closed
    paid = fee_in_quote(fee, asset, str(row["symbol"]), price, currency)
    if paid is None and found.rate is not None and found.rate[0] == asset:
        paid = fee * found.rate[1]
    found.made.append(Made(row, None if made is None or paid is None else made - paid))


def rate_of(answers: Answers, currency: str, fees: Decimal | None) -> tuple[str, Decimal] | None:
    """The third asset that fees were paid in, and its mean price by the engine's own count; None but for one such."""
    valued, third = Decimal(0), dict[str, Decimal]()
    for row in answers["fills"].rows:
        fee, asset = decimal(row["fee"]), str(row["fee_asset"])
        paid = fee_in_quote(fee, asset, str(row["symbol"]), decimal(row["price"]), currency)
        if paid is None:
            third[asset] = third.get(asset, Decimal(0)) + fee
        else:
            valued += paid
    if fees is None or len(third) != 1:
        return None
    asset, amount = next(iter(third.items()))
    return (asset, (fees - valued) / amount) if amount and (fees - valued) / amount > 0 else None


def fee_in_quote(fee: Decimal, asset: str, symbol: str, price: Decimal, currency: str) -> Decimal | None:
    """A fee in quote currency at its own fill's price; None where it was paid in a third asset: no rate is kept."""
    if not fee or asset == currency:
        return fee
    plain = symbol.replace("/", "").replace("-", "").split(":")[0]
    return fee * price if plain == asset + currency else None


def worst(found: Traded) -> Made | None:
    """The fill that lost most; None where none lost."""
    known = [one for one in found.made if one.result is not None and one.result < 0]
    return min(known, key=lambda one: one.result or Decimal(0), default=None)


def figures(found: Traded, answers: Answers, day: Day) -> list[Figure]:
    """Fills, traded value, maker share, fees by asset."""
    if not answers["fills"].known:
        why = reason(answers["fills"])
        return [unknown(key, unit, why, SOURCE) for key, unit in (("fills", Unit.COUNT), ("turnover", Unit.QUOTE))]
    made = [
        Figure("fills", found.fills, Unit.COUNT, source=SOURCE),
        Figure("bought", found.value[1], Unit.QUOTE, note=_times(found.count[1]), source=SOURCE),
        Figure("sold", found.value[-1], Unit.QUOTE, note=_times(found.count[-1]), source=SOURCE),
        Figure("turnover", found.value[1] + found.value[-1], Unit.QUOTE, source=SOURCE),
    ]
    if found.fills:
        made.append(Figure("maker_share", Decimal(found.maker) / found.fills, Unit.RATIO, source=SOURCE))
    else:
        made.append(unknown("maker_share", Unit.RATIO, Words("no fill", "无成交"), SOURCE))
    for asset, fee in sorted(found.fees.items()):
        label = Words(f"Fees paid in {asset}", f"以 {asset} 支付的手续费")
        made.append(Figure("fees_asset", fee, Unit.ASSET, source=SOURCE, label=label))
    return made


def _times(count: int) -> Words:
    return Words(f"{count:,} fills", f"{count:,} 笔")


def worst_figure(found: Traded, answers: Answers, day: Day) -> Figure:
    """The largest single loss: a fill at average cost after its own fee, as ``mm_worst_fill_day_quote`` counts it."""
    key, source = "worst_fill", f"{SOURCE}, at average cost"
    if not answers["fills"].known:
        return unknown(key, Unit.QUOTE, reason(answers["fills"]), source)
    lost = worst(found)
    unvalued = sum(1 for one in found.made if one.result is None)
    note = NOTHING
    if unvalued:
        note = Words(
            f"{unvalued} fills are not in it: cost or fee not known in quote currency",
            f"有 {unvalued} 笔成交未计入：成本或手续费无法折算",
        )
    if lost is None:
        if unvalued:
            return unknown(key, Unit.QUOTE, note, source)
        return Figure(key, Decimal(0), Unit.QUOTE, note=Words("no fill lost", "没有亏损的成交"), source=source)
    row = lost.row
    at = day.clock(int(row["exchange_ms"]) * 1_000_000)
    what = Words(f"{row['symbol']} trade {row['trade_id']} at {at}", f"{row['symbol']} 成交 {row['trade_id']}，{at}")
    note = Words(f"{what.en}; {note.en}", f"{what.zh}；{note.zh}") if note.en else what
    if found.rate is not None and str(row["fee_asset"]) == found.rate[0]:
        asset, rate = found.rate
        note = Words(
            f"{note.en}; {asset} at {rate:.2f}, the day's mean by the engine's count",
            f"{note.zh}；{asset} 按引擎当日均价 {rate:.2f} 折算",
        )
    return Figure(key, lost.result, Unit.QUOTE, note=note, source=source, tone=Tone.BAD)


def worst_listing(found: Traded, day: Day) -> Listing:
    """The fills that lost most."""
    lost = sorted(
        (one for one in found.made if one.result is not None and one.result < 0),
        key=lambda one: one.result or Decimal(0),
    )
    rows = tuple(
        (
            Cell(day.clock(int(one.row["exchange_ms"]) * 1_000_000)),
            Cell(str(one.row["symbol"])),
            Cell(Words("buy", "买") if int(one.row["side"]) > 0 else Words("sell", "卖")),
            Cell(decimal(one.row["price"]), Unit.PRICE),
            Cell(decimal(one.row["quantity"]), Unit.BASE),
            Cell(one.result, Unit.QUOTE, Tone.BAD),
            Cell(str(one.row["trade_id"])),
        )
        for one in lost[:WORST_SHOWN]
    )
    columns = ("time", "symbol", "side", "price", "quantity", "result", "trade")
    empty = Words("no fill lost", "没有亏损的成交")
    return Listing("worst_fills", columns, rows, empty, more=max(0, len(lost) - WORST_SHOWN))


def hourly(rows: Iterable[Row], day: Day) -> tuple[list[str], list[float], list[float]]:
    """Names of the day's hours, and what was bought and sold in each, quote currency."""
    hours = max(1, round(day.seconds / 3600))
    bought, sold = [0.0] * hours, [0.0] * hours
    for row in rows:
        at = min(hours - 1, (int(row["exchange_ms"]) * 1_000_000 - day.begin_ns) // (3600 * NS))
        value = float(decimal(row["price"]) * decimal(row["quantity"]))
        (bought if int(row["side"]) > 0 else sold)[at] += value
    return [day.clock(day.begin_ns + hour * 3600 * NS)[:2] for hour in range(hours)], bought, sold


def markouts(answers: Answers) -> Chart:
    """Mean gain of a fill against the mid so many seconds later, bps of its price; below zero, the other side knew."""
    told = answers["markouts"]
    if not told.known:
        return Chart("markouts", Shape.BARS, (), (), Unit.BPS, why=reason(told))
    by: dict[str, list[float]] = {}
    for row in told.rows:
        found = document_of(row["markouts"])
        for horizon, value in found.items() if isinstance(found, Mapping) else ():
            if isinstance(value, int | float):
                by.setdefault(str(horizon), []).append(float(value))
    if not by:
        why = Words("no fill of the day has a markout", "当天成交尚无标记收益")
        return Chart("markouts", Shape.BARS, (), (), Unit.BPS, why=why)
    names = sorted(by, key=float)
    means = [math.fsum(by[name]) / len(by[name]) for name in names]
    return Chart("markouts", Shape.BARS, [f"{name} s" for name in names], means, Unit.BPS)


def inventory(
    places: Sequence[tuple[int, Decimal]], start: Decimal, day: Day
) -> tuple[list[float], list[float | None]]:
    """Seconds and position in base currency: what the day began with, then after each fill."""
    x: list[float] = [0.0]
    y: list[float | None] = [float(start)]
    for ns, lots in places:
        x.append((ns - day.begin_ns) / NS)
        y.append(float(lots))
    return x, y


def symbols(answers: Answers) -> tuple[str, ...]:
    """Every symbol that the day's orders and trades speak of, and that a position is kept of."""
    found: set[Any] = {row["symbol"] for name in ("orders", "fills", "positions") for row in answers[name].rows}
    return tuple(sorted(str(symbol) for symbol in found))


def names(found: Iterable[str]) -> Words:
    """Symbols as one word list."""
    return same(", ".join(found))
