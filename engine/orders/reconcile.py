"""Reconciliation rules: what we hold against what the exchange says, as a list of discrepancies with a rule each.

Pure. Reads that failed are ``Unread``: they make the result incomplete and never count as "none" or "flat". Orders
that are not ours are reported and never touched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from engine.orders.ids import ClientIds, is_ours, parse
from engine.orders.order import Order, Severity
from engine.orders.states import OrderState
from engine.trade import Account, Side, VenueFill, VenueOrder
from engine.units import Units, whole


class Rule(Enum):
    """What is done about it. NOTE only records; HALT stops quoting until a person has looked."""

    ADOPT = "adopt"
    CANCEL = "cancel"
    QUERY = "query"
    HALT = "halt"
    NOTE = "note"


class DiscrepancyClass(Enum):
    """Each value is a metric label."""

    OLD_EPOCH_ORDER = "old-epoch-order"
    NEWER_EPOCH_ORDER = "newer-epoch-order"
    STRANGE_ORDER = "strange-order"
    ORDER_NOT_HELD = "order-not-held"
    LEDGER_UNEXPLAINED = "ledger-unexplained"
    FOREIGN_ORDER = "foreign-order"
    ORDER_MISSING = "order-missing"
    ORDER_DIFFERS = "order-differs"
    FILLED_DIFFERS = "filled-differs"
    FILL_NOT_BOOKED = "fill-not-booked"
    FOREIGN_FILL = "foreign-fill"
    POSITION_DIFFERS = "position-differs"
    BALANCE_DIFFERS = "balance-differs"
    UNREAD = "unread"


_C = DiscrepancyClass
RULES: Final[dict[DiscrepancyClass, tuple[Severity, Rule, str]]] = {
    _C.OLD_EPOCH_ORDER: (Severity.WARNING, Rule.CANCEL, "ours, from an engine that led before"),
    _C.NEWER_EPOCH_ORDER: (Severity.CRITICAL, Rule.HALT, "ours by name, from an engine that leads after us: we do not"),
    _C.STRANGE_ORDER: (Severity.CRITICAL, Rule.HALT, "ours by name, of this epoch, and this engine never sent it"),
    _C.ORDER_NOT_HELD: (Severity.WARNING, Rule.ADOPT, "ours, of this epoch, and not held here"),
    _C.LEDGER_UNEXPLAINED: (Severity.CRITICAL, Rule.HALT, "trades of ours that the journal does not hold"),
    _C.FOREIGN_ORDER: (Severity.INFO, Rule.NOTE, "not ours: never touched"),
    _C.ORDER_MISSING: (Severity.WARNING, Rule.QUERY, "held as live and not among the exchange's open orders"),
    _C.ORDER_DIFFERS: (Severity.CRITICAL, Rule.HALT, "same id, other side, price or quantity"),
    _C.FILLED_DIFFERS: (Severity.WARNING, Rule.QUERY, "the exchange names more filled than is booked"),
    _C.FILL_NOT_BOOKED: (Severity.WARNING, Rule.ADOPT, "a trade of ours the stream did not bring"),
    _C.FOREIGN_FILL: (Severity.WARNING, Rule.NOTE, "a trade on this account that is not ours"),
    _C.POSITION_DIFFERS: (Severity.CRITICAL, Rule.HALT, "the position is not what the fills add up to"),
    _C.BALANCE_DIFFERS: (Severity.CRITICAL, Rule.HALT, "the balance is not what the fills add up to"),
    _C.UNREAD: (Severity.WARNING, Rule.QUERY, "could not be read: nothing is concluded from it"),
}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference between what we hold and what the exchange said, and the rule that settles it."""

    kind: DiscrepancyClass
    severity: Severity
    rule: Rule
    symbol: str
    client_id: str
    detail: str
    order: VenueOrder | None = None  # what to adopt or cancel
    fill: VenueFill | None = None  # what to book


@dataclass(frozen=True, slots=True)
class Unread:
    """A read that failed."""

    reason: str


@dataclass(frozen=True, slots=True)
class VenueSnapshot:
    """What was read for one symbol. ``started_ns``: our clock just before the first read was written.

    ``fills`` are all trades after ``Local.proved_trade_id`` without a gap (the gateway's ``fills_since``).
    """

    symbol: str
    started_ns: int
    open_orders: Sequence[VenueOrder] | Unread
    fills: Sequence[VenueFill] | Unread
    account: Account | Unread


