"""What stood in the market: orders of the day by what became of them, quote uptime, and the average spread.

An order stands from the moment it was sent until the journal has it ended; one that has not ended stands until the
last sample. Time that no sample vouches for counts neither as quoted nor as missed.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from mmctl.report.answers import Answers, Row, decimal
from mmctl.report.document import Cell, Figure, Listing, Unit, Words, unknown
from mmctl.report.money import reason
from mmctl.report.period import NS, Day
from mmctl.report.questions import GAP_NS, LIVE

SOURCE: Final = "journal: orders"
ENDED: Final = ("FILLED", "CANCELED", "EXPIRED")
#: What an order should not become. Post-only orders that would have taken are none: the market moved first.
FAILED: Final = ("REJECTED", "DENIED", "UNKNOWN")
#: The exchanges' words for that, in small letters: Binance's on spot and futures, and ccxt's.
_WOULD_TAKE: Final = ("immediately match", "post only", "post-only", "immediatelyfillable")
Span = tuple[int, int]


def outcome(row: Row) -> str:
    """The order's state; ``POST_ONLY`` for one that was refused because it would have taken."""
    state, reason = str(row["state"]), str(row["reason"]).lower()
    return "POST_ONLY" if state == "REJECTED" and any(words in reason for words in _WOULD_TAKE) else state


@dataclass(frozen=True, slots=True)
class Counted:
    """Orders that were sent in the day, by the state the journal has them in."""

    by_state: Counter[str]
    touched: int  # filled at least in part
    incidents: int = 0

    @property
    def sent(self) -> int:
        """How many there were."""
        return sum(self.by_state.values())

    @property
    def failed(self) -> int:
        """How many were refused by the exchange, never written, or not known what became of them."""
        return sum(self.by_state[state] for state in FAILED)

    @property
    def ended(self) -> int:
        """How many were filled, cancelled or expired: those that stood and could have been filled."""
        return sum(self.by_state[state] for state in ENDED)


def counted(rows: Iterable[Row], day: Day, incidents: int) -> Counted:
    """The orders sent within the day."""
    states: Counter[str] = Counter()
    touched = 0
    for row in rows:
        if day.begin_ns <= int(row["created_ns"]) < day.end_ns:
            states[outcome(row)] += 1
            touched += decimal(row["filled"]) > 0
    return Counted(states, touched, incidents)


def figures(found: Counted, answers: Answers) -> list[Figure]:
    """Orders sent, filled, cancelled, failed; the shares that follow."""
    keys = ("orders", "orders_filled", "orders_full", "orders_cancelled", "orders_post_only", "orders_failed")
    ratios = ("fill_ratio", "success_ratio", "accuracy_ratio")
    if not answers["orders"].known:
        why = reason(answers["orders"])
        return [unknown(k, Unit.COUNT, why, SOURCE) for k in keys] + [
            unknown(k, Unit.RATIO, why, SOURCE) for k in ratios
        ]
    by = found.by_state
    values = (found.sent, found.touched, by["FILLED"], by["CANCELED"], by["EXPIRED"] + by["POST_ONLY"], found.failed)
    made = [Figure(key, value, Unit.COUNT, source=SOURCE) for key, value in zip(keys, values, strict=True)]
    none = Words("no order was sent", "没有发出订单")
    ended = Words("no order has ended", "没有已结束的订单")
    made.append(share("fill_ratio", found.touched, found.ended, ended))
    made.append(share("success_ratio", found.sent - found.failed, found.sent, none))
    told = answers["events"]
    if not told.known:
        made.append(unknown("accuracy_ratio", Unit.RATIO, reason(told), "journal: orders, risk_events"))
    else:
        made.append(share("accuracy_ratio", max(0, found.sent - found.incidents), found.sent, none))
    return made


def share(key: str, part: int, whole: int, why: Words) -> Figure:
    """A share as a figure; not known where there is nothing to share."""
    if not whole:
        return unknown(key, Unit.RATIO, why, SOURCE)
    return Figure(key, min(Decimal(1), Decimal(part) / whole), Unit.RATIO, source=SOURCE)


def observed(answers: Answers, day: Day, now_ns: int) -> list[Span] | None:
    """When the engine was seen to run: stretches of samples no further apart than GAP_NS. None where not known."""
    if not (answers["first"].known and answers["last"].known and answers["gaps"].known):
        return None
    first, last = answers["first"].one, answers["last"].one
    if first is None or last is None:
        return []
    before = answers["before"].one
    begin, end = int(first["ns"]), int(last["ns"])
    if before is not None and begin - int(before["ns"]) <= GAP_NS:
        begin = day.begin_ns
    if min(day.end_ns, now_ns) - end <= GAP_NS:
        end = min(day.end_ns, now_ns)
    spans, start = [], begin
    for row in answers["gaps"].rows:
        spans.append((start, int(row["ns"])))
        start = int(row["later"])
    return [*spans, (start, max(start, end))]


def total(spans: Sequence[Span]) -> int:
    """Length of all spans, ns."""
    return sum(end - begin for begin, end in spans)


@dataclass(slots=True)
class Stood:
    """How long quotes stood in one symbol, ns, and the spread they stood at, bps weighted by time."""

    seen_ns: int = 0
    both_ns: int = 0
    one_ns: int = 0
    spread_ns: float = 0.0  # bps * ns

    @property
    def spread_bps(self) -> float | None:
        """Average spread while both sides stood; None where they never did."""
        return self.spread_ns / self.both_ns if self.both_ns else None


