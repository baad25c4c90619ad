"""Building blocks for market data tests: frames as Binance writes them, and recordings of them."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Pairs = Iterable[tuple[str, str]]
START_NS = 1_723_161_255_000_000_000


def text(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def wrapped(stream: str, message: dict[str, Any]) -> bytes:
    return text({"stream": stream, "data": message})


def diff(first: int, last: int, prev: int | None, bids: Pairs = (), asks: Pairs = (), ms: int = 1) -> bytes:
    """A depthUpdate: of futures with ``prev`` (pu), of spot with None."""
    message: dict[str, Any] = {"e": "depthUpdate", "E": 1_723_161_255_000 + ms, "s": "ETHUSDT", "U": first, "u": last}
    if prev is not None:
        message |= {"T": 1_723_161_255_000 + ms, "pu": prev}
    return text(message | {"b": [list(pair) for pair in bids], "a": [list(pair) for pair in asks]})


def snapshot(last: int, bids: Pairs, asks: Pairs) -> bytes:
    return text({"lastUpdateId": last, "bids": [list(pair) for pair in bids], "asks": [list(pair) for pair in asks]})


def ticker(update: int, bid: tuple[str, str], ask: tuple[str, str]) -> bytes:
    """A spot bookTicker, which has no "e"."""
    return text({"u": update, "s": "ETHUSDT", "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]})


def trade(number: int, price: str, quantity: str, *, buyer_is_maker: bool = False, ms: int = 1, **more: Any) -> bytes:
    message = {"e": "trade", "E": 1_723_161_255_000 + ms, "s": "ETHUSDT", "t": number, "p": price, "q": quantity}
    return text(message | {"T": 1_723_161_255_000 + ms, "m": buyer_is_maker} | more)


def lines(frames: Iterable[bytes], start_ns: int = START_NS, step_ns: int = 1_000_000) -> bytes:
    return b"".join(b"%d %s\n" % (start_ns + k * step_ns, frame) for k, frame in enumerate(frames))


def record(path: Path, frames: Iterable[bytes], start_ns: int = START_NS) -> Path:
    """Write frames as a gzip recording, a millisecond apart."""
    path.write_bytes(gzip.compress(lines(frames, start_ns)))
    return path
