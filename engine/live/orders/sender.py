"""How orders leave: the request's bytes are on their way when the call returns, the answer comes later, once.

A gateway that can write without waiting offers ``send_place`` and ``send_cancel``; any other is driven by tasks.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from engine.trade import Answer, Outcome, PlaceRequest
from engine.venue.protocol import Gateway

Done = Callable[[Answer], None]
I64 = npt.NDArray[np.int64]


@runtime_checkable
class HotGateway(Protocol):
    """A gateway whose hot path is synchronous: None = written; an Answer = it was not."""

    def send_place(self, request: PlaceRequest, on_answer: Done) -> Answer | None:
        """None where the order was written and ``on_answer`` will be called once; else why it was not."""

    def send_cancel(self, symbol: str, client_id: str, on_answer: Done) -> Answer | None:
        """None where the cancel was written and ``on_answer`` will be called once; else why it was not."""


class RequestBuffer(Protocol):
    """Where the kernel writes a tick's requests (``engine.venue.binance.socket_buffer``)."""

    @property
    def block(self) -> I64:
        """The order buffer's memory (``engine.kernel.codec.requests``): what a tick may write, and where."""

    def room(self, next_client: int) -> bool:
        """Tell the kernel in ``block`` what it may write now; ``next_client``: the counter of the next client id.

        False: nothing may be written.
        """

    def send(self, size: int) -> bool:
        """Write the first ``size`` bytes of the frames; False where the connection took none of them."""


class OrderBuffer(RequestBuffer, Protocol):
    """One symbol's requests written by the kernel, and their answers."""

    def count(self, places: int, cancels: int) -> None:
        """So many orders and cancels were sent: their ids and the rate budget are used up."""

    def wrote(self, number: int, client_id: str, sent_ns: int, on_answer: Done) -> None:
        """The request of that number was written at ``sent_ns`` (monotonic); ``on_answer`` gets its answer."""

    def twin(self) -> RequestBuffer:
        """The same order buffer for rehearsals: nothing that it writes is sent."""


class OrderSender:
    """Orders to one gateway. Whatever goes wrong inside a call is an UNKNOWN answer, never an exception."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._hot = gateway if isinstance(gateway, HotGateway) else None
        self._hold: Callable[[bool], None] | None = getattr(gateway, "hold_orders", None)
        self._buffer: Callable[[str, int], OrderBuffer] | None = getattr(gateway, "buffer", None)
        self._tasks: set[asyncio.Task[None]] = set()
        self.written_ns = 0  # monotonic, when the last order's bytes were written
        self._released_ns = 0

    def place(self, request: PlaceRequest, done: Done) -> None:
        """Send an order; ``done`` is called once with the answer, at the latest with UNKNOWN at the deadline."""
        if self._hot is not None:
            refused = self._hot.send_place(request, done)
            self.written_ns = time.monotonic_ns()
            if refused is not None:
                done(refused)
            return
        self._run(self._gateway.place(request), request.client_id, done)

    def cancel(self, symbol: str, client_id: str, done: Done) -> None:
        """Send a cancel; ``done`` is called once with the answer, at the latest with UNKNOWN at the deadline."""
        if self._hot is not None:
            refused = self._hot.send_cancel(symbol, client_id, done)
            if refused is not None:
                done(refused)
            return
        self._run(self._gateway.cancel(symbol, client_id), client_id, done)

    def buffer(self, symbol: str, epoch: int) -> OrderBuffer | None:
        """The short way of ``symbol``'s orders, where the gateway has one."""
        return None if self._buffer is None else self._buffer(symbol, epoch)

    def hold(self, on: bool) -> None:
        """Gather what is sent from now on; off writes it in one piece."""
        if self._hold is not None:
            self._hold(on)
            if not on and self.written_ns > self._released_ns:
                self.written_ns = self._released_ns = time.monotonic_ns()

    def _run(self, call: Coroutine[Any, Any, Answer], client_id: str, done: Done) -> None:
        task = asyncio.get_running_loop().create_task(_answered(call, client_id, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answered(call: Coroutine[Any, Any, Answer], client_id: str, done: Done) -> None:
    started = time.monotonic_ns()
    try:
        answer = await call
    except Exception as error:  # noqa: BLE001 - the gateway promised an answer; what broke the promise proves nothing
        message = f"the gateway failed: {type(error).__name__}: {error}"
        answer = Answer(Outcome.UNKNOWN, client_id, message=message, sent_ns=started, answered_ns=time.monotonic_ns())
    done(answer)