@dataclass(frozen=True, slots=True)
class Local:
    """Our side of one symbol when the reads had ended.

    ``position_lots`` is None on spot, and where nothing is known yet (first start): then the exchange's is taken.
    ``balances`` maps assets to the total we expect; empty: not checked. ``tolerance`` is in units of the asset.
    """

    symbol: str
    epoch: int
    orders: Sequence[Order]
    booked_trade_ids: frozenset[int]
    position_lots: Units | None
    balances: dict[str, Decimal]
    balance_tolerance: Decimal = Decimal("0.00000001")
    ids: ClientIds | None = None  # what this engine has sent; None: not judged


@dataclass(frozen=True, slots=True)
class Report:
    """``complete``: everything was read. ``clean``: complete and nothing left to do; only then may quoting start."""

    symbol: str
    complete: bool
    discrepancies: tuple[Discrepancy, ...]

    @property
    def clean(self) -> bool:
        """Whether everything was read, and nothing has to be mended."""
        return self.complete and all(found.rule is Rule.NOTE for found in self.discrepancies)

    @property
    def must_halt(self) -> bool:
        """Whether something was found that only a person can settle."""
        return any(found.rule is Rule.HALT for found in self.discrepancies)

    def by_rule(self, rule: Rule) -> list[Discrepancy]:
        """What is settled by that rule."""
        return [found for found in self.discrepancies if found.rule is rule]


def history_of_ours(fills: Sequence[VenueFill]) -> str | None:
    """What a ledger that is about to begin does not explain, or None where it may begin with nothing traded.

    The position is what *we* traded. An account may hold coins of its owner, and trades by hand: those are where a new
    ledger starts from. But where the exchange lists a trade under one of our client ids, an engine traded here before,
    and a ledger without it would call a position flat that is not: that is never begun on a guess. It is read from a
    backup, or where a person accepts it from the exchange's own list, all of it (``rebuilt``).
    """
    ours = [fill for fill in fills if is_ours(fill.client_id)]
    if not ours:
        return None
    first, last = min(fill.trade_id for fill in ours), max(fill.trade_id for fill in ours)
    return f"the exchange lists {len(ours)} trades of ours ({first} to {last}) that the journal does not hold"


def unattributed(fills: Sequence[VenueFill]) -> int:
    """Trades since the first of ours that the exchange names no client id for: they may be ours."""
    first = min((fill.trade_id for fill in fills if is_ours(fill.client_id)), default=None)
    return 0 if first is None else sum(1 for fill in fills if not fill.client_id and fill.trade_id > first)


def net_lots(fills: Sequence[VenueFill]) -> Units:
    """What the trades of ours add up to, signed lots."""
    return whole(sum((Decimal(fill.lots) * int(fill.side) for fill in fills if is_ours(fill.client_id)), Decimal(0)))


def base_fees(fills: Sequence[VenueFill], base: str) -> Decimal:
    """Paid in the base currency for trades of ours."""
    ours = (fill.fee for fill in fills if is_ours(fill.client_id) and fill.fee_asset == base)
    return sum(ours, Decimal(0))


def _found(
    kind: DiscrepancyClass,
    symbol: str,
    detail: str,
    client_id: str = "",
    order: VenueOrder | None = None,
    fill: VenueFill | None = None,
) -> Discrepancy:
    severity, rule, _ = RULES[kind]
    return Discrepancy(kind, severity, rule, symbol, client_id, detail, order, fill)


def reconcile(local: Local, venue: VenueSnapshot) -> Report:
    """Compare one symbol. Anything of ours that changed after ``venue.started_ns`` is left to the next round."""
    found: list[Discrepancy] = []
    complete = True
    for name, read in (("open orders", venue.open_orders), ("trades", venue.fills), ("account", venue.account)):
        if isinstance(read, Unread):
            complete = False
            found.append(_found(_C.UNREAD, local.symbol, f"{name}: {read.reason}"))
    if not isinstance(venue.open_orders, Unread):
        found += _orders(local, venue.open_orders, venue.started_ns)
    if not isinstance(venue.fills, Unread):
        found += _fills(local, venue.fills)
    moving = any(order.changed_ns >= venue.started_ns for order in local.orders)
    if not isinstance(venue.account, Unread) and not isinstance(venue.fills, Unread) and not moving:
        found += _account(local, venue.account, venue.fills)
    return Report(local.symbol, complete, tuple(found))


