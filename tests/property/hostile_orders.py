"""A model exchange and a hostile line between it and the order manager, driven from a seed: one schedule, one seed.

The exchange is the truth. Requests arrive late, never, or are refused; answers and stream words are lost, repeated,
delayed and shuffled; queries fail. After every step the manager's promises are checked against the truth.
"""

import random
from dataclasses import dataclass, field
from decimal import Decimal

from engine.orders.intent import ApprovedOrder, Intent, RefusedOrder
from engine.orders.manager import OrderManager
from engine.orders.order import Effects, Severity
from engine.orders.states import TERMINAL, OrderState
from engine.trade import (
    Answer,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    Side,
    VenueCause,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
)

SYMBOL = "ETHUSDT"
SECOND = 1_000_000_000
WINDOW_NS = 5 * SECOND  # the exchange takes no request older than this
ANSWER_NS = 2 * SECOND  # the gateway's deadline

S = VenueOrderStatus
ENDED = {S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED}


@dataclass
class Truth:
    request: PlaceRequest
    venue_id: str
    filled: int = 0
    status: VenueOrderStatus = S.NEW

    @property
    def remaining(self) -> int:
        return 0 if self.status in ENDED else self.request.lots - self.filled


@dataclass
class Flight:
    """A request on its way: ``cancel`` or a place."""

    client_id: str
    cancel: bool
    sent_ns: int
    request: PlaceRequest | None = None
    answered: bool = False


