"""What must hold after every step of a schedule, and at its end, measured on the exchange's own books."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Final

from engine.kernel.book.levels import BOOK_LAST_ID
from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS
from engine.live.account.books import state_name
from engine.live.account.ledger import Ledger
from engine.live.orders.proof import led_by_us
from engine.orders.ids import epoch_of, is_ours
from engine.orders.manager import OrderManager
from engine.orders.states import TERMINAL, OrderState
from engine.sandbox.matching.orders import ExchangeOrder, Fill
from engine.trade import Market
from tests.sandbox.hostile.engine import EngineRun
from tests.sandbox.hostile.venue import SYMBOL, Venue

NEVER_WAS: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})
SIDES: Final = ((1, "buy"), (-1, "sell"))


def reachable(order: ExchangeOrder) -> int:
    """Lots the order has traded or still may."""
    return order.lots if order.is_live else order.filled


def affordable(run: EngineRun, traded: Iterable[ExchangeOrder]) -> None:
    """No order is refused because the account cannot pay for it, but where a person had taken something away of which
    the engine could not have been told yet, or an order of another epoch that it cannot know has reached the exchange.
    """
    venue, session = run.venue, run.session
    unpaid, venue.unpaid = venue.unpaid, []
    for one in unpaid:
        order = one.order
        if session is None or run.wire.dead or epoch_of(order.client_id) != run.lease.epoch or not run.agreed:
            continue
        spec, account, excuse = order.spec, venue.account, one.taken
        for other in traded:
            if not late_of_another(run, other):
                continue
            if venue.market is Market.USDM:
                excuse += 1
            elif other.side == order.side:
                lots = reachable(other)
                excuse += lots * other.spec.lot_e8 if order.side < 0 else other.spec.notional_e8(other.ticks, lots)
        if venue.market is Market.USDM:
            lacks = 1
        elif order.side < 0:
            lacks = order.lots * spec.lot_e8 - account.balance(spec.base).free
        else:
            lacks = spec.notional_e8(order.ticks, order.lots) - account.balance(spec.quote).free
        assert lacks <= excuse, (
            f"{order.client_id} was refused with {one.code}: {lacks} of {one.asset} short, {excuse} taken"
        )


def untold(run: EngineRun, manager: OrderManager, order: ExchangeOrder) -> int:
    """Lots nobody can count yet, because nobody was told; the end of the schedule must find them.

    An order another epoch had written and that reached the exchange, or was filled there, after this engine had read
    the exchange; and what was filled after the exchange itself had named the order's end and its figure.
    """
    held = manager.get(order.client_id)
    if held is None:
        return reachable(order) if late_of_another(run, order) else 0
    if held.state in TERMINAL and held.venue_told:
        told = max(Decimal(held.venue_filled), Decimal(held.filled_lots)) * lot_of(run)
        return max(int(order.filled - told), 0)
    return 0


def late_of_another(run: EngineRun, order: ExchangeOrder) -> bool:
    """An order another epoch had written, that arrived or was filled after this engine had read the exchange."""
    venue, since_s = run.venue, run.reading_s
    arriving = order.client_id in venue.on_its_way  # it is in the book, and its answer not yet written
    last_s = max(venue.arrived_s.get(order.client_id, 0.0), venue.filled_s.get(order.order_id, 0.0))
    return (arriving or last_s >= since_s) and (epoch_of(order.client_id) or 0) < run.lease.epoch


def lot_of(run: EngineRun) -> Decimal:
    """The lots of the market's own grid in one of the engine's, which it read when it started."""
    assert run.session is not None
    return run.session.pairs[SYMBOL].instrument.lot_size * 10**8 / run.venue.spec.lot_e8


class Settled:
    """Totals of orders that ended long ago and about which both sides agree, so that each step looks at the rest."""

    AFTER_MS: Final = 8_000  # no fault of a schedule changes an order this long after its end

    def __init__(self) -> None:
        self.traded = {1: 0, -1: 0}
        self._recent: dict[int, ExchangeOrder] = {}
        self._seen = 0

    def recent(self, run: EngineRun, manager: OrderManager) -> list[ExchangeOrder]:
        """Orders still worth a look."""
        orders, now_ms = run.venue.account.orders, run.venue.time.now_ms()
        if len(orders) > self._seen:
            new = islice(orders.items(), self._seen, None)
            self._recent.update((number, order) for number, order in new if is_ours(order.client_id))
            self._seen = len(orders)
        if len(self._recent) > 12:
            for number, order in list(self._recent.items()):
                old = not order.is_live and now_ms - order.update_ms > self.AFTER_MS
                if old and not untold(run, manager, order):
                    self.traded[order.side] += order.filled
                    del self._recent[number]
        return list(self._recent.values())


def keep(run: EngineRun, settled: Settled) -> None:
    """The promises of every step; AssertionError tells which is broken."""
    session, venue = run.session, run.venue
    if session is None or run.wire.dead:
        return
    run.agreed = run.agreed or session.facts.reconciled
    manager = session.parts.desk.manager
    for order in venue.account.open_on(venue.spec.key):
        held = manager.get(order.client_id)
        assert held is None or held.state not in TERMINAL, f"{order.client_id} is live and held as {held.state.value}"
    flying = _flying(run, manager)
    if venue.unpaid:
        affordable(run, [order for order in venue.account.orders.values() if is_ours(order.client_id)])
    if not run.agreed:
        return
    ledger = session.pairs[SYMBOL].account_book.ledger
    exposure = manager.exposure(SYMBOL)
    recent = settled.recent(run, manager)
    traded, worst, slack = dict(settled.traded), flying, {1: 0, -1: 0}
    for order in recent:
        worst[order.side] += order.left if order.is_live else 0
        traded[order.side] += order.filled
        slack[order.side] += untold(run, manager, order)
    bought, sold = ledger.bought_lots + exposure.buy_lots, ledger.sold_lots + exposure.sell_lots
    counted = {1: bought * lot_of(run), -1: sold * lot_of(run)}
    limit = venue.spec.lots(str(run.config.risk.max_position))
    for side, name in SIDES:
        told = traded[side] + worst[side] - slack[side]
        assert counted[side] >= told, f"{name}: {counted[side]} lots counted, the exchange may reach {told}"
        position = side * (traded[1] - traded[-1]) + worst[side]
        spare = slack[side] + slack[-side]
        assert position <= limit + spare, f"{name}: the position may reach {position} lots of {limit} allowed"


def _flying(run: EngineRun, manager: OrderManager) -> dict[int, int]:
    """Lots of this engine's orders that were written and may still reach the exchange."""
    venue, flying = run.venue, {1: 0, -1: 0}
    for client_id, flight in venue.on_its_way.items():
        arrived = (venue.spec.key, client_id) in venue.account.by_client
        if arrived or flight.epoch != run.lease.epoch or venue.loop.time() > flight.until_s:
            continue
        flying[flight.side] += flight.lots
        held = manager.get(client_id)
        assert held is not None, f"{client_id} is on its way and not held"
        assert held.state not in TERMINAL, f"{client_id} is on its way and held as {held.state.value}"
    return flying


