"""Depth frames to an order book: ours from bytes in one kernel call, ccxt.pro's own decoder and handler beside it.

Both get the same frames of one recording, as bytes, and both keep a whole book by Binance's rules. Ours: the live
engine's ``take_frame``, which also puts the touch where a decision reads it, the Python call included. Theirs: the
JSON decoder ccxt's own client uses, then ``binance.handle_order_book``; what lies between (sockets, dispatch by event
name, waking futures) is left out for both. Only depth frames are timed. At the end both books must have the same best
prices and sizes.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import by_turns, compare, recording
from engine.kernel.book.feed import FeedSizes, views
from engine.kernel.book.order_book import LIVE, best
from engine.kernel.codec.parse import as_frame
from engine.kernel.symbol import new_symbol
from engine.kernel.tick import FOUND_STATE, take_frame
from engine.market.convert import Sizes, read_recordings
from engine.market.recording import frames


class Frames:
    """One recording split into its snapshot and the depth frames, in the order received."""

    def __init__(self, path: Path) -> None:
        lines = list(frames(path))
        self.depth = [(ns, frame) for ns, frame in lines if b'"depthUpdate"' in frame]
        self.snapshots = [(ns, frame) for ns, frame in lines if b'"lastUpdateId"' in frame]
        loaded = read_recordings([path])
        self.sizes, self.symbol = loaded.sizes, loaded.symbol
        if not self.snapshots:
            raise SystemExit(f"{path}: no depth snapshot in the recording")

    def levels(self) -> float:
        """Mean number of levels in a depth frame."""
        return sum(frame.count(b'","') for _, frame in self.depth) / len(self.depth)


def ours(data: Frames, sizes: Sizes) -> tuple[float, tuple[float, ...]]:
    """(seconds for all depth frames, the best prices and sizes at the end)."""
    memory = new_symbol(sizes.tick_e8, sizes.lot_e8, FeedSizes())
    block = memory.block
    after, snapshot = data.snapshots[0]
    early = [item for item in data.depth if item[0] <= after]
    late = data.depth[len(early) :]
    start = time.perf_counter()
    for local_ns, frame in early:
        take_frame(as_frame(frame), local_ns, block)
    waited = time.perf_counter() - start
    found = take_frame(as_frame(snapshot), after, block)
    start = time.perf_counter()
    for local_ns, frame in late:
        found = take_frame(as_frame(frame), local_ns, block)
    elapsed = waited + time.perf_counter() - start
    if found & FOUND_STATE != LIVE:
        raise SystemExit("the book did not stay live over the recording")
    bid, bid_lots, ask, ask_lots = (int(value) for value in best(views(memory.book_block)[0]))
    tick, lot = sizes.tick_e8 / 1e8, sizes.lot_e8 / 1e8
    return elapsed, (bid * tick, bid_lots * lot, ask * tick, ask_lots * lot)


class _Client:
    """What ``handle_order_book`` touches of ccxt's WebSocket client; waking waiters costs nothing here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: Any, message_hash: str) -> None:
        """Nobody waits."""

    def reject(self, error: BaseException, message_hash: str) -> None:
        raise error


class Peer:
    """ccxt.pro's Binance class with one market and no network."""

    def __init__(self, symbol: str, futures: bool) -> None:
        import ccxt.pro
        from ccxt.async_support.base.ws import client as ccxt_client

        self.exchange = ccxt.pro.binance({"newUpdates": True})
        self.decode = getattr(ccxt_client, "json", None) or __import__("json")
        base, quote = symbol[:3], symbol[3:].split("_")[0]
        kind = "swap" if futures else "spot"
        self.symbol = f"{base}/{quote}" + (":SETTLE" if futures else "")
        market = {"id": symbol, "symbol": self.symbol, "base": base, "quote": quote, "type": kind}
        flags = {"spot": not futures, "swap": futures, "contract": futures, "precision": {}, "limits": {}}
        self.exchange.set_markets([{**market, **flags}])
        self.client = _Client("wss://fstream.binance.com/ws" if futures else "wss://stream.binance.com:9443/ws")

    def run(self, data: Frames) -> tuple[float, tuple[float, ...]]:
        loads, handle = self.decode.loads, self.exchange.handle_order_book
        after, body = data.snapshots[0]
        book = self.exchange.order_book({}, 1000)
        self.exchange.orderbooks[self.symbol] = book
        early = [frame for ns, frame in data.depth if ns <= after]
        late = [frame for ns, frame in data.depth if ns > after]
        start = time.perf_counter()
        for frame in early:
            message = loads(frame)
            handle(self.client, message.get("data", message))
        waited = time.perf_counter() - start
        self._join(book, loads(body))
        start = time.perf_counter()
        for frame in late:
            message = loads(frame)
            handle(self.client, message.get("data", message))
        elapsed = waited + time.perf_counter() - start
        book.limit()
        bid, ask = book["bids"][0], book["asks"][0]
        return elapsed, (bid[0], bid[1], ask[0], ask[1])

    def _join(self, book: Any, snapshot: dict[str, Any]) -> None:
        """What its fetch_order_book_snapshot does with the answer: reset, then the cached diffs by their ids."""
        parsed = self.exchange.parse_order_book(snapshot, self.symbol)
        parsed["nonce"] = snapshot["lastUpdateId"]
        book.reset(parsed)
        for message in book.cache:
            first, last, prev = message["U"], message["u"], message.get("pu")
            known = book["nonce"]
            joined = first <= known <= last or prev == known if prev is not None else first - 1 <= known < last
            if joined:
                self.exchange.handle_order_book_message(self.client, message, book)
        book.cache = []


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks feed", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", default=None, help="recordings; default usdm-ethusdt.gz")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args(argv)
    paths = args.data or [recording("usdm-ethusdt.gz")]
    parts = [_one(path, args.runs) for path in paths]
    if len(parts) == 1:
        return parts[0]
    worst: dict[str, Any] = min(parts, key=lambda part: float(part["ratio"]))
    return {**worst, "recordings": parts}


def _one(path: Path, runs: int) -> dict[str, Any]:
    data = Frames(path)
    peer = Peer(data.symbol, futures=b'"pu"' in data.depth[0][1])
    ends: list[tuple[float, ...]] = []

    def mine() -> float:
        elapsed, end = ours(data, data.sizes)
        ends.append(end)
        return elapsed / len(data.depth) * 1e6

    def theirs() -> float:
        elapsed, end = peer.run(data)
        ends.append(end)
        return elapsed / len(data.depth) * 1e6

    mine()  # compiles, or loads what was compiled
    figures = by_turns(mine, theirs, runs)
    equal = all(abs(a - b) <= 1e-9 * max(abs(a), 1.0) for end in ends for a, b in zip(end, ends[0], strict=True))
    return compare(
        "feed",
        "ccxt.pro binance.handle_order_book",
        "us per depth message",
        *figures,
        recording=path.name,
        depth_messages=len(data.depth),
        levels_per_message=round(data.levels(), 1),
        books_equal=equal,
    )
