"""From columns to a tape: what the simulation needs of a recording, in the order and shape it runs through it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from engine.backtest.candles import CandleModel, candle_columns, is_candles
from engine.backtest.paths import PathError
from engine.kernel.codec.frame import FRAME_AGG_TRADE, FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE
from engine.kernel.sim.lane import TAPE_DEPTH, TAPE_SNAPSHOT, TAPE_TRADE, Tape
from engine.market.columns import Columns, ColumnsError, open_columns
from engine.market.recording import RecordingError

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

COLUMN_MAGIC: Final = b"MMCOLUMN"


class TapeError(Exception):
    """The data cannot be backtested on; the message names the file and why."""


def read_columns(path: Path, candles: CandleModel | None = None, *, skip_bad: bool = False) -> Columns:
    """A column file or a recording, told apart by its first bytes, or candles (``.csv``).

    Raises TapeError naming file, line and cause; for lines that cannot be read (a price that is no number or not
    positive, a frame that is none) unless ``skip_bad`` leaves them out and tells them.
    """
    columns = _read(path, candles)
    unreadable = columns.report.unreadable()
    if unreadable and not skip_bad:
        raise TapeError(f"{unreadable}; --skip-bad-lines leaves them out")
    return columns


def _read(path: Path, candles: CandleModel | None) -> Columns:
    try:
        if is_candles(path):
            return candle_columns(path, candles or CandleModel())
        with path.open("rb") as file:
            magic = file.read(len(COLUMN_MAGIC))
        if magic == COLUMN_MAGIC:
            return open_columns(path)
        from engine.market.convert import load  # the parser and its compiled code, which a column file does not need

        return load([path])
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror or error}") from error
    except (ColumnsError, RecordingError, PathError) as error:
        raise TapeError(str(error)) from error


def read_tapes(
    paths: Sequence[Path], candles: CandleModel | None = None, *, skip_bad: bool = False
) -> list[tuple[Columns, Tape]]:
    """The columns and the tape of each file. Raises TapeError, also when two files are of one symbol."""
    if not paths:
        raise TapeError("no data: name at least one recording")
    found: dict[str, Path] = {}
    tapes = []
    for path in paths:
        columns = read_columns(path, candles, skip_bad=skip_bad)
        if columns.symbol in found:
            raise TapeError(f"{path}: {columns.symbol} is already in {found[columns.symbol]}; give one file a symbol")
        found[columns.symbol] = path
        tapes.append((columns, tape_of(columns, str(path))))
    return tapes


def symbols_in(paths: Sequence[Path]) -> list[str]:
    """The symbol of each file. Raises TapeError."""
    return [read_columns(path, skip_bad=True).symbol for path in paths]


def tape_of(columns: Columns, name: str) -> Tape:
    """The tape of one symbol. Raises TapeError without depth or without a snapshot."""
    trades = FRAME_TRADE if (columns.kind == FRAME_TRADE).any() else FRAME_AGG_TRADE
    keep = (columns.kind == FRAME_DEPTH) | (columns.kind == FRAME_SNAPSHOT) | (columns.kind == trades)
    if not (columns.kind == FRAME_SNAPSHOT).any():
        raise TapeError(f"{name}: no depth snapshot, so the book cannot be known")
    if not (columns.kind == FRAME_DEPTH).any():
        raise TapeError(f"{name}: no depth messages")
    kept = np.flatnonzero(keep)
    counts = np.diff(columns.start)
    rows = np.repeat(keep, counts)
    is_trade = np.repeat((columns.kind == trades)[kept], counts[kept])
    ticks, side = columns.ticks[rows], columns.side[rows].astype(np.int64)
    if (ticks <= 0).any():
        raise TapeError(f"{name}: a price that is not positive")
    number = np.cumsum(keep) - 1
    kind = np.full(len(kept), TAPE_DEPTH, np.uint8)
    kind[columns.kind[kept] == FRAME_SNAPSHOT] = TAPE_SNAPSHOT
    kind[columns.kind[kept] == trades] = TAPE_TRADE
    live = np.zeros(len(kept), np.uint8)
    _sequence(kind, columns.first_id[kept], columns.last_id[kept], columns.prev_id[kept], live)
    return Tape(
        kind=kind,
        live=live,
        exch_ns=np.array(columns.exch_ns[kept]),
        local_ns=np.array(columns.local_ns[kept]),
        start=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[kept]))).astype(np.int64),
        order=np.ascontiguousarray(number[columns.exch[keep[columns.exch]]], np.int64),
        key=np.where(is_trade, -side, side) * ticks,
        lots=np.array(columns.lots[rows]),
    )


@njit(cache=True)
def _sequence(kind: U8, first_id: I64, last_id: I64, prev_id: I64, live: U8) -> None:
    """Mark the messages after which a book kept by Binance's rules is LIVE: from the first diff that joins a snapshot
    to the next gap.
    """
    synced, joined, last = False, False, -1
    for at in range(kind.shape[0]):
        if kind[at] == TAPE_SNAPSHOT:
            synced = True
            last = max(last, last_id[at])
        elif kind[at] == TAPE_DEPTH:
            follows = prev_id[at] == last if prev_id[at] >= 0 else first_id[at] <= last + 1
            covers = first_id[at] <= last + 1 and last_id[at] >= last  # the first diff after a snapshot
            if synced and last_id[at] > last:
                synced = joined = follows or covers
            last = max(last, last_id[at])
        live[at] = 1 if joined else 0
