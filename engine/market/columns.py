"""Recorded market data as typed, memory-mapped columns: the file the simulator and the backtester read.

One file holds one symbol's recording. Layout, little endian:

``bytes 0-7``    magic ``MMCOLUMN``
``bytes 8-11``   uint32 format version (``VERSION``)
``bytes 12-15``  uint32 length of the JSON header that follows at byte 20
``bytes 16-19``  uint32 CRC-32 of the JSON header
``JSON header``  ``size`` (length of the whole file), ``symbol``, ``tick_e8``, ``lot_e8``, ``report``, and ``columns``:
                 name -> [dtype, offset, count, CRC-32]; every column starts at a multiple of 64 bytes, and what lies
                 between two of them is zero

Every byte is covered: a file that was cut, changed or written half is refused, and so is version 1, which had no sums.

A *message* is one frame as received; its *rows* are the levels it carries. Messages are stored in the order in which
the local side sees them (``local_ns``, ties in file order), so the local order is the file order:

======== ======== =============================================================================================
column   dtype    meaning
======== ======== =============================================================================================
kind     uint8    FRAME_DEPTH, FRAME_SNAPSHOT, FRAME_TRADE, FRAME_AGG_TRADE or FRAME_BBO of
``engine.kernel.codec.parse`` exch_ns  int64    exchange's transaction time (event time where the stream has no other;
for a stream with no time
                  at all, spot bookTicker, the corrected local time)
local_ns int64    receive time after clock correction; never before ``exch_ns``
first_id int64    U of a diff, lastUpdateId of a snapshot, trade id of a trade, u of a bookTicker
last_id  int64    u of a diff, otherwise as ``first_id``
prev_id  int64    pu of a futures diff, -1 where the exchange sends none
start    int64    messages + 1 long: rows of message m are ``start[m]:start[m + 1]``
exch     int64    message numbers in exchange order (``exch_ns``, ties in file order)
side     int8     per row: +1 bid or buyer was the taker, -1 ask or seller was the taker
ticks    int64    per row: price
lots     int64    per row: quantity, 0 removes the level
======== ======== =============================================================================================

Rows of a diff and of a snapshot: bids as sent, then asks as sent. A snapshot means: per side, clear every level from
the touch up to the price of its last row of that side, then insert its rows. A bookTicker has two rows, bid then ask.
Trades outside the book (insurance fund, ADL) are left out and counted.
"""

import json
import mmap
import re
import struct
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from engine.market.recording import LAST_LINE_CUT

MAGIC: Final = b"MMCOLUMN"
VERSION: Final = 2
PREFIX: Final = struct.Struct("<8sIII")
MOST_HEADER: Final = 16 * 1024 * 1024  # bytes; the notes of a conversion are a few hundred lines
_AGAIN: Final = "convert the recording again: mmctl record convert RECORDING --out FILE"
ALIGN: Final = 64
MESSAGE_COLUMNS: Final = {
    "kind": "|u1",
    "exch_ns": "<i8",
    "local_ns": "<i8",
    "first_id": "<i8",
    "last_id": "<i8",
    "prev_id": "<i8",
    "start": "<i8",
    "exch": "<i8",
}
ROW_COLUMNS: Final = {"side": "|i1", "ticks": "<i8", "lots": "<i8"}


class ColumnsError(Exception):
    """The file is not a usable column file; the message names it and why."""


@dataclass(frozen=True, slots=True)
class ColumnsReport:
    """What was found and corrected while converting. Times in nanoseconds."""

    sources: list[str] = field(default_factory=list)
    frames: int = 0
    messages: int = 0
    rows: int = 0
    gaps: int = 0
    crossed: int = 0
    off_book_trades: int = 0
    other_frames: int = 0
    bad_lines: int = 0
    reordered: int = 0
    truncated: bool = False
    clock_shift_ns: int = 0  # added to every receive time so that no message arrives before it was sent
    notes: list[str] = field(default_factory=list)  # "file:line: cause" of the first bad lines and of a cut

    def unreadable(self) -> str | None:
        """The first line that cannot be read, by file, line and cause, and how many there are; None without one."""
        if not self.bad_lines:
            return None
        lines = re.compile("|".join(re.escape(file) + r":\d+: " for file in self.sources))
        named = (note for note in self.notes if lines.match(note) and not note.endswith(LAST_LINE_CUT))
        first = next(named, f"{', '.join(self.sources)}: a bad line")
        return f"{first} ({self.bad_lines} such lines)" if self.bad_lines > 1 else first


@dataclass(frozen=True, slots=True)
class Columns:
    """An open column file (or the same arrays in memory). Arrays are read-only views; see the module's table."""

    symbol: str
    tick_e8: int
    lot_e8: int
    report: ColumnsReport
    kind: NDArray[np.uint8]
    exch_ns: NDArray[np.int64]
    local_ns: NDArray[np.int64]
    first_id: NDArray[np.int64]
    last_id: NDArray[np.int64]
    prev_id: NDArray[np.int64]
    start: NDArray[np.int64]
    exch: NDArray[np.int64]
    side: NDArray[np.int8]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)


