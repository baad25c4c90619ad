"""One symbol's short way to the order socket: a tick's requests are written by the kernel and leave in one write.

Where the session is logged on (an Ed25519 key) a request needs no signature of its own; with an HMAC key the kernel
signs it. Everything else about an order (throttle, deadline, answer) is as for ``BinanceGateway.send_place``.
"""

import os
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.codec.hashing import absorb_pads
from engine.kernel.codec.requests import (
    NUMBER_CLIENT,
    NUMBER_LOT_E8,
    NUMBER_MASK,
    NUMBER_PADS,
    NUMBER_PLACES,
    NUMBER_REQUEST,
    NUMBER_ROOM,
    NUMBER_TICK_E8,
    NUMBER_TIME_MS,
    TEXTS,
    carve_requests,
    new_requests,
)
from engine.orders.ids import epoch_head
from engine.trade import Answer, PlaceRequest, Side
from engine.venue.binance.order_socket import OrderSocket
from engine.venue.binance.order_texts import MARK, Grid, OrderWriter
from engine.venue.throttle import Throttle

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Done = Callable[[Answer], None]

ROOM: Final = 36  # requests one tick can need


class SocketBuffer:
    """``room`` tells the kernel in ``block`` what it may write there; ``send`` writes that to the socket; ``count`` and
    ``wrote`` then register the requests, before an answer can be read."""

    def __init__(
        self,
        socket: OrderSocket,
        writer: OrderWriter,
        throttle: Throttle,
        grid: Grid,
        epoch: int,
        noting: Callable[[str, Done], Done],
    ) -> None:
        self._socket, self._writer, self._throttle, self._noting = socket, writer, throttle, noting
        self._symbol = grid.symbol
        self.block = new_requests(*texts_of(writer, grid.symbol, epoch), ROOM)
        self.numbers, self.spans, self.texts, self.out = carve_requests(self.block)
        self.numbers[NUMBER_TICK_E8], self.numbers[NUMBER_LOT_E8] = grid.tick_e8, grid.lot_e8
        # A mask hides nothing from us; it must only be unpredictable to what lies between (RFC 6455, 10.3).
        self.numbers[NUMBER_MASK] = int.from_bytes(os.urandom(7), "little") | 1
        pads = writer.pads()
        if pads is not None:
            absorb_pads(np.frombuffer(b"".join(pads), np.uint8).copy(), self.numbers[NUMBER_PADS:])
        self._view, self._slots = self.out.data, self.numbers.data  # a memoryview is written faster than an array

    def room(self, next_client: int) -> bool:
        """Tell the kernel what it may write now, from which numbers on, and the time to put on it. False: nothing."""
        socket, slots = self._socket, self._slots
        if (self._writer.can_log_on and not self._writer.logged_on) or not socket.link.connected:
            return False
        places, requests = self._throttle.room
        slots[NUMBER_PLACES], slots[NUMBER_ROOM] = places, min(requests, ROOM)
        slots[NUMBER_CLIENT], slots[NUMBER_REQUEST], slots[NUMBER_TIME_MS] = (
            next_client,
            socket.upcoming,
            socket.timestamp(),
        )
        return True

    def send(self, size: int) -> bool:
        """Write the first ``size`` bytes of ``out``. False: nothing was written. Then ``count`` and ``wrote``."""
        return self._socket.link.write_frames(self._view[:size])

    def count(self, places: int, cancels: int) -> None:
        """So many were sent: their numbers are used up, and the rate budget is spent."""
        self._socket.take_ids(places + cancels)
        self._throttle.wrote(time.monotonic_ns(), places, cancels)

    def wrote(self, number: int, client_id: str, sent_ns: int, on_answer: Done) -> None:
        """Request ``number`` was written at ``sent_ns`` (monotonic): its answer, or the lack of one, is told."""
        self._socket.expect(number, self._symbol, client_id, sent_ns, self._noting(self._symbol, on_answer))

    def twin(self) -> "RehearsedBuffer":
        """An order buffer to walk that writes nothing and uses up no number."""
        return RehearsedBuffer(self._socket, self.block)


class RehearsedBuffer:
    """The way of an ``SocketBuffer`` without its traces. Orders are rare, and code that has not run for long is
    slow."""

    def __init__(self, socket: OrderSocket, real: I64) -> None:
        self._socket = socket
        self.block = real.copy()
        self.numbers, _, _, self.out = carve_requests(self.block)
        self._view, self._slots = self.out.data, self.numbers.data
        self.walked = 0

    def room(self, next_client: int) -> bool:
        """As the real one on a socket that is up and with a full budget."""
        socket, slots = self._socket, self._slots
        slots[NUMBER_PLACES] = slots[NUMBER_ROOM] = ROOM
        slots[NUMBER_CLIENT], slots[NUMBER_REQUEST], slots[NUMBER_TIME_MS] = (
            next_client,
            socket.upcoming,
            socket.timestamp(),
        )
        return True

    def send(self, size: int) -> bool:
        """Everything up to the write of no byte."""
        return self._socket.link.write_frames(self._view[:0])


def texts_of(writer: OrderWriter, symbol: str, epoch: int) -> tuple[U8, I64]:
    """What stands around the values of a request, signed or of a logged-on session, and where each text lies."""
    head = epoch_head(epoch)
    orders = [PlaceRequest(symbol, head + MARK, side, 1, 1) for side in (Side.BUY, Side.SELL)]
    if writer.can_log_on:
        buy, sell = (writer.unsigned_place(order, MARK, MARK, MARK, MARK).split(MARK) for order in orders)
        cancel = writer.unsigned_cancel(symbol, MARK, MARK, MARK).split(MARK)
        texts = [*buy[:5], sell[4], buy[5], *cancel[1:]] + [""] * (TEXTS - 10)
    else:
        (buy, buy_query), (sell, sell_query) = (
            [text.split(MARK) for text in writer.sealed_place(order, MARK, MARK, MARK, MARK, MARK)] for order in orders
        )
        cancel, cancel_query = (text.split(MARK) for text in writer.sealed_cancel(symbol, MARK, MARK, MARK, MARK))
        texts = [*buy[:5], sell[4], buy[5], *cancel[1:4], buy[6]]
        texts += [*buy_query[:4], sell_query[3], buy_query[4], *cancel_query[:2]]
    if len(texts) != TEXTS:
        raise ValueError(f"{len(texts)} texts around an order's values, the kernel knows {TEXTS}")
    ends = np.cumsum([len(text) for text in texts])
    spans = np.stack([ends - [len(text) for text in texts], ends], axis=1).astype(np.int64)
    return np.frombuffer("".join(texts).encode("ascii"), np.uint8).copy(), spans
