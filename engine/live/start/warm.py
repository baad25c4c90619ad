"""Compiling ahead: every kernel specialisation the tick path uses, run once on made-up data, cached on disk.

``python -m engine.live.start.warm PID`` compiles the parser alone: a cold start (the process PID) runs it beside
itself, so that the two halves of the kernel are compiled at the same time.
"""

import asyncio
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.isolation.parent import ends_with
from engine.kernel.account.pnl import book_fill, mark_to_market, mean_markouts, new_pnl
from engine.kernel.book.feed import new_block, views
from engine.kernel.book.sync import feed as feed_book
from engine.kernel.book.sync import forget, want_refresh
from engine.kernel.codec.frame import FRAME_BAD, new_head, new_levels
from engine.kernel.codec.hashing import PADS, SCRATCH, absorb_pads
from engine.kernel.codec.parse import as_frame, parse_frame
from engine.kernel.quoting.actions import settle
from engine.kernel.symbol import new_symbol
from engine.live.tick.feed import Feed
from engine.trade import Instrument, Market

if TYPE_CHECKING:
    from engine.strategy.parameters import Strategy

_SNAPSHOT: Final = b'{"lastUpdateId":10,"bids":[["99.99","1.000"]],"asks":[["100.01","1.000"]]}'
_DIFF: Final = b'{"e":"depthUpdate","E":1,"s":"%s","U":11,"u":12,"b":[["99.99","2.000"]],"a":[]}'
_TRADE: Final = b'{"e":"trade","E":2,"s":"%s","t":1,"p":"100.00","q":"1.000","T":2,"m":true}'
HELPER_S: Final = 120.0


def warm(strategy: "Strategy", symbol: str) -> float:
    """Load or compile everything a tick runs through. Returns the seconds it took."""
    started = time.perf_counter()
    helper = _helper() if _is_cold() else None
    made = new_symbol()
    made.params[:], made.view[:4] = 1.0, (9999, 1, 10001, 1)
    code = strategy.quote(1, made.view, made.signals, made.params, made.out)
    settle(code, 1, made.view, made.out, made.limits, made.rules, made.work, 0, made.actions)
    absorb_pads(np.zeros(128, np.uint8), np.zeros(PADS + SCRATCH, np.int64))
    marks = new_pnl()
    book_fill(marks, 1, 1, 9999, 1, 0)
    mark_to_market(marks, 2, 20_000)
    mean_markouts(marks)
    if helper is not None:
        _compile_book()
        _wait(helper)
    name = symbol.encode()
    states: list[int] = []
    feed = Feed(_made_up(symbol), _no_snapshot, lambda ns: None, lambda before, after: states.append(after), 1)
    feed.memory.estimate(60.0, 300.0)
    for frame in (_SNAPSHOT, _DIFF % name, _TRADE % name):
        feed.on_frame(frame, 1)
    feed.is_snapshot(_SNAPSHOT)
    want_refresh(feed.sync)
    forget(feed.sync)
    return time.perf_counter() - started


async def compile_ahead(config: Path, env_file: Path | None) -> None:
    """Where nothing is compiled yet: let a process of its own do it, for at most ``HELPER_S``, and wait.

    Compiling in this process would keep its event loop from turning for seconds, and answers that have arrived would
    count as missing. What the other process did not finish is compiled by ``warm``. Killed, this one takes it along.
    """
    if not _is_cold():
        return
    command = [sys.executable, "-P", "-m", "engine", "warm", "--parent", str(os.getpid()), "--config", str(config)]
    command += ["--env-file", str(env_file)] if env_file is not None else []
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return
    try:
        async with asyncio.timeout(HELPER_S):
            await child.wait()
    except TimeoutError:
        return
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _is_cold() -> bool:
    """Whether the cache knows no parser; where no folder is set, that is not worth finding out."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return bool(folder) and not any(Path(str(folder)).glob("*/parse.parse_frame-*.nbi"))


def _helper() -> "subprocess.Popen[bytes] | None":
    try:
        return subprocess.Popen([sys.executable, "-P", "-m", __name__, str(os.getpid())], stdin=subprocess.DEVNULL)
    except OSError:
        return None


def _wait(helper: "subprocess.Popen[bytes]") -> None:
    """Until the parser is in the cache. Without it (killed, no memory) it is compiled here, only later."""
    try:
        helper.wait(HELPER_S)
    except subprocess.TimeoutExpired:
        helper.kill()
        helper.wait()


def compile_parser() -> None:
    """The parser as the tick path calls it."""
    parse_frame(as_frame(b"{}"), 2, 1, 1, new_head(), new_levels(1))


def _compile_book() -> None:
    """The book as the tick path calls it."""
    book, sync, head, levels = views(new_block(window_bits=6, far_bits=4, frames=2, rows=8, levels=8))
    feed_book(book, sync, FRAME_BAD, head, levels)


def _made_up(symbol: str) -> Instrument:
    small = Decimal("0.01")
    return Instrument(symbol, Market.SPOT, "A", "B", small, Decimal("0.001"), 1, 10**9, small, 1, 10**9, 10)


async def _no_snapshot(symbol: str) -> bytes:
    return _SNAPSHOT


if __name__ == "__main__" and ends_with(int(sys.argv[1])):
    compile_parser()