@dataclass(slots=True)
class _Side:
    """Prices of one side that stand now; the best on top of a heap, those that left taken off when they come up."""

    sign: int  # +1: the lowest is best
    heap: list[float] = field(default_factory=list)
    gone: Counter[float] = field(default_factory=Counter)
    count: int = 0

    def add(self, price: float) -> None:
        heapq.heappush(self.heap, self.sign * price)
        self.count += 1

    def drop(self, price: float) -> None:
        self.gone[self.sign * price] += 1
        self.count -= 1

    def best(self) -> float:
        while self.gone[self.heap[0]]:
            self.gone[heapq.heappop(self.heap)] -= 1
        return self.sign * self.heap[0]


def stood(rows: Iterable[Row], spans: Sequence[Span]) -> dict[str, Stood]:
    """By symbol, how long one and both sides stood within ``spans``."""
    found: dict[str, Stood] = {}
    by_symbol: dict[str, list[tuple[int, int, int, float]]] = defaultdict(list)  # when, +1 comes -1 goes, side, price
    end = spans[-1][1] if spans else 0
    for row in rows:
        begin = int(row["created_ns"])
        until = end if row["state"] in LIVE else int(row["updated_ns"])
        if until > begin:
            side, price = int(row["side"]), float(row["price"])
            by_symbol[str(row["symbol"])] += [(begin, 1, side, price), (until, -1, side, price)]
    for symbol, moves in by_symbol.items():
        found[symbol] = _sweep(moves, spans)
    return found


def _sweep(moves: list[tuple[int, int, int, float]], spans: Sequence[Span]) -> Stood:
    marks = [(ns, 0, 0, 0.0) for span in spans for ns in span]
    seen = Stood(seen_ns=total(spans))
    sides = {1: _Side(-1), -1: _Side(1)}
    at, inside, next_mark = 0, False, 0
    for ns, change, side, price in sorted([*moves, *marks], key=lambda move: move[0]):
        if inside and ns > at:
            bids, asks = sides[1], sides[-1]
            if bids.count and asks.count:
                bid, ask = bids.best(), asks.best()
                seen.both_ns += ns - at
                seen.spread_ns += (ns - at) * 2e4 * (ask - bid) / (ask + bid)
            elif bids.count or asks.count:
                seen.one_ns += ns - at
        at = ns
        if not change:
            next_mark += 1
            inside = bool(next_mark % 2)
        elif change > 0:
            sides[side].add(price)
        else:
            sides[side].drop(price)
    return seen


def uptime_figures(by_symbol: dict[str, Stood], answers: Answers, spans: Sequence[Span] | None) -> list[Figure]:
    """Share of the observed time with both sides quoted, and the average spread, over all symbols."""
    source = "journal: orders, pnl"
    keys = (("quote_uptime", Unit.RATIO), ("quoted_spread", Unit.BPS))
    if not answers["orders"].known or spans is None:
        why = reason(answers["orders"], answers["first"], answers["last"], answers["gaps"])
        return [unknown(key, unit, why, source) for key, unit in keys]
    if answers["orders"].cut:
        why = Words("there are more orders than one report reads", "订单数超过单份报告的读取上限")
        return [unknown(key, unit, why, source) for key, unit in keys]
    seen = sum(one.seen_ns for one in by_symbol.values())
    both = sum(one.both_ns for one in by_symbol.values())
    if not total(spans):
        why = Words("the engine was not seen to run", "当天未见引擎运行")
        return [unknown(key, unit, why, source) for key, unit in keys]
    note = Words(f"of {total(spans) / 3600 / NS:.2f} h observed", f"观测时长 {total(spans) / 3600 / NS:.2f} 小时")
    ratio = Decimal(both) / seen if seen else Decimal(0)
    made = [Figure("quote_uptime", ratio, Unit.RATIO, note=note, source=source)]
    if both:
        spread = sum(one.spread_ns for one in by_symbol.values()) / both
        made.append(Figure("quoted_spread", Decimal(f"{spread:.6f}"), Unit.BPS, source=source))
    else:
        made.append(unknown("quoted_spread", Unit.BPS, Words("never quoted on both sides", "从未双边报价"), source))
    return made


def by_symbol_listing(by_symbol: dict[str, Stood], rows: Iterable[Row], day: Day) -> Listing:
    """A row a symbol: orders, filled ones, uptime, spread."""
    sent: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    for row in rows:
        if day.begin_ns <= int(row["created_ns"]) < day.end_ns:
            sent[str(row["symbol"])] += 1
            touched[str(row["symbol"])] += decimal(row["filled"]) > 0
    made = []
    for symbol in sorted({*sent, *by_symbol}):
        one = by_symbol.get(symbol, Stood())
        up = Decimal(one.both_ns) / one.seen_ns if one.seen_ns else None
        spread = one.spread_bps
        made.append(
            (
                Cell(symbol),
                Cell(sent[symbol], Unit.COUNT),
                Cell(touched[symbol], Unit.COUNT),
                Cell(up, Unit.RATIO),
                Cell(None if spread is None else Decimal(f"{spread:.6f}"), Unit.BPS),
            )
        )
    columns = ("symbol", "orders", "orders_filled", "quote_uptime", "quoted_spread")
    return Listing("by_symbol", columns, tuple(made), Words("no order stood", "没有挂单"))
