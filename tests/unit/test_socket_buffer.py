"""The kernel's requests against the writer's: the same bytes for every order, in frames that any server can read."""

import struct
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.codec.requests import (
    ACTION_CLIENT,
    ACTION_REQUEST,
    CLIENT_BYTES,
    NUMBER_CLIENT,
    NUMBER_PLACES,
    NUMBER_REQUEST,
    NUMBER_ROOM,
    NUMBER_TIME_MS,
    client_row,
    write_requests,
)
from engine.kernel.quoting.actions import (
    ACTION_ID,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_TICKS,
    CANCEL,
    KEEP,
    PLACE,
    new_actions,
)
from engine.orders.ids import base36, epoch_head
from engine.trade import Market, PlaceRequest, Side
from engine.venue.binance.order_texts import Grid, OrderWriter
from engine.venue.binance.signing import HmacSigner, Signer
from engine.venue.binance.socket_buffer import ROOM, RehearsedBuffer, SocketBuffer
from engine.venue.throttle import Budget, BudgetKind, Throttle


def messages(stream: bytes) -> list[bytes]:
    """The payloads of masked text frames, as RFC 6455 has a server read them."""
    found = []
    while stream:
        assert stream[0] == 0x81
        assert stream[1] & 0x80, "a client's frame is masked"
        length, at = stream[1] & 0x7F, 2
        assert length < 127
        if length == 126:
            (length,), at = struct.unpack(">H", stream[2:4]), 4
            assert length >= 126, "a length is written as short as it can be"
        mask, payload = stream[at : at + 4], stream[at + 4 : at + 4 + length]
        found.append(bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)))
        stream = stream[at + 4 + length :]
    return found


class Line:
    """In the place of the order socket: keeps what was written."""

    def __init__(self) -> None:
        self.link = SimpleNamespace(connected=True, write_frames=self._write)
        self.upcoming, self.took, self.writes, self.walks, self.fails = 41, b"", 0, 0, False
        self.expected: list[tuple[int, str]] = []

    def take_ids(self, count: int) -> int:
        first, self.upcoming = self.upcoming, self.upcoming + count
        return first

    def timestamp(self) -> int:
        return 1_795_186_514_174

    def _write(self, frames: memoryview) -> bool:
        if self.fails:
            return False
        self.took += bytes(frames)
        self.writes += len(frames) > 0
        self.walks += len(frames) == 0
        return True


def buffer(line: Any, writer: OrderWriter, grid: Grid, epoch: int, throttle: Throttle | None = None) -> SocketBuffer:
    return SocketBuffer(line, writer, throttle or Throttle([]), grid, epoch, lambda symbol, told: told)


def room(made: SocketBuffer | RehearsedBuffer) -> tuple[int, ...]:
    """What the kernel is told: placements, requests, the next request's number, the time, the next client id."""
    assert made.room(CLIENT)
    return tuple(made.numbers[[NUMBER_PLACES, NUMBER_ROOM, NUMBER_REQUEST, NUMBER_TIME_MS, NUMBER_CLIENT]].tolist())


class Session:
    """In the place of an Ed25519 key: once logged on it signs nothing more."""

    can_log_on = True

    def sign(self, payload: bytes) -> str:
        raise AssertionError("nothing is signed")


SESSION = Session()
CLIENT = 77
places = st.tuples(st.just(PLACE), st.sampled_from([1, -1]), st.integers(1, 10**10), st.integers(1, 10**10), st.just(0))
cancels = st.tuples(st.just(CANCEL), st.sampled_from([1, -1]), st.just(5), st.just(5), st.integers(0, 3))
keeps = st.tuples(st.just(KEEP), st.just(1), st.just(5), st.just(5), st.just(0))