@dataclass
class World:
    seed: int
    dice: random.Random = field(init=False)
    now_ns: int = SECOND
    ticket: int = 0
    orders: dict[str, Truth] = field(default_factory=dict)
    trades: list[VenueFill] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    queue: list[OrderUpdate] = field(default_factory=list)
    answers: list[tuple[bool, Answer]] = field(default_factory=list)
    booked: dict[int, VenueFill] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.manager = OrderManager(epoch=3, proof_after_ns=WINDOW_NS + 2 * SECOND)

    # -- what the manager's answers lead to --------------------------------------------------------------------------

    def absorb(self, effects: Effects) -> None:
        for fill in effects.fills:
            assert fill.trade_id not in self.booked, f"trade {fill.trade_id} booked twice"
            self.booked[fill.trade_id] = fill
        for incident in effects.incidents:
            assert incident.severity is not Severity.CRITICAL, f"{incident.kind}: {incident.message}"

    def send(self, request: PlaceRequest) -> None:
        assert request.client_id not in self.placed, "one client id sent twice"
        self.placed.append(request.client_id)
        if self.dice.random() < 0.05:
            self.absorb(self.manager.on_place_answer(Answer(Outcome.NOT_SENT, request.client_id), self.now_ns))
            return
        self.flights.append(Flight(request.client_id, False, self.now_ns, request))

    # -- the engine's side -------------------------------------------------------------------------------------------

    def place(self) -> None:
        side = self.dice.choice([Side.BUY, Side.SELL])
        ticks = self.dice.randint(95, 99) if side is Side.BUY else self.dice.randint(101, 105)
        intent = Intent(SYMBOL, side, ticks, self.dice.randint(1, 5))
        request = self.manager.place(ApprovedOrder(intent), self.now_ns)
        if not isinstance(request, RefusedOrder):
            self.send(request)

    def cancel(self) -> None:
        live = list(self.manager.live())
        if not live:
            return
        order = self.dice.choice(live)
        if self.manager.cancel(order.client_id, self.now_ns) is None:
            return
        if self.dice.random() < 0.05:
            self.absorb(self.manager.on_cancel_answer(Answer(Outcome.NOT_SENT, order.client_id), self.now_ns))
        else:
            self.flights.append(Flight(order.client_id, True, self.now_ns))

    def cancel_all(self) -> None:
        """Somebody else (the sentinel, a person) cancels everything; of it we hear by the stream, or by asking."""
        for truth in self.orders.values():
            if truth.remaining:
                truth.status = S.CANCELED
                self.word(truth)

    # -- the exchange's side -----------------------------------------------------------------------------------------

    def word(self, truth: Truth, fill: VenueFill | None = None, *, tell: bool = True) -> VenueOrder:
        self.ticket += 1
        request = truth.request
        word = VenueOrder(
            SYMBOL,
            request.client_id,
            truth.venue_id,
            request.side,
            request.ticks,
            request.lots,
            truth.filled,
            truth.status,
            self.ticket // 2,  # several events share a millisecond
        )
        if tell and self.dice.random() > 0.15:
            self.queue.append(OrderUpdate(word, fill))
            if self.dice.random() < 0.15:
                self.queue.append(OrderUpdate(word, fill))
        return word

    def arrive(self, flight: Flight) -> None:
        """A request reaches the exchange and is answered; the answer may be lost on the way back."""
        self.flights.remove(flight)
        if self.now_ns - flight.sent_ns > WINDOW_NS:
            answer = Answer(Outcome.REJECTED, flight.client_id, cause=VenueCause.CLOCK)
        elif flight.cancel:
            answer = self.arrive_cancel(flight)
        else:
            answer = self.arrive_place(flight)
        if not flight.answered and self.dice.random() > 0.2:
            self.answers.append((flight.cancel, answer))
        elif not flight.answered:
            self.answers.append((flight.cancel, Answer(Outcome.UNKNOWN, flight.client_id)))

    def arrive_place(self, flight: Flight) -> Answer:
        assert flight.request is not None
        if self.dice.random() < 0.1:
            return Answer(Outcome.REJECTED, flight.client_id, cause=VenueCause.FUNDS)
        truth = Truth(flight.request, str(len(self.orders) + 1))
        self.orders[flight.client_id] = truth
        word = self.word(truth)
        return Answer(
            Outcome.ACCEPTED, flight.client_id, truth.venue_id, order=word if self.dice.random() < 0.5 else None
        )

    def arrive_cancel(self, flight: Flight) -> Answer:
        truth = self.orders.get(flight.client_id)
        if truth is None or truth.status in ENDED:
            return Answer(Outcome.REJECTED, flight.client_id, cause=VenueCause.GONE)
        if self.dice.random() < 0.1:
            return Answer(Outcome.REJECTED, flight.client_id, cause=VenueCause.RATE_LIMITED)
        truth.status = S.CANCELED
        word = self.word(truth)
        return Answer(Outcome.ACCEPTED, flight.client_id, truth.venue_id, order=word)

    def trade(self) -> None:
        live = [truth for truth in self.orders.values() if truth.remaining]
        if not live:
            return
        truth = self.dice.choice(live)
        lots = self.dice.randint(1, truth.remaining)
        truth.filled += lots
        truth.status = S.FILLED if truth.filled == truth.request.lots else S.PARTIALLY_FILLED
        request = truth.request
        fill = VenueFill(
            SYMBOL,
            100 + 3 * len(self.trades),
            request.client_id,
            truth.venue_id,
            request.side,
            request.ticks,
            lots,
            True,
            Decimal(0),
            "USDT",
            self.ticket,
        )
        self.trades.append(fill)
        self.word(truth, fill)

    def expire(self) -> None:
        live = [truth for truth in self.orders.values() if truth.remaining]
        if live:
            truth = self.dice.choice(live)
            truth.status = self.dice.choice([S.EXPIRED, S.CANCELED])
            self.word(truth)

    # -- the line ----------------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        if self.queue and (not self.answers or self.dice.random() < 0.6):
            index = 0 if self.dice.random() < 0.5 else self.dice.randrange(len(self.queue))
            self.absorb(self.manager.on_update(self.queue.pop(index), self.now_ns))
        elif self.answers:
            cancel, answer = self.answers.pop(self.dice.randrange(len(self.answers)))
            handle = self.manager.on_cancel_answer if cancel else self.manager.on_place_answer
            self.absorb(handle(answer, self.now_ns))

    def pass_time(self) -> None:
        self.now_ns += self.dice.choice([SECOND // 10, SECOND, 4 * SECOND])
        for flight in self.flights:
            if not flight.answered and self.now_ns - flight.sent_ns >= ANSWER_NS:
                flight.answered = True
                self.answers.append((flight.cancel, Answer(Outcome.UNKNOWN, flight.client_id)))
        for flight in list(self.flights):
            if self.now_ns - flight.sent_ns > WINDOW_NS and flight.answered:
                self.flights.remove(flight)  # it can no longer be accepted: what proves absence
        self.absorb(self.manager.expire_waits(self.now_ns))

    def query(self, *, honest: bool = False) -> None:
        for order in self.manager.due_queries(self.now_ns):
            if not honest and self.dice.random() < 0.3:
                continue  # a network error: nothing is learnt
            truth = self.orders.get(order.client_id)
            if truth is None:
                self.absorb(self.manager.on_not_found(order.client_id, self.now_ns, self.now_ns))
            else:
                self.absorb(self.manager.on_query(self.word(truth, tell=False), self.now_ns))

    def fill_gap(self) -> None:
        proved = self.manager.fill_book.proved(SYMBOL)
        for fill in self.trades:
            if fill.trade_id > proved:
                self.absorb(self.manager.on_fill(fill, self.now_ns))
        if self.trades:
            self.manager.fills_proved(SYMBOL, self.trades[-1].trade_id)

    def reconcile(self) -> None:
        shown = {client_id for client_id, truth in self.orders.items() if truth.remaining}
        for order in list(self.manager.live()):
            if order.client_id not in shown and order.acked:
                self.absorb(self.manager.suspect(order.client_id, "not among open orders", self.now_ns))

    # -- the promises ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        exposure = self.manager.exposure(SYMBOL)
        for side, counted in ((Side.BUY, exposure.buy_lots), (Side.SELL, exposure.sell_lots)):
            ours = sum(fill.lots for fill in self.booked.values() if fill.side is side)
            true = sum(truth.filled + truth.remaining for truth in self.orders.values() if truth.request.side is side)
            true += sum(
                flight.request.lots
                for flight in self.flights
                if flight.request is not None and flight.request.side is side
            )
            assert ours + counted >= true, f"{side.name}: counted {ours} + {counted}, the truth may reach {true}"
        arriving = {flight.client_id for flight in self.flights if not flight.cancel}
        for client_id in self.placed:
            order = self.manager.get(client_id)
            assert order is not None
            if order.state in TERMINAL:
                truth = self.orders.get(client_id)
                assert client_id not in arriving, f"{client_id} ended as {order.state} while on its way"
                assert truth is None or truth.status in ENDED, f"{client_id} ended as {order.state}, it is live"
                if order.state in (OrderState.REJECTED, OrderState.DENIED):
                    assert truth is None, f"{client_id} is {order.state} and the exchange had it"


STEPS = ("place", "cancel", "arrive", "arrive", "trade", "expire", "deliver", "deliver", "deliver", "time", "query")


def run(seed: int, steps: int = 60) -> World:
    """One schedule: hostile for ``steps`` steps, then honest until quiet; raises AssertionError on a broken promise."""
    world = World(seed)
    for _ in range(steps):
        match world.dice.choice((*STEPS, "gap", "reconcile", "all") if world.dice.random() < 0.1 else STEPS):
            case "place":
                world.place()
            case "cancel":
                world.cancel()
            case "arrive" if world.flights:
                world.arrive(world.dice.choice(world.flights))
            case "trade":
                world.trade()
            case "expire" if world.dice.random() < 0.3:
                world.expire()
            case "deliver":
                world.deliver()
            case "time" if world.dice.random() < 0.4:
                world.pass_time()
            case "query":
                world.query()
            case "all":
                world.cancel_all()
            case "gap":
                world.fill_gap()
            case "reconcile":
                world.reconcile()
        world.check()
    settle(world)
    return world


def settle(world: World) -> None:
    """The line heals: everything arrives, queries are answered; then both sides must agree completely."""
    for _ in range(40):
        while world.flights:
            world.arrive(world.flights[0])
        while world.queue or world.answers:
            world.deliver()
            world.check()
        world.now_ns += 3 * SECOND
        world.absorb(world.manager.expire_waits(world.now_ns))
        world.query(honest=True)
        world.fill_gap()
        world.reconcile()
        world.check()
    assert not world.manager.unknown(), "an order stayed UNKNOWN on a healed line"
    assert not world.manager.symbols_missing_fills()
    assert {fill.trade_id for fill in world.booked.values()} == {fill.trade_id for fill in world.trades}
    live = {client_id for client_id, truth in world.orders.items() if truth.remaining}
    assert {order.client_id for order in world.manager.live()} == live
    for client_id, truth in world.orders.items():
        order = world.manager.get(client_id)
        assert order is not None
        assert order.filled_lots == truth.filled
        assert order.worst_case_lots == truth.remaining