def save(columns: Columns, path: Path) -> None:
    """Write ``columns`` to ``path`` atomically: a reader finds the whole file or the one before it."""
    arrays = {
        name: np.ascontiguousarray(getattr(columns, name), dtype=dtype)
        for name, dtype in (MESSAGE_COLUMNS | ROW_COLUMNS).items()
    }
    table: dict[str, list[Any]] = {}
    header: dict[str, Any] = {
        "size": 0,
        "symbol": columns.symbol,
        "tick_e8": columns.tick_e8,
        "lot_e8": columns.lot_e8,
        "report": asdict(columns.report),
        "columns": table,
    }
    room = len(json.dumps(header).encode()) + 112 * len(arrays) + 32
    offset = _aligned(PREFIX.size + room)
    for name, array in arrays.items():
        table[name] = [array.dtype.str, offset, len(array), zlib.crc32(array.data)]
        offset = _aligned(offset + array.nbytes)
    header["size"] = offset
    text = json.dumps(header).encode().ljust(room)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as out:
        out.write(PREFIX.pack(MAGIC, VERSION, len(text), zlib.crc32(text)) + text)
        for name, array in arrays.items():
            out.seek(table[name][1])
            out.write(array.tobytes())
        out.truncate(offset)
    partial.replace(path)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGN) * ALIGN


def open_columns(path: Path) -> Columns:
    """Map ``path`` read-only, every byte proved by its sum.

    Raises ColumnsError for a file of another kind or version, one cut short, and one that is not as it was written.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header, end = _header(path, file, size)
            if header["size"] != size:
                raise ColumnsError(f"{path}: {size} bytes where the header says {header['size']}: the file was cut")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ColumnsError(f"{path}: {error.strerror or error}") from error
    arrays = {}
    for name, dtype in _WANTED.items():
        arrays[name], end = _column(path, header, name, dtype, mapped, end)
    if any(mapped[end:]):
        raise ColumnsError(f"{path}: bytes behind the last column; {_AGAIN}")
    _check_lengths(path, arrays)
    _check_values(path, arrays)
    return Columns(
        symbol=str(header["symbol"]),
        tick_e8=int(header["tick_e8"]),
        lot_e8=int(header["lot_e8"]),
        report=ColumnsReport(**header["report"]),
        **arrays,
    )


_WANTED: Final = MESSAGE_COLUMNS | ROW_COLUMNS


def _header(path: Path, file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where it ends."""
    prefix = file.read(PREFIX.size)
    if len(prefix) < 12 or prefix[:8] != MAGIC:
        raise ColumnsError(f"{path}: not a column file; {_AGAIN}")
    version = int.from_bytes(prefix[8:12], "little")
    if version != VERSION:
        other = "written in the other byte order" if prefix[8:12] == VERSION.to_bytes(4, "big") else ""
        told = other or f"format version {version}, this program reads {VERSION}"
        raise ColumnsError(f"{path}: {told}; {_AGAIN}")
    if len(prefix) < PREFIX.size:
        raise ColumnsError(f"{path}: the file was cut within its header; {_AGAIN}")
    _, _, length, wanted = PREFIX.unpack(prefix)
    if length > min(size - PREFIX.size, MOST_HEADER):
        raise ColumnsError(f"{path}: a header of {length} bytes in a file of {size}: the file was cut, or damaged")
    text = file.read(length)
    if zlib.crc32(text) != wanted:
        raise ColumnsError(f"{path}: damaged header (its checksum differs); {_AGAIN}")
    kinds = {"size": int, "symbol": str, "tick_e8": int, "lot_e8": int, "report": dict, "columns": dict}
    try:
        header = json.loads(text)
        for key, kind in kinds.items():
            if not isinstance(header[key], kind):
                raise KeyError(key)
        if header["tick_e8"] < 1 or header["lot_e8"] < 1:
            raise ValueError("tick and lot must be positive")
        ColumnsReport(**header["report"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ColumnsError(f"{path}: damaged header ({error}); {_AGAIN}") from error
    return dict(header), PREFIX.size + length


def _column(
    path: Path, header: dict[str, Any], name: str, dtype: str, mapped: mmap.mmap, before: int
) -> tuple[NDArray[Any], int]:
    """One column that begins behind ``before``, and where it ends."""
    try:
        found, offset, count, wanted = header["columns"][name]
        if found != dtype:
            raise ValueError(f"it is {found}, not {dtype}")
        if offset < before or offset % ALIGN or count < 0 or any(mapped[before : min(offset, before + ALIGN)]):
            raise ValueError("it does not stand where it should")
        array = np.frombuffer(mapped, dtype=dtype, count=count, offset=offset)
        if zlib.crc32(array.data) != wanted:
            raise ValueError("its checksum differs")
        return array, offset + array.nbytes
    except (KeyError, TypeError, ValueError) as error:
        raise ColumnsError(f"{path}: damaged column {name} ({error}); {_AGAIN}") from error


def _check_values(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """What the compiled readers take for granted: an index out of its array would be read all the same."""
    start, exch, messages = arrays["start"], arrays["exch"], len(arrays["kind"])
    wrong = ""
    if (np.diff(start) < 0).any():
        wrong = "start does not grow"
    elif messages and (exch.min() < 0 or exch.max() >= messages):
        wrong = "exch names messages that are not there"
    if wrong:
        raise ColumnsError(f"{path}: {wrong}; {_AGAIN}")


def _check_lengths(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    messages, rows = len(arrays["kind"]), len(arrays["ticks"])
    for name in MESSAGE_COLUMNS:
        if len(arrays[name]) != messages + (name == "start"):
            raise ColumnsError(f"{path}: column {name} has {len(arrays[name])} entries for {messages} messages")
    start = arrays["start"]
    if start[0] != 0 or start[-1] != rows or any(len(arrays[name]) != rows for name in ROW_COLUMNS):
        raise ColumnsError(f"{path}: the rows do not fit the messages; {_AGAIN}")