def _orders(local: Local, open_orders: Sequence[VenueOrder], started_ns: int) -> Iterable[Discrepancy]:
    held = {order.client_id: order for order in local.orders}
    shown = set()
    for word in open_orders:
        shown.add(word.client_id)
        order, parsed = held.get(word.client_id), parse(word.client_id)
        older = parsed is not None and parsed.epoch < local.epoch
        if order is not None and not older:
            if order.changed_ns < started_ns:
                yield from _compare(order, word)
            continue
        if parsed is None:
            kind = _C.FOREIGN_ORDER
        elif parsed.epoch < local.epoch:
            kind = _C.OLD_EPOCH_ORDER
        elif parsed.epoch > local.epoch:
            kind = _C.NEWER_EPOCH_ORDER
        elif local.ids is not None and local.ids.strange(word.client_id):
            kind = _C.STRANGE_ORDER
        else:
            kind = _C.ORDER_NOT_HELD
        yield _found(kind, local.symbol, f"{word.side.name} {word.lots} at {word.ticks}", word.client_id, word)
    for order in local.orders:
        settled = order.live and order.acked and order.changed_ns < started_ns
        if settled and order.client_id not in shown and order.state is not OrderState.UNKNOWN:
            yield _found(_C.ORDER_MISSING, local.symbol, f"held as {order.state.value}", order.client_id)


def _compare(order: Order, word: VenueOrder) -> Iterable[Discrepancy]:
    ours, theirs = (order.side, order.ticks, order.lots), (word.side, word.ticks, word.lots)
    if ours != theirs:
        detail = f"held {ours[0].name} {ours[2]} at {ours[1]}, exchange {theirs[0].name} {theirs[2]} at {theirs[1]}"
        yield _found(_C.ORDER_DIFFERS, order.symbol, detail, order.client_id, word)
    elif not order.live:
        yield _found(_C.ORDER_NOT_HELD, order.symbol, f"held as {order.state.value}, and open", order.client_id, word)
    elif word.filled_lots > order.known_lots:
        detail = f"booked {order.known_lots} lots, the exchange names {word.filled_lots}"
        yield _found(_C.FILLED_DIFFERS, order.symbol, detail, order.client_id, word)


def _fills(local: Local, fills: Sequence[VenueFill]) -> Iterable[Discrepancy]:
    for fill in fills:
        if fill.trade_id in local.booked_trade_ids:
            continue
        kind = _C.FILL_NOT_BOOKED if is_ours(fill.client_id) else _C.FOREIGN_FILL
        detail = f"trade {fill.trade_id}: {fill.side.name} {fill.lots} at {fill.ticks}"
        yield _found(kind, local.symbol, detail, fill.client_id, fill=fill)


def _account(local: Local, account: Account, fills: Sequence[VenueFill]) -> Iterable[Discrepancy]:
    """Positions and balances, once the trades just found are counted in."""
    new = [fill for fill in fills if fill.trade_id not in local.booked_trade_ids]
    if local.position_lots is not None:
        position = account.positions.get(local.symbol)
        theirs = position.lots if position is not None else 0
        ours = local.position_lots + sum(fill.lots * _sign(fill.side) for fill in new)
        if theirs != ours:
            yield _found(_C.POSITION_DIFFERS, local.symbol, f"fills add up to {ours} lots, the exchange has {theirs}")
    if new:
        return  # balances are compared in the round after the trades are booked
    for asset, expected in local.balances.items():
        free, locked = account.balances.get(asset, (Decimal(0), Decimal(0)))
        if abs(free + locked - expected) > local.balance_tolerance:
            detail = f"{asset}: fills add up to {expected}, the exchange has {free + locked}"
            yield _found(_C.BALANCE_DIFFERS, local.symbol, detail)


def _sign(side: Side) -> int:
    return int(side)
