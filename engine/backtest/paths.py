"""Price paths for breaker episodes: candles filled in, recordings sampled, and seeded jumps.

A candle tells open, high, low and close but not the way between. The way filled in visits the extremes in the order
that needs the shorter path (open, the nearer extreme, the other, close) with a seeded Brownian bridge around each
leg, kept within the candle's range. Figures from candles therefore show the breaker's behaviour, not a fill-by-fill
result.
"""

import csv
import gzip
import io
import itertools
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.codec.frame import FRAME_BBO
from engine.market.columns import Columns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NS: Final = 1_000_000_000
FIELDS: Final = ("open", "high", "low", "close")


class PathError(ValueError):
    """A file cannot be used as a price path; the message names file, line and cause."""


@dataclass(frozen=True, slots=True)
class PricePath:
    """Times in ns since 1970 UTC, ascending, and the mid at each, quote currency."""

    name: str
    times_ns: Ints
    mids: Floats
    calm: bool  # nothing happens in it: a trip here is a false one


def read_candles(file: Path, start: datetime | None = None, end: datetime | None = None) -> tuple[Ints, Floats]:
    """Open times (ns) and an array of shape (n, 4) of open, high, low, close, from a CSV (``.gz`` too) with a header.

    Raises PathError for a missing column, a time out of order, a price that is not a positive number, a high below
    the low, or an empty window.
    """
    times: list[int] = []
    rows: list[list[float]] = []
    try:
        with open_text(file) as stream:
            reader = csv.DictReader(stream)
            names = {name.strip().lower(): name for name in reader.fieldnames or ()}
            at = names.get("date") or names.get("time") or names.get("timestamp")
            if at is None or any(field not in names for field in FIELDS):
                have = ", ".join(names) or "none"
                raise PathError(f"{file}:1: needs the columns date, {', '.join(FIELDS)}; it has {have}")
            for line, row in enumerate(reader, start=2):
                when = _time(file, line, row[at])
                if (start and when < start) or (end and when >= end):
                    continue
                ns = round(when.timestamp()) * NS
                if times and ns <= times[-1]:
                    raise PathError(f"{file}:{line}: {row[at]} does not come after the line before it")
                times.append(ns)
                rows.append(_prices(file, line, [row[names[field]] for field in FIELDS]))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PathError(f"{file}: {error}") from error
    if len(rows) < 2:
        raise PathError(f"{file}: {len(rows)} candles in the window; at least 2 are needed")
    return np.array(times, np.int64), np.array(rows, np.float64)


def open_text(file: Path) -> io.TextIOBase:
    """A CSV file as text, ``.gz`` too."""
    return io.TextIOWrapper(gzip.open(file) if file.suffix == ".gz" else file.open("rb"), "utf-8")


def _time(file: Path, line: int, text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise PathError(f"{file}:{line}: {text!r} is not a time (2024-08-05 01:10:00+00:00)") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _prices(file: Path, line: int, texts: list[str]) -> list[float]:
    try:
        prices = [float(text) for text in texts]
    except (TypeError, ValueError):
        raise PathError(f"{file}:{line}: {texts} are not four prices") from None
    o, h, low, c = prices
    if not all(math.isfinite(price) and price > 0 for price in prices):
        raise PathError(f"{file}:{line}: {texts}: a price is not a positive number")
    if h < max(o, c, low) or low > min(o, c):
        raise PathError(f"{file}:{line}: high {h} and low {low} do not hold open {o} and close {c}")
    return prices


def fill_in(times_ns: Ints, candles: Floats, *, steps: int, seed: int) -> tuple[Ints, Floats]:
    """Times and mids of ``steps`` points a candle; see the module for the way between the four prices."""
    rng = np.random.default_rng(seed)
    length = int(np.min(np.diff(times_ns)))
    out = np.empty((len(candles), steps))
    third = [0, steps // 3, 2 * steps // 3, steps - 1]
    for i, (o, h, low, c) in enumerate(candles):
        first, second = (low, h) if o - low <= h - o else (h, low)
        way = np.interp(np.arange(steps), third, [o, first, second, c])
        noise = np.cumsum(rng.normal(0.0, (h - low) / (4 * math.sqrt(steps)), steps))
        for a, b in itertools.pairwise(third):
            leg = slice(a, b + 1)
            bridge = noise[leg] - np.linspace(noise[a], noise[b], b - a + 1)
            out[i, leg] = np.clip(way[leg] + bridge, low, h)
    offsets = (np.arange(steps) * (length // steps)).astype(np.int64)
    return (times_ns[:, None] + offsets).reshape(-1), out.reshape(-1)


def from_columns(columns: Columns) -> tuple[Ints, Floats]:
    """Receive times and mids of a recording's bookTicker messages, quote currency, at most one each 10 ms."""
    bbo = np.flatnonzero(columns.kind == FRAME_BBO)
    if bbo.size < 2:
        raise PathError(f"{columns.symbol}: the recording holds no bookTicker frames")
    rows = columns.start[bbo]
    mids = (columns.ticks[rows] + columns.ticks[rows + 1]) / 2 * (columns.tick_e8 / 1e8)
    times = columns.local_ns[bbo]
    keep = np.concatenate(([True], np.diff(times // 10_000_000) > 0))
    return times[keep], mids[keep]


def jump(*, seed: int, size: float, minutes: int = 30, sigma_s: float = 0.00008) -> tuple[Ints, Floats]:
    """A quiet geometric Brownian path from 2500, 10 points a second, whose middle holds a fall of ``size`` within 2 s.

    ``size`` is a fraction (0 = no jump); ``sigma_s`` is the relative volatility per square root of a second.
    """
    rng = np.random.default_rng(seed)
    n = minutes * 600
    steps = rng.normal(0.0, sigma_s / math.sqrt(10), n)
    steps[n // 2 : n // 2 + 20] += math.log1p(-size) / 20
    times = np.arange(n, dtype=np.int64) * (NS // 10) + 1_700_000_000 * NS
    return times, 2500.0 * np.exp(np.cumsum(steps))
