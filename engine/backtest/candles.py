"""A market made from candles, so that a strategy can be tried where only candles are kept.

What happened within a candle is not known; what is assumed is declared here and in every result.

Each candle becomes ``steps`` points on the path of ``paths.fill_in`` (open, the nearer extreme, the other, close, with
seeded noise inside the candle's range). At each point the book is one bid and one ask around the mid, ``spread``
apart, each showing the candle's volume divided by the points, and one trade of that size in the direction the mid
moved. So a quote is filled when the path comes through it, or its turn in the queue comes: fills show the direction of
a result, never its size, and figures from candles do not compare with figures from recordings.
"""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.backtest.paths import PathError, fill_in, open_text, read_candles
from engine.kernel.codec.frame import FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE
from engine.market.columns import Columns, ColumnsReport

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
_SYMBOL: Final = re.compile(r"([A-Za-z0-9]{2,20})(?:[-_.].*)?")
LOT_E8: Final = 10_000  # volumes are rounded: the lot is not taken for coarser than 0.0001
ROWS: Final = 5  # of a point: new bid, old bid, new ask, old ask, the trade


@dataclass(frozen=True, slots=True)
class CandleModel:
    """``steps`` points a candle; ``spread`` as a fraction of mid, at least one tick; ``seed`` of the way within."""

    steps: int = 12
    spread: float = 0.0001
    seed: int = 1

    def words(self) -> str:
        """What the model assumes, for a report; the spread in basis points."""
        return (
            f"candles: the way within each is assumed ({self.steps} points, spread {self.spread * 1e4:g} bp, "
            f"seed {self.seed}); fills from candles are an indication only"
        )


def is_candles(path: Path) -> bool:
    """By name: ``.csv`` or ``.csv.gz``."""
    return path.name.endswith((".csv", ".csv.gz"))


def candle_columns(path: Path, model: CandleModel) -> Columns:
    """The market of one symbol, named by the file (``ETHUSDT-1m.csv.gz``). Raises PathError naming file and line."""
    if model.steps < 4 or not 0 < model.spread < 0.1:
        raise PathError(f"{path}: candles need at least 4 points each and a spread between 0 and 0.1")
    named = _SYMBOL.fullmatch(path.name.removesuffix(".gz").removesuffix(".csv"))
    if named is None:
        raise PathError(f"{path}: the name does not begin with the symbol (ETHUSDT-1m.csv)")
    times, candles = read_candles(path)
    volumes = _volumes(path, len(times))
    tick_e8, lot_e8 = _size_e8(candles), min(_size_e8(volumes), LOT_E8)
    points_ns, mids = fill_in(times, candles, steps=model.steps, seed=model.seed)
    half = np.maximum(mids * 1e8 * model.spread / 2, tick_e8 / 2)
    bids = np.maximum(np.floor((mids * 1e8 - half) / tick_e8), 1).astype(np.int64)
    asks = np.maximum(np.ceil((mids * 1e8 + half) / tick_e8).astype(np.int64), bids + 1)
    lots = np.maximum(np.repeat(volumes / model.steps * 1e8 / lot_e8, model.steps).round().astype(np.int64), 1)
    sides = np.where(np.diff(mids, prepend=mids[0]) >= 0, 1, -1).astype(np.int8)
    report = ColumnsReport(sources=[str(path)], frames=len(candles), notes=[f"{path}: {model.words()}"])
    return _columns(named[1].upper(), tick_e8, lot_e8, points_ns, bids, asks, lots, sides, report)


def _columns(
    symbol: str,
    tick_e8: int,
    lot_e8: int,
    points_ns: I64,
    bids: I64,
    asks: I64,
    lots: I64,
    sides: npt.NDArray[np.int8],
    report: ColumnsReport,
) -> Columns:
    """A snapshot of the first point, then a diff and a trade of every point."""
    n = len(points_ns)
    before = np.maximum(np.arange(n) - 1, 0)
    gone_bid, gone_ask = bids[before] != bids, asks[before] != asks
    ticks, sizes = np.empty((n, ROWS), np.int64), np.empty((n, ROWS), np.int64)
    side = np.tile(np.array([1, 1, -1, -1, 0], np.int8), (n, 1))
    # the new level before the old one goes: a side that is empty in between costs a search through all its prices
    ticks[:, 0], sizes[:, 0] = bids, lots
    ticks[:, 1], sizes[:, 1] = bids[before], np.where(gone_bid, 0, lots)
    ticks[:, 2], sizes[:, 2] = asks, lots
    ticks[:, 3], sizes[:, 3] = asks[before], np.where(gone_ask, 0, lots)
    ticks[:, 4], sizes[:, 4], side[:, 4] = np.where(sides > 0, asks, bids), lots, sides
    kind = np.concatenate(([FRAME_SNAPSHOT], np.tile(np.array([FRAME_DEPTH, FRAME_TRADE]), n))).astype(np.uint8)
    times = np.concatenate((points_ns[:1], np.repeat(points_ns, 2)))
    counts = np.concatenate(([2], np.tile(np.array([4, 1]), n)))
    ids = np.concatenate(([0], np.repeat(np.arange(1, n + 1), 2)))
    return Columns(
        symbol=symbol,
        tick_e8=tick_e8,
        lot_e8=lot_e8,
        report=report,
        kind=kind,
        exch_ns=times,
        local_ns=times,
        first_id=ids,
        last_id=ids,
        prev_id=ids - 1,
        start=np.concatenate(([0], np.cumsum(counts))),
        exch=np.arange(len(kind)),
        side=np.concatenate((np.array([1, -1], np.int8), side.reshape(-1))),
        ticks=np.concatenate((np.array([bids[0], asks[0]]), ticks.reshape(-1))),
        lots=np.concatenate((np.array([lots[0], lots[0]]), sizes.reshape(-1))),
    )


def _volumes(path: Path, count: int) -> F64:
    """The column volume, base currency; ones where there is none. ``read_candles`` has read the file before."""
    found: list[float] = []
    with open_text(path) as stream:
        reader = csv.DictReader(stream)
        name = next((one for one in reader.fieldnames or () if one.strip().lower() == "volume"), None)
        if name is None:
            return np.ones(count)
        for line, row in enumerate(reader, start=2):
            try:
                found.append(float(row[name]))
            except (TypeError, ValueError):
                raise PathError(f"{path}:{line}: {row[name]!r} is not a volume") from None
            if not (math.isfinite(found[-1]) and found[-1] >= 0):
                raise PathError(f"{path}:{line}: the volume {row[name]} is not a number of at least 0")
    return np.array(found)


def _size_e8(values: F64) -> int:
    """The largest power of ten, at most 1, that divides every value, in 1e-8."""
    units = np.round(values * 1e8).astype(np.int64)
    size = 10**8
    while size > 1 and (units % size).any():
        size //= 10
    return size
