"""The fast path of a frame against the long one: the same decisions, and whatever needs a look goes the long way."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.tick import FOUND_DECIDED
from engine.risk.breaker import BreakerState
from engine.store.records import DecisionRecord
from engine.trade import Market, PlaceRequest, Side
from engine.venue.binance.order_texts import Grid, OrderWriter
from engine.venue.binance.socket_buffer import SocketBuffer
from engine.venue.throttle import Budget, BudgetKind, Throttle
from tests.unit.live_session import SYMBOL, Exchange, Rig, diff
from tests.unit.test_socket_buffer import SESSION, Line, messages

GRID = Grid(SYMBOL, 10**6, 10**5)


class Socket(Line):
    """The line, and its answers when the exchange of the test gives them."""

    def __init__(self, exchange: "BufferExchange") -> None:
        super().__init__()
        self._exchange = exchange

    def expect(self, number: int, symbol: str, client_id: str, sent_ns: int, on_answer: Any) -> None:
        self._exchange.waiting.append((on_answer, client_id))
        self.expected.append((number, client_id))


class BufferExchange(Exchange):
    """An exchange whose session is logged on: the kernel writes its requests. It reads them off the line."""

    def __init__(self, orders: int = 10**6) -> None:
        super().__init__()
        self.line = Socket(self)
        self.writer = OrderWriter(Market.SPOT, "key", SESSION, 5000)
        self.writer.logged_on = True
        self.throttle = Throttle([Budget(BudgetKind.ORDERS, 10, orders)])
        self.throttle.request(0, 1)

    def buffer(self, symbol: str, epoch: int) -> SocketBuffer:
        line: Any = self.line
        return SocketBuffer(line, self.writer, self.throttle, GRID, epoch, lambda symbol, told: told)

    def read(self) -> list[tuple[str, str]]:
        """(method, client id) of every message on the line, which is emptied; placements become requests."""
        found = []
        for message in messages(self.line.took):
            word = orjson.loads(message)
            method, told = word["method"], word["params"]
            client_id = told.get("newClientOrderId") or told["origClientOrderId"]
            if method == "order.place":
                ticks, lots = round(float(told["price"]) * 100), round(float(told["quantity"]) * 1000)
                side = Side[told["side"]]
                self.requests[client_id] = PlaceRequest(SYMBOL, client_id, side, ticks, lots)
            found.append((method, client_id))
        self.line.took = b""
        return found


def rig_with(folder: Path, exchange: Exchange, **more: Any) -> Rig:
    return Rig(folder, exchange=exchange, **more)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = rig_with(tmp_path, BufferExchange())
    settle(made)
    yield made
    await made.feed.close()
    made.close()


def settle(rig: Rig) -> None:
    """Two orders stand, acknowledged; their first tick went the long way, since no price had been seen yet."""
    rig.live()
    assert len(rig.exchange.placed) == 2
    rig.exchange.placed.clear()
    rig.exchange.answer()


def exchange_of(rig: Rig) -> BufferExchange:
    assert isinstance(rig.exchange, BufferExchange)
    return rig.exchange


def decisions(rig: Rig) -> list[tuple[int, int, str, int, int]]:
    told = [record for record in rig.journal.records if isinstance(record, DecisionRecord)]
    return [(record.ns, record.side, record.action, record.ticks, record.lots) for record in told]


async def test_a_ticks_orders_leave_in_one_write_and_are_held_with_their_answers(rig: Rig) -> None:
    exchange = exchange_of(rig)
    writes = exchange.line.writes
    rig.tick('["2001.00","5.000"]', '["2001.10","5.000"],["2000.10","0.000"]')  # the ask's side has to move
    sent = exchange.read()
    assert exchange.line.writes == writes + 1
    assert [method for method, _ in sent] == ["order.cancel", "order.cancel"]
    assert exchange.line.expected[-2:] == [(41, sent[0][1]), (42, sent[1][1])], "under the numbers on the line"
    exchange.answer()
    rig.tick()
    placed = [client_id for method, client_id in exchange.read() if method == "order.place"]
    assert exchange.line.expected[-2:] == [(43, placed[0]), (44, placed[1])], "numbers are used once"
    assert exchange.throttle.use(time.monotonic_ns())[0].used == 2, "and placements are counted"
    assert set(placed) <= set(rig.working())
    assert exchange.placed == exchange.cancelled == [], "none went the long way"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_both_ways_decide_the_same_whatever_the_market_does(data: st.DataObject) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            fast, slow = rig_with(Path(one), BufferExchange()), rig_with(Path(two), Exchange())
            slow.feed.decider = None
            fast.live(), slow.live()
            for _ in range(data.draw(st.integers(5, 40))):
                step = data.draw(STEPS)
                for rig in (fast, slow):
                    step(rig)
                exchange_of(fast).read()
                assert decisions(fast) == decisions(slow)
                assert fast.working() == slow.working()
                assert fast.session.parts.risk.breaker.state == slow.session.parts.risk.breaker.state
            assert fast.exchange.requests.keys() == slow.exchange.requests.keys()
            for rig in (fast, slow):
                await rig.feed.close()
                rig.close()

    asyncio.run(play())


def move(cents: int, wide: int) -> Callable[[Rig], None]:
    """Put a new touch ``cents`` from 2000, and take the old levels within it away."""

    def step(rig: Rig) -> None:
        bid, ask = 200_000 + cents, 200_000 + cents + wide
        view = rig.feed.view
        old_bid, old_ask = int(view[0]), int(view[2])
        bids = [f'["{bid / 100:.2f}","5.000"]'] + ([f'["{old_bid / 100:.2f}","0.000"]'] if old_bid > bid else [])
        asks = [f'["{ask / 100:.2f}","5.000"]'] + ([f'["{old_ask / 100:.2f}","0.000"]'] if old_ask < ask else [])
        rig.tick(",".join(bids), ",".join(asks))

    return step


def answer(rig: Rig) -> None:
    rig.exchange.answer()


def gap(rig: Rig) -> None:
    rig.gap()


def quoting(rig: Rig) -> None:
    rig.session.quoting_off("test")
    rig.session.quoting_on()


STEPS = st.one_of(
    st.builds(move, st.integers(-200, 200), st.integers(1, 30)),
    st.builds(move, st.sampled_from([-3000, 3000]), st.just(10)),
    st.just(answer),
    st.just(gap),
    st.just(quoting),
)


async def test_a_price_jump_trips_before_an_order_leaves(rig: Rig) -> None:
    exchange = exchange_of(rig)
    move(8000, 10)(rig)
    assert rig.session.parts.risk.breaker.state is BreakerState.OPEN
    assert {method for method, _ in exchange.read()} <= {"order.cancel"}
    assert len(exchange.cancelled) == 2, "cancelled by the trip, not by a quote"


@pytest.mark.parametrize(
    ("why", "room", "by_buffer"),
    [("no room for orders", (0, 100), 2), ("for one request", (100, 1), 0), ("logged off", None, 0), ("down", None, 0)],
)
async def test_what_the_order_buffer_cannot_take_goes_the_long_way(
    tmp_path: Path, why: str, room: tuple[int, int] | None, by_buffer: int
) -> None:
    exchange = BufferExchange()
    rig = rig_with(tmp_path, exchange)
    settle(rig)
    exchange.throttle.room = room or exchange.throttle.room
    exchange.writer.logged_on, exchange.line.link.connected = why != "logged off", why != "down"
    move(300, 10)(rig)
    assert (len(exchange.read()), len(exchange.cancelled)) == (by_buffer, 2 - by_buffer)
    exchange.answer()
    exchange.throttle.room = room or exchange.throttle.room
    rig.tick()
    assert (len(exchange.read()), len(exchange.placed)) == (0, 2)
    await rig.feed.close()
    rig.close()


async def test_a_write_that_fails_loses_nothing(rig: Rig) -> None:
    exchange = exchange_of(rig)
    exchange.line.fails = True
    upcoming = exchange.line.upcoming
    move(300, 10)(rig)
    assert len(exchange.cancelled) == 2, "the desk was told to send them instead"
    assert exchange.line.upcoming == upcoming


async def test_a_market_that_waited_while_the_loop_stood_still_is_not_quoted_on(rig: Rig) -> None:
    exchange = exchange_of(rig)
    rig.session.heartbeats, rig.session.frozen_ns = 1, 400_000_000  # before what was calm is old
    rig.now += rig.session.frozen_ns
    rig.last_id += 1
    rig.feed.on_frame(
        diff(rig.last_id, rig.last_id, '["2003.00","5.000"]', '["2000.10","0"],["2003.10","5.000"]'), rig.now + 1
    )
    assert exchange.read() == []
    assert rig.session.facts.reconciled is False


async def test_a_held_tick_is_decided_by_the_fast_path_too(rig: Rig) -> None:
    exchange = exchange_of(rig)
    quoter, decided = rig.pair.quoter, rig.pair.quoter.decisions
    rig.last_id += 1
    rig.now += 10_000_000
    rig.feed.on_frame(
        diff(rig.last_id, rig.last_id, '["2003.00","5.000"]', '["2000.10","0"],["2003.10","5.000"]'), rig.now, hold=True
    )
    assert (quoter.decisions, exchange.read()) == (decided, [])
    long_way: list[int] = []
    rig.feed.on_tick = long_way.append
    rig.feed.tick()
    assert (quoter.decisions, long_way) == (decided + 1, [])
    assert exchange.read() != []


async def test_a_touch_changes_nothing(rig: Rig) -> None:
    feed, quoter = rig.feed, rig.pair.quoter
    before = feed.block.copy()
    counts = (feed.frames, feed.last_ns, quoter.decisions, exchange_of(rig).line.took)
    path = rig.session.paths[SYMBOL]
    told = (path.told, path.sent, path.decided_ns, path.written_ns)
    for _ in range(3):
        path.touch()
    assert np.array_equal(before, feed.block)
    assert counts == (feed.frames, feed.last_ns, quoter.decisions, exchange_of(rig).line.took)
    assert told == (path.told, path.sent, path.decided_ns, path.written_ns)


async def test_nothing_is_decided_without_leave(rig: Rig) -> None:
    path, exchange = rig.session.paths[SYMBOL], exchange_of(rig)
    assert path.decide(rig.now) & FOUND_DECIDED
    rig.session.quoting_off("test")
    exchange.read()
    assert not path.decide(rig.now) & FOUND_DECIDED
    rig.session.quoting_on()
    assert path.decide(rig.now) & FOUND_DECIDED


async def test_the_detector_of_price_moves_follows_what_the_fast_path_took(rig: Rig) -> None:
    calm = rig.session.parts.risk.calm(SYMBOL)
    for cents in (10, 20, 30):
        move(cents, 10)(rig)
        assert calm[0] == rig.now, "sampled at this very tick"


async def test_a_young_quote_stays_where_it_is_safe(tmp_path: Path) -> None:
    exchange = BufferExchange()
    rig = rig_with(tmp_path, exchange, strategy=", min_quote_life: 10s")
    settle(rig)
    bid, ask = (order.client_id for order in rig.pair.quoter.orders)
    move(300, 10)(rig)
    assert exchange.read() == [("order.cancel", ask)], "the market has come near to it; the bid may wait"
    assert exchange.cancelled == []
    exchange.answer()
    rig.now += 10_000_000_000
    move(310, 10)(rig)
    assert exchange.cancelled == [bid], "it is old enough now"
    await rig.feed.close()
    rig.close()
