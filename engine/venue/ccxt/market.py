"""Any exchange's book and trades, from ccxt.pro, as the frames the kernel reads: Binance's shapes, own sequence.

A full book comes from ccxt; each change of its first ``DEPTH`` levels leaves as a diff whose ids join without a gap,
so the kernel's sequence rules hold here as everywhere.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from engine.venue.ccxt.words import text
from engine.venue.live_gateway import OnFrame
from engine.venue.protocol import StreamState

DEPTH: Final = 100
_RETRY_S: Final = 1.0
Levels = dict[str, str]


class BookFrames:
    """One symbol's book as snapshot and diffs. Pure."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._sides: tuple[Levels, Levels] = ({}, {})
        self._update_id = 0

    def diff(self, bids: list[Any], asks: list[Any], now_ms: int) -> bytes | None:
        """The change to this book as a combined depth frame; None where nothing changed."""
        changes = []
        fresh: list[Levels] = []
        for held, rows in zip(self._sides, (bids, asks), strict=True):
            side = {text(row[0]): text(row[1]) for row in rows[:DEPTH]}
            changed = [[price, size] for price, size in side.items() if held.get(price) != size]
            changed += [[price, "0"] for price in held if price not in side]
            changes.append(changed)
            fresh.append(side)
        if not changes[0] and not changes[1]:
            return None
        self._sides = (fresh[0], fresh[1])
        self._update_id += 1
        body = {
            "e": "depthUpdate",
            "E": now_ms,
            "s": self._symbol,
            "U": self._update_id,
            "u": self._update_id,
            "b": changes[0],
            "a": changes[1],
        }
        return self._wrapped("depth", body)

    def trade(self, number: int, word: Any, now_ms: int) -> bytes:
        """A trade in Binance's words; ``number`` stands for the trade id, which not every exchange gives."""
        body = {
            "e": "trade",
            "E": now_ms,
            "s": self._symbol,
            "t": number,
            "p": text(word["price"]),
            "q": text(word["amount"]),
            "T": int(word.get("timestamp") or now_ms),
            "m": word.get("side") == "sell",
        }
        return self._wrapped("trade", body)

    def snapshot(self) -> bytes:
        """The book after the last diff, as a REST depth answer."""
        bids, asks = ([[price, size] for price, size in side.items()] for side in self._sides)
        return orjson.dumps({"lastUpdateId": self._update_id, "bids": bids, "asks": asks})

    def _wrapped(self, stream: str, body: dict[str, Any]) -> bytes:
        return orjson.dumps({"stream": f"{self._symbol.lower()}@{stream}", "data": body})


class CcxtMarketStream:
    """Follows book and trades of some symbols with one ccxt.pro client; it is its own ``link``."""

    def __init__(
        self,
        client: Any,
        names: dict[str, str],
        on_frame: OnFrame,
        on_state: Callable[[StreamState], None],
        stale_after_s: float = 15.0,
    ) -> None:
        self._client, self._names = client, names  # exchange's id -> ccxt's unified symbol
        self._on_frame, self._on_state = on_frame, on_state
        self._stale_after_s = stale_after_s
        self.books = {symbol: BookFrames(symbol) for symbol in names}
        self._tasks: list[asyncio.Task[None]] = []
        self._last = 0.0
        self._up = False
        self._trades = 0
        self.connects = 0

    @property
    def link(self) -> "CcxtMarketStream":
        """The stream itself: ccxt shows no connection of its own."""
        return self

    @property
    def connected(self) -> bool:
        """Whether a book was read since the last read that failed."""
        return self._up

    @property
    def age_s(self) -> float:
        """Seconds since the last message, infinite before the first."""
        return time.monotonic() - self._last if self._last else float("inf")

    def start(self) -> None:
        """Begin to follow each symbol's book and trades."""
        for symbol in self._names:
            self._tasks.append(asyncio.create_task(self._follow(symbol, self._book_once)))
            self._tasks.append(asyncio.create_task(self._follow(symbol, self._trades_once)))

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def rehearsed(self, on_frame: OnFrame) -> Callable[[bytes], None]:
        """Plays a made-up frame of the first symbol to ``on_frame``."""
        first = next(iter(self._names))
        return lambda payload: on_frame(first, payload, time.time_ns())

    def drop(self, reason: str) -> None:
        """ccxt reconnects by itself; what can be done is to say that the book is not to be trusted."""
        self._set(False, reason)

    async def _follow(self, symbol: str, once: Callable[[str], Any]) -> None:
        while True:
            try:
                async with asyncio.timeout(self._stale_after_s):
                    await once(symbol)
            except TimeoutError:
                if once == self._book_once:  # no trades for a while is normal, no book is not
                    self._set(False, f"no data for {self._stale_after_s:g} s")
            except Exception as failure:  # noqa: BLE001  whatever ccxt raises: the stream is down, told and retried
                self._set(False, type(failure).__name__)
                await asyncio.sleep(_RETRY_S)

    async def _book_once(self, symbol: str) -> None:
        book = await self._client.watch_order_book(self._names[symbol])
        self._set(True, "")
        frame = self.books[symbol].diff(book["bids"], book["asks"], self._now_ms())
        if frame is not None:
            self._on_frame(symbol, frame, time.time_ns())

    async def _trades_once(self, symbol: str) -> None:
        for word in await self._client.watch_trades(self._names[symbol]):
            self._trades += 1
            self._on_frame(symbol, self.books[symbol].trade(self._trades, word, self._now_ms()), time.time_ns())

    def _now_ms(self) -> int:
        self._last = time.monotonic()
        return time.time_ns() // 1_000_000

    def _set(self, up: bool, reason: str) -> None:
        if up != self._up:
            self._up = up
            self.connects += up
            self._on_state(StreamState("market", up, reason))
