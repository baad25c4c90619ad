"""Connections of one market: frames to tapes, and a connection renewed before the exchange ends it.

Binance ends every connection after 24 hours. An hour earlier a second one is opened beside it; while both bring the
same frames each is written once, by its ids; then the older one is closed. So nothing is missing.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.recorder.tape import PairTape
from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.market_stream import BinanceMarketStream
from engine.venue.link import LinkTimes, Payload
from engine.venue.protocol import StreamState

log = logging.getLogger("recorder")

SYMBOLS: Final = 50  # of one connection: the exchange allows 1024 streams, and its address has a length
RENEW_S: Final = 23 * 3600.0
OVERLAP_S: Final = 5.0
CONNECT_S: Final = 60.0  # so long a second connection is waited for before it is tried again later
AGAIN_S: Final = 300.0
Stamp = Callable[[int], int]


class MarketFeed:
    """Up to ``SYMBOLS`` symbols of one market over one connection, and for seconds a day over two."""

    def __init__(
        self,
        market: Market,
        places: Endpoints,
        tapes: Mapping[str, PairTape],
        times: LinkTimes,
        *,
        renew_s: float = RENEW_S,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self._market, self._places, self._tapes, self._times = market, places, dict(tapes), times
        self._renew_s, self._overlap_s = renew_s, overlap_s
        self._streams: list[BinanceMarketStream] = []
        self._task: asyncio.Task[None] | None = None
        self.renewals = 0
        self.reconnects = 0

    @property
    def connected(self) -> bool:
        """Whether frames can come now."""
        return any(stream.link.connected for stream in self._streams)

    def start(self) -> None:
        """Connect, and stay so."""
        self._open()
        self._task = asyncio.create_task(self._renew(), name=f"renew-{self._market.value}")

    async def close(self) -> None:
        """End the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for stream in list(self._streams):
            await self._shut(stream)

    def _open(self) -> BinanceMarketStream:
        stream = BinanceMarketStream(
            self._market,
            self._places,
            list(self._tapes),
            self._frame,
            lambda state: self._told(state),
            None,
            self._times,
        )
        self._streams.append(stream)
        stream.link.start()
        return stream

    async def _shut(self, stream: BinanceMarketStream) -> None:
        self._streams.remove(stream)  # first: its end is ours and no loss
        with contextlib.suppress(Exception):
            await stream.link.close()

    def _frame(self, symbol: str, payload: Payload, recv_ns: int, more: bool = False) -> None:
        self._tapes[symbol].frame(payload, recv_ns, twice=len(self._streams) > 1)

    def _told(self, state: StreamState) -> None:
        if state.connected:
            log.info("connected: %s, %d symbols", self._market.value, len(self._tapes))
        elif self._streams and not self.connected:
            self.reconnects += 1
            log.warning("the connection of %s was lost: %s", self._market.value, state.reason)
            for tape in self._tapes.values():
                tape.broken("connection")

    async def _renew(self) -> None:
        wait_s = self._renew_s
        while True:
            await asyncio.sleep(wait_s)
            wait_s = self._renew_s if await self._renewed() else min(AGAIN_S, self._renew_s)

    async def _renewed(self) -> bool:
        """Whether a fresh connection has taken over."""
        old, fresh = self._streams[0], self._open()
        begun = time.monotonic()
        if not await fresh.link.wait_connected(CONNECT_S):
            await self._shut(fresh)
            log.warning("a second connection of %s did not come up; trying again", self._market.value)
            return False
        await asyncio.sleep(self._overlap_s)
        if not fresh.link.connected:
            await self._shut(fresh)
            return False
        await self._shut(old)
        self.renewals += 1
        log.info("the connection of %s was renewed in %.1f s", self._market.value, time.monotonic() - begun)
        return True


def feeds(
    market: Market,
    places: Endpoints,
    tapes: Sequence[PairTape],
    times: LinkTimes,
    *,
    renew_s: float = RENEW_S,
    overlap_s: float = OVERLAP_S,
) -> list[MarketFeed]:
    """As many connections as the symbols need."""
    parts = [tapes[at : at + SYMBOLS] for at in range(0, len(tapes), SYMBOLS)]
    named = [{tape.instrument.symbol: tape for tape in part} for part in parts]
    return [MarketFeed(market, places, part, times, renew_s=renew_s, overlap_s=overlap_s) for part in named]