def on_place(run: EngineRun) -> None:
    """An order is being written: only by an engine that may, and on a book that the exchange had."""
    session = run.session
    assert session is not None, "an order before there is a session"
    assert session.facts.reconciled, "an order before exchange and books agree"
    assert session.block.code == 0, f"an order while quoting is off: {session.block.text}"
    assert run.lease.held(), "an order without the lease"
    feed = session.pairs[SYMBOL].feed
    seen, number = (int(feed.view[VIEW_BID_TICKS]), int(feed.view[VIEW_ASK_TICKS])), int(feed.book.meta[BOOK_LAST_ID])
    grain = round(session.pairs[SYMBOL].instrument.tick_size * 10**8) // run.venue.spec.tick_e8
    seen = seen[0] * grain, seen[1] * grain
    there = run.venue.tape.tops.get(number)
    assert seen == there, f"an order on the book {seen} at update {number}, where the exchange had {there}"


def stopped(run: EngineRun) -> None:
    """A stop that calls itself proved: nothing of this engine, or of one before it, is open or can still arrive.

    Orders of a later epoch are the next engine's: it may quote while a deposed one is still proving its own gone.
    """
    assert run.session is not None
    manager = run.session.parts.desk.manager
    here = run.venue.account.open_on(run.venue.spec.key)
    ours = [o.client_id for o in here if led_by_us(o.client_id, manager.epoch) and not untold(run, manager, o)]
    assert not ours, f"a stop was proved with {ours} open"
    flying = _flying(run, manager)
    assert not any(flying.values()), f"a stop was proved with {flying} lots still on the wire"


def unread(run: EngineRun) -> list[str]:
    """Orders the journal holds as open by the word of an engine that had led before, written after ``run`` read it.

    An engine that lost its lease writes down what it still does until it ends; killed before that, it leaves a word
    of which the one that leads cannot know. The next start reads it, and must settle it.
    """
    disk, since_s = run.disk, run.reading_s
    return [
        record.client_id
        for record in disk.open_orders()
        if record.epoch < run.lease.epoch and disk.ordered_s[record.client_id] >= since_s
    ]