@settings(deadline=None)  # the first call compiles
@given(
    rows=st.lists(st.one_of(places, cancels, keeps), max_size=8),
    market=st.sampled_from([Market.SPOT, Market.USDM]),
    tick_e8=st.sampled_from([1, 10, 25, 10**6, 10**8, 5 * 10**8]),
    lot_e8=st.sampled_from([1, 10**5, 10**8]),
    epoch=st.integers(1, 10**9),
    counter=st.integers(1, 10**12),
    symbol=st.sampled_from(["A", "ETHUSDT", "1000000MOGUSDT"]),
    signer=st.sampled_from([HmacSigner("s"), HmacSigner("a longer secret " * 9), SESSION]),
)
def test_the_kernel_writes_what_the_writer_writes(
    rows: list[tuple[int, ...]],
    market: Market,
    tick_e8: int,
    lot_e8: int,
    epoch: int,
    counter: int,
    symbol: str,
    signer: Signer,
) -> None:
    writer, grid, line = OrderWriter(market, "key", signer, 5000), Grid(symbol, tick_e8, lot_e8), Line()
    writer.logged_on = signer.can_log_on
    held = ["mm-1-2", "mm-zz-10", "mm-1-" + "9" * 13, "mm-2-1"]
    clients = np.zeros((4, CLIENT_BYTES), np.uint8)
    for row, client_id in enumerate(held):
        clients[row] = client_row(client_id)
    actions = new_actions(8)
    for row, (kind, side, ticks, lots, number) in enumerate(rows):
        actions[row, [ACTION_KIND, ACTION_SIDE, ACTION_TICKS, ACTION_LOTS, ACTION_ID]] = kind, side, ticks, lots, number
    kinds = [row[0] for row in rows]
    made = buffer(line, writer, grid, epoch)
    made.room(counter)
    size = write_requests(actions, len(rows), clients, made.texts, made.spans, made.numbers, made.out)
    assert made.send(size)
    made.count(kinds.count(PLACE), kinds.count(CANCEL))
    assert line.upcoming == 41 + kinds.count(PLACE) + kinds.count(CANCEL)
    wanted, number, stamp = [], 41, line.timestamp()
    for row, (kind, side, ticks, lots, order) in enumerate(rows):
        if kind == KEEP:
            continue
        assert actions[row, ACTION_REQUEST] == number
        if kind == PLACE:
            assert actions[row, ACTION_CLIENT] == counter
            request = PlaceRequest(symbol, epoch_head(epoch) + base36(counter), Side(side), ticks, lots)
            wanted.append(writer.place(grid, request, number, stamp))
            counter += 1
        else:
            wanted.append(writer.cancel(symbol, held[order], number, stamp))
        number += 1
    assert messages(line.took) == wanted
    assert all(orjson.loads(message) for message in wanted)


def test_there_is_room_for_what_the_rate_budget_holds_and_what_is_sent_is_spent() -> None:
    writer, line = OrderWriter(Market.USDM, "key", SESSION, 5000), Line()
    writer.logged_on = True
    throttle = Throttle([Budget(BudgetKind.ORDERS, 10, 9), Budget(BudgetKind.WEIGHT, 60, 100)])
    made = buffer(line, writer, Grid("ETHUSDT", 10**6, 10**5), 1, throttle)
    assert room(made)[:2] == (0, 0), "before anything was asked for, the long way asks"
    now = time.monotonic_ns()
    throttle.request(now, 1)
    assert room(made) == (9, ROOM, 41, line.timestamp(), CLIENT)
    throttle.request(now, 60)
    assert room(made)[:2] == (9, 19), "the cancels' share is not ours"
    made.count(2, 3)
    assert room(made)[:3] == (7, 14, 46)


def test_an_hmac_key_needs_no_session() -> None:
    throttle = Throttle([])
    throttle.request(0, 1)
    writer = OrderWriter(Market.USDM, "key", HmacSigner("s"), 5000)
    assert room(buffer(Line(), writer, Grid("ETHUSDT", 10**6, 10**5), 1, throttle))[1] == ROOM


@pytest.mark.parametrize("why", ["logged off", "down"])
def test_there_is_no_room_without_a_logged_on_connection(why: str) -> None:
    writer, line = OrderWriter(Market.USDM, "key", SESSION, 5000), Line()
    writer.logged_on, line.link.connected = why != "logged off", why != "down"
    throttle = Throttle([])
    throttle.request(0, 1)
    made = buffer(line, writer, Grid("ETHUSDT", 10**6, 10**5), 1, throttle)
    assert not made.room(CLIENT)
    writer.logged_on = line.link.connected = True
    assert room(made)[1] == ROOM


def test_a_twin_writes_nothing_and_uses_up_no_number() -> None:
    writer, line = OrderWriter(Market.USDM, "key", SESSION, 5000), Line()
    writer.logged_on = True
    throttle = Throttle([Budget(BudgetKind.ORDERS, 10, 9)])
    made = buffer(line, writer, Grid("ETHUSDT", 10**6, 10**5), 1, throttle)
    before, twin = made.numbers.copy(), made.twin()
    for _ in range(5):
        assert room(twin)[:2] == (ROOM, ROOM)
        twin.numbers[:], twin.out[:] = 7, 7
        assert twin.send(600)
    assert (line.took, line.upcoming, throttle.room, line.walks) == (b"", 41, (0, 0), 5)
    assert (made.numbers == before).all()
    assert not made.out.any()
