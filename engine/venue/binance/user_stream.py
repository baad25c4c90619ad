"""Binance's user stream: a listen key on futures, a signed subscription over the WebSocket API on spot.

Spot's listen keys are retired, so spot subscribes with ``userDataStream.subscribe.signature`` on a socket of its own.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import orjson

from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.order_texts import OrderWriter
from engine.venue.binance.outcome import SKEWED_CLOCK
from engine.venue.binance.rest import BinanceRest
from engine.venue.clock import ClockOffset
from engine.venue.link import ORDER_TIMES, Link, LinkTimes, Payload
from engine.venue.protocol import VenueError

OnEvent = Callable[[Mapping[str, Any]], None]
KEEPALIVE_S: Final = 1200.0
"""A futures listen key lives an hour; a third of that leaves two more attempts."""
_KEY_GONE: Final = frozenset({-1125})


class UserStream(Protocol):
    """What both markets' user streams are to the gateway."""

    link: Link
    on_skew: Callable[[], None]

    async def close(self) -> None:
        """End the stream."""


class FuturesUserStream:
    """The stream of a listen key, which REST gives and keeps alive every ``keepalive_s`` seconds."""

    def __init__(
        self,
        places: Endpoints,
        rest: BinanceRest,
        on_event: OnEvent,
        on_state: Callable[[bool, str], None],
        keepalive_s: float = KEEPALIVE_S,
        times: LinkTimes = ORDER_TIMES,
    ) -> None:
        self._places, self._rest, self._on_event = places, rest, on_event
        self._keepalive_s = keepalive_s
        self._keeper: asyncio.Task[None] | None = None
        self.on_skew: Callable[[], None] = lambda: None  # REST tells of it by itself
        self.link = Link("user", self._address, self._text, on_state, times)

    async def close(self) -> None:
        """End the stream and its keeper."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        await self.link.close()

    async def _address(self) -> str:
        answer = await self._rest.call("fapiPrivatePostListenKey", urgent=True)
        key = str(answer.get("listenKey") or "")
        if not key:
            raise VenueError("the exchange answered without a listen key")
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="listen-key")
        return self._places.listen(key)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._keepalive_s)
            try:
                await self._rest.call("fapiPrivatePutListenKey", urgent=True)
            except VenueError as refused:
                if refused.code in _KEY_GONE:
                    self.link.drop("the listen key is gone")
                # Anything else: the key has most of its hour left, and the next round asks again.

    def _text(self, payload: Payload, recv_ns: int) -> None:
        event = orjson.loads(payload)
        if event.get("e") == "listenKeyExpired":
            self.link.drop("the listen key expired")
            return
        self._on_event(event)


class SpotUserStream:
    """The user stream by subscription on the WebSocket API, without a listen key."""

    def __init__(
        self,
        places: Endpoints,
        writer: OrderWriter,
        clock: ClockOffset,
        on_event: OnEvent,
        on_state: Callable[[bool, str], None],
        times: LinkTimes = ORDER_TIMES,
    ) -> None:
        self._url = places.orders(Market.SPOT)
        self._writer, self._clock, self._on_event = writer, clock, on_event
        self._subscribed: asyncio.Future[Mapping[str, Any]] | None = None
        self.on_skew: Callable[[], None] = lambda: None
        self.link = Link("user", self._address, self._text, on_state, times, self._subscribe)

    async def close(self) -> None:
        """End the stream."""
        await self.link.close()

    async def _address(self) -> str:
        return self._url

    async def _subscribe(self) -> None:
        self._subscribed = asyncio.get_running_loop().create_future()
        now_ms = int(time.time() * 1000 + self._clock.skew_ms)
        self.link.send_early(self._writer.signed("userDataStream.subscribe.signature", 1, now_ms))
        answer = await self._subscribed
        if answer.get("status") != 200:
            error = answer.get("error") or {}
            if error.get("code") == SKEWED_CLOCK:
                self.on_skew()
            raise VenueError(f"the user stream was refused: {error.get('code')} {error.get('msg')}", known=True)

    def _text(self, payload: Payload, recv_ns: int) -> None:
        word = orjson.loads(payload)
        if "event" not in word:
            if self._subscribed is not None and not self._subscribed.done():
                self._subscribed.set_result(word)
            return
        event = word["event"]
        if event.get("e") == "eventStreamTerminated":
            self.link.drop("the exchange ended the user stream")
            return
        self._on_event(event)