def final(run: EngineRun) -> None:
    """After quiet, reconciliation and a stop: nothing is open, and the ledger is the exchange's."""
    session, venue, disk = run.session, run.venue, run.disk
    assert session is not None
    left = [order.client_id for order in venue.account.open_on(venue.spec.key) if is_ours(order.client_id)]
    assert not left, f"orphans: {left}"
    made = trades_of(venue)
    trades = {fill.trade_id: (order.side, Decimal(fill.ticks), Decimal(fill.lots)) for order, fill in made}
    instrument = session.pairs[SYMBOL].instrument
    booked = {
        trade_id: (record.side, record.price * 10**8 / venue.spec.tick_e8, record.quantity * 10**8 / venue.spec.lot_e8)
        for trade_id, record in disk.trades.items()
    }
    assert booked == trades, f"journal and exchange differ in trades {sorted(booked.items() ^ trades.items())[:4]}"
    ledger = session.pairs[SYMBOL].account_book.ledger
    _same_ledger(ledger, run)
    _same_means(run)
    kept = Ledger.restore(instrument.tick_size, instrument.lot_size, disk.state[state_name(SYMBOL)]["ledger"])
    _same_ledger(kept, run)
    theirs: dict[str, int] = defaultdict(int)
    for _, fill in made:
        theirs[fill.asset] += fill.commission_e8
    ours: dict[str, int] = defaultdict(int)
    for record in disk.trades.values():
        ours[record.fee_asset] += round(record.fee * 10**8)
    assert ours == theirs, f"fees {dict(ours)}, the exchange took {dict(theirs)}"
    # An engine whose lease was taken away writes on after the next has read the journal; the one after that asks.
    phantoms = [o.client_id for o in disk.open_orders() if epoch_of(o.client_id) not in disk.deposed]
    assert not phantoms, f"the journal holds orders as open that ended: {phantoms}"
    manager = session.parts.desk.manager
    assert not list(manager.live()), "orders are held as live after the stop was proved"
    for order in venue.account.orders.values():
        held = manager.get(order.client_id)
        assert held is None or held.state not in NEVER_WAS, f"{order.client_id} traded or rested, held as {held.state}"
        ours_alone = epoch_of(order.client_id) == run.lease.epoch
        assert held is None or not ours_alone or held.filled_lots * lot_of(run) == order.filled, (
            f"{order.client_id}: {held.filled_lots} lots booked, {order.filled} traded"
        )


def _same_means(run: EngineRun) -> None:
    """With no order of ours open the engine takes for payable just what is free: no less, and no more."""
    session, venue = run.session, run.venue
    assert session is not None
    funds, spec = session.parts.account_books.funds[SYMBOL], venue.spec
    bounds = funds.bounds([], [], [], session.pairs[SYMBOL].account_book.ledger.lots)
    if venue.market is Market.USDM:
        entry = venue.account.position(SYMBOL)
        worth = venue.account.wallet[spec.quote] - entry.cost_e8
        at = session.pairs[SYMBOL].instrument
        ledger = session.pairs[SYMBOL].account_book.ledger
        # the kernel counts a position off the lot as a whole lot more
        over = at.quantity(ledger.whole_lots - ledger.lots) * (funds._price or funds._position[1])
        told = round((bounds.margin_cash * at.tick_size * at.lot_size + over) * 10**8)
        assert abs(told - worth) < 10**6, f"{told} taken for the account's worth, {worth} is"
        return
    base, quote = (max(venue.account.balance(asset).free, 0) for asset in (spec.base, spec.quote))
    at = session.pairs[SYMBOL].instrument
    tick_e8, lot_e8 = round(at.tick_size * 10**8), round(at.lot_size * 10**8)
    assert bounds.sell_lots == base // lot_e8, f"{bounds.sell_lots} lots taken for free, {base} is"
    money = quote * 10**8 // (tick_e8 * lot_e8)
    money = money * 10**6 // (10**6 + 1_000)
    assert bounds.buy_money == money, f"{bounds.buy_money} ticks * lots taken for free, {money} are"


def trades_of(venue: Venue) -> list[tuple[ExchangeOrder, Fill]]:
    """Every trade of an engine's; those of the account's past were nobody's of ours."""
    return [(order, fill) for order, fill in venue.account.trades.get(venue.spec.key, []) if is_ours(order.client_id)]


def _same_ledger(ledger: Ledger, run: EngineRun) -> None:
    venue, lot, made = run.venue, lot_of(run), trades_of(run.venue)
    bought = Decimal(sum(fill.lots for order, fill in made if order.side > 0))
    sold = Decimal(sum(fill.lots for order, fill in made if order.side < 0))
    assert (ledger.bought_lots * lot, ledger.sold_lots * lot) == (bought, sold), (
        f"ledger bought {ledger.bought_lots} sold {ledger.sold_lots}, the exchange {bought} and {sold}"
    )
    assert ledger.fills == len(made)
    assert ledger.lots * lot == bought - sold
    if venue.market is Market.USDM:
        assert ledger.lots * lot == venue.account.position(SYMBOL).lots
