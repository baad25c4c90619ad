"""Binance's WebSocket API for orders: requests written at once, answers matched by id, each under its own deadline."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from engine.trade import Answer, Market, Outcome, PlaceRequest
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.order_texts import Grid, OrderWriter
from engine.venue.binance.outcome import SKEWED_CLOCK, outcome_of, refused_answer
from engine.venue.binance.words import MALFORMED, order_of
from engine.venue.clock import ClockOffset
from engine.venue.link import ORDER_TIMES, Link, LinkTimes, Payload
from engine.venue.protocol import StreamState, VenueError

OnAnswer = Callable[[Answer], None]


@dataclass(slots=True)
class _Waiting:
    client_id: str
    symbol: str
    sent_ns: int
    on_answer: OnAnswer
    number: int


class OrderSocket:
    """``send_place`` and ``send_cancel`` are synchronous: the bytes are written when they return.

    ``on_answer`` is called exactly once for each request, always later and never from inside the call: with the
    exchange's answer, or with ``Outcome.UNKNOWN`` at the deadline or when the connection ends.
    """

    def __init__(
        self,
        market: Market,
        places: Endpoints,
        writer: OrderWriter,
        grids: Mapping[str, Grid],
        clock: ClockOffset,
        on_state: Callable[[StreamState], None],
        on_rates: Callable[[dict[str, Any]], None],
        deadline_s: float = 2.0,
        times: LinkTimes = ORDER_TIMES,
    ) -> None:
        self._url = places.orders(market)
        self._writer, self._grids, self._clock = writer, grids, clock
        self._deadline_s = deadline_s
        self._on_rates = on_rates
        self._on_state = on_state
        self.upcoming = 1  # the next request's number
        self._waiting: dict[int, _Waiting] = {}
        # Every request has the same time, so they come due in the order in which they were sent: one timer is enough.
        self._due: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._logon: asyncio.Future[Mapping[str, Any]] | None = None
        self.on_skew: Callable[[], None] = lambda: None
        self.link = Link("orders", self._address, self._text, self._state, times, self._open)

    async def _address(self) -> str:
        return self._url

    def send_place(self, request: PlaceRequest, on_answer: OnAnswer) -> bool:
        """False when nothing was written: the caller knows it as NOT_SENT."""
        grid = self._grids.get(request.symbol)
        if grid is None or not self.link.connected:
            return False
        number = self.take_ids(1)
        message = self._writer.place(grid, request, number, self.timestamp())
        return self._send(number, message, request.symbol, request.client_id, on_answer)

    def send_cancel(self, symbol: str, client_id: str, on_answer: OnAnswer) -> bool:
        """False where it is not connected and nothing was written; else ``on_answer`` is called once."""
        if not self.link.connected:
            return False
        number = self.take_ids(1)
        message = self._writer.cancel(symbol, client_id, number, self.timestamp())
        return self._send(number, message, symbol, client_id, on_answer)

    # -- inside ------------------------------------------------------------------------------------------------------

    def take_ids(self, count: int) -> int:
        """The first of ``count`` request numbers in a row, which are the caller's."""
        first = self.upcoming
        self.upcoming += count
        return first

    def timestamp(self) -> int:
        """The exchange's time as we reckon it, ms since 1970."""
        return int(time.time() * 1000 + self._clock.skew_ms)

    def _send(self, number: int, message: bytes, symbol: str, client_id: str, on_answer: OnAnswer) -> bool:
        if not self.link.send(message):
            return False
        self.expect(number, symbol, client_id, time.monotonic_ns(), on_answer)
        return True

    def expect(self, number: int, symbol: str, client_id: str, sent_ns: int, on_answer: OnAnswer) -> None:
        """Request ``number`` was written at ``sent_ns`` (monotonic clock)."""
        waiting = _Waiting(client_id, symbol, sent_ns, on_answer, number)
        self._waiting[number] = waiting
        self._due.append(waiting)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._deadline_s, self._look)

    def _look(self) -> None:
        """Give up what has waited long enough, and come again for the oldest that has not."""
        self._timer = None
        patience_ns = int(self._deadline_s * 1e9)
        late = False
        while self._due:
            oldest = self._due[0]
            if oldest.number not in self._waiting:
                self._due.popleft()  # answered
                continue
            left_ns = oldest.sent_ns + patience_ns - time.monotonic_ns()
            if left_ns > 0:
                self._timer = asyncio.get_running_loop().call_later(left_ns / 1e9, self._look)
                break
            self._due.popleft()
            del self._waiting[oldest.number]
            self._unknown(oldest, f"no answer within {self._deadline_s:g} s")
            late = True
        if late:
            self._half_open()

    def _half_open(self) -> None:
        if self.link.age_s >= self._deadline_s:
            # Nothing at all has come since: half-open, most likely. Cancels go over REST until it is up again.
            self.link.drop(f"silent for {self._deadline_s:g} s while answers were due")

    def _unknown(self, waiting: _Waiting, why: str) -> None:
        waiting.on_answer(
            Answer(
                Outcome.UNKNOWN,
                waiting.client_id,
                message=why,
                sent_ns=waiting.sent_ns,
                answered_ns=time.monotonic_ns(),
            )
        )

    def _state(self, up: bool, reason: str) -> None:
        if not up:
            self._writer.logged_on = False
            ended, self._waiting = self._waiting, {}
            for waiting in ended.values():
                self._unknown(waiting, f"the connection ended before the answer: {reason}")
        self._on_state(StreamState("orders", up, reason))

    async def _open(self) -> None:
        """Log the session on where the key type allows it. Raises VenueError when the exchange refuses."""
        self._writer.logged_on = False
        if not self._writer.can_log_on:
            return
        self._logon = asyncio.get_running_loop().create_future()
        self.link.send_early(self._writer.signed("session.logon", 0, self.timestamp()))
        answer = await self._logon
        if answer.get("status") != 200:
            error = answer.get("error") or {}
            if error.get("code") == SKEWED_CLOCK:
                self.on_skew()
            raise VenueError(f"session.logon was refused: {error.get('code')} {error.get('msg')}", known=True)
        self._writer.logged_on = True

    def _text(self, payload: Payload, recv_ns: int) -> None:
        try:
            word = orjson.loads(payload)
            number = int(word["id"])
        except MALFORMED:  # orjson's error is a ValueError; an answer nobody can read leaves its request UNKNOWN
            return
        if number == 0 and self._logon is not None and not self._logon.done():
            self._logon.set_result(word)
            return
        waiting = self._waiting.pop(number, None)
        if waiting is None:  # given up before
            return
        waiting.on_answer(self._answer(waiting, word))
        self._on_rates(word)

    def _answer(self, waiting: _Waiting, word: Mapping[str, Any]) -> Answer:
        now_ns = time.monotonic_ns()
        try:
            status, error = int(word["status"]), word.get("error") or {}
            code, message = int(error.get("code", 0)), str(error.get("msg", ""))
            outcome = outcome_of(status, code, message)
            if outcome is not Outcome.ACCEPTED:
                return refused_answer(waiting.client_id, status, code, message, waiting.sent_ns, now_ns)
            order = order_of(self._grids[waiting.symbol], word["result"])
            if order.client_id != waiting.client_id:
                raise ValueError(f"the answer speaks of {order.client_id}")
        except MALFORMED as wrong:
            message = f"unreadable answer: {wrong}"
            return Answer(
                Outcome.UNKNOWN, waiting.client_id, message=message, sent_ns=waiting.sent_ns, answered_ns=now_ns
            )
        return Answer(outcome, waiting.client_id, order.venue_id, 0, "", waiting.sent_ns, now_ns, order)
