"""Binance's market data as raw frames: one connection, all symbols, handed on without parsing."""

import copy
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.clock import RecordedClock
from engine.venue.link import Link, LinkTimes, Payload
from engine.venue.live_gateway import OnFrame
from engine.venue.protocol import StreamState

# Depth at the exchange's pace, best prices and trades: what the book needs and what checks it.
STREAMS: Final = {
    Market.SPOT: ("depth@100ms", "bookTicker", "trade"),
    Market.USDM: ("depth@0ms", "bookTicker", "trade"),
}
_HEAD: Final = b'{"stream":"'
_LONGEST_SYMBOL: Final = 40
_NOTICE: Final = b'{"lockstep":'  # a sandbox names the recorded time of the next frame


class BinanceMarketStream:
    """``state`` follows the connection; after every reconnect the book must be synchronised afresh."""

    def __init__(
        self,
        market: Market,
        places: Endpoints,
        symbols: Sequence[str],
        on_frame: OnFrame,
        on_state: Callable[[StreamState], None],
        streams: Sequence[str] | None = None,
        times: LinkTimes | None = None,
        clock: RecordedClock | None = None,
    ) -> None:
        names = [f"{symbol.lower()}@{stream}" for symbol in symbols for stream in streams or STREAMS[market]]
        self._url = places.market_stream(market, names)
        self._on_frame = on_frame
        self._symbols = {symbol.lower().encode(): symbol for symbol in symbols}
        self._clock = clock
        self._first = symbols[0]
        self._usual = _HEAD + symbols[0].lower().encode() + b"@"  # most frames are of the first symbol
        self.link = Link(
            "market",
            self._address,
            self._text,
            lambda up, reason: on_state(StreamState("market", up, reason)),
            times,
        )

    def rehearsed(self, on_frame: OnFrame) -> Callable[[bytes], None]:
        """Plays a made-up frame of the first symbol to ``on_frame`` by the way of real ones; nothing is counted."""
        twin = copy.copy(self)
        twin.link = Link("rehearsal", self._address, twin._text, lambda up, reason: None)
        twin._on_frame = on_frame
        return twin.link.player()

    async def _address(self) -> str:
        return self._url

    def _text(self, payload: Payload, recv_ns: int) -> None:
        if payload[: len(self._usual)] == self._usual and self._clock is None:
            self._on_frame(self._first, payload, recv_ns, self.link.more)
            return
        # Combined frames begin {"stream":"<symbol>@..."; the rest is left to the kernel's parser.
        head = bytes(payload[: len(_HEAD) + _LONGEST_SYMBOL])
        symbol = self._symbols.get(head[len(_HEAD) :].partition(b"@")[0]) if head.startswith(_HEAD) else None
        clock = self._clock
        if symbol is None:
            if clock is not None and head.startswith(_NOTICE):
                clock.now_ns = int(orjson.loads(payload)["lockstep"]["local_ns"])
            return
        if clock is None:
            self._on_frame(symbol, payload, recv_ns, self.link.more)
        else:
            self._on_frame(symbol, payload, clock.now_ns)
