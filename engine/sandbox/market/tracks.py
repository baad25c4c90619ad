"""A recording made ready for replay: its market, its opening snapshot, and the frames usable after it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from engine.market.recording import ReadReport, RecordingError, frames
from engine.sandbox.errors import SandboxError
from engine.sandbox.market.book import Level
from engine.sandbox.market.symbols import SymbolSpec, find
from engine.trade import Market

KINDS: Final = {b"depthUpdate": "depth", b"trade": "trade", b"bookTicker": "bookTicker"}
_EVENT: Final = re.compile(rb'"e":"(\w+)"')
_SEQUENCE: Final = re.compile(rb'"U":(\d+),"u":(\d+)(?:,"pu":(\d+))?')
_SYMBOL: Final = re.compile(rb'"s":"([A-Z0-9_]+)"')
HEAD: Final = 260  # bytes in which a frame's own fields stand, before a depth frame's levels


@dataclass(slots=True)
class Track:
    """One recording. ``rows`` are (local ns, kind, frame without the combined stream's wrapper) in file order."""

    path: Path
    spec: SymbolSpec
    snapshot_id: int
    bids: list[Level]
    asks: list[Level]
    first_ns: int
    rows: list[tuple[int, str, bytes]]
    last_update_id: int
    last_trade_id: int
    first_trade_id: int
    notes: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """What of the recording is replayed: frames, seconds, and what was left out and why."""
        return {
            "file": str(self.path),
            "market": f"{self.spec.market.value}:{self.spec.symbol}",
            "frames": len(self.rows),
            "seconds": (self.rows[-1][0] - self.first_ns) / 1e9 if self.rows else 0.0,
            "notes": self.notes,
        }


@dataclass(slots=True)
class _Reading:
    """What is gathered while a recording's lines go by."""

    snapshot: dict[str, Any] | None = None
    snapshot_ns: int = 0
    symbol: str = ""
    market: Market | None = None
    last_update: int = -1
    rows: list[tuple[int, str, bytes]] = field(default_factory=list)
    first_trade: int = 0
    last_trade: int = 0
    notes: list[str] = field(default_factory=list)


def load_track(path: Path) -> Track:
    """Read a recording up to its end, its cut, or the first gap in its update ids, and say which.

    Raises SandboxError for what cannot be replayed at all: no file, no recording, no snapshot, a market or symbol
    the sandbox does not have.
    """
    report, reading = ReadReport(), _Reading()
    try:
        for number, (local_ns, frame) in enumerate(frames(path, report), 1):
            if not _take(reading, path, number, local_ns, frame):
                break
    except RecordingError as reason:
        raise SandboxError(str(reason)) from None
    if reading.market is None or not reading.symbol:
        raise SandboxError(f"{path}: the recording holds no depth frame, so there is no book to replay")
    if reading.snapshot is None:
        raise SandboxError(f"{path}: the recording holds no depth snapshot (a line with lastUpdateId) to start from")
    if not reading.rows:
        raise SandboxError(f"{path}: no frame follows the snapshot that continues it")
    spec = find(reading.market, reading.symbol)
    return Track(
        path=path,
        spec=spec,
        snapshot_id=reading.snapshot["lastUpdateId"],
        bids=[(spec.ticks(p), spec.lots(q)) for p, q in reading.snapshot["bids"]],
        asks=[(spec.ticks(p), spec.lots(q)) for p, q in reading.snapshot["asks"]],
        first_ns=reading.snapshot_ns,
        rows=reading.rows,
        last_update_id=reading.last_update,
        last_trade_id=reading.last_trade,
        first_trade_id=reading.first_trade,
        notes=report.notes + reading.notes,
    )


def unwrap(frame: bytes) -> bytes:
    """The data of a combined stream's frame, the frame itself otherwise."""
    if frame.startswith(b'{"stream":'):
        return frame[frame.index(b'"data":') + 7 : frame.rindex(b"}")]
    return frame


def _take(reading: _Reading, path: Path, number: int, local_ns: int, frame: bytes) -> bool:
    """One line; False ends the reading there."""
    data = unwrap(frame.rstrip())
    if data.startswith(b'{"lastUpdateId"'):
        return _take_snapshot(reading, path, number, local_ns, data)
    head = data[:HEAD]
    event = _EVENT.search(head)
    kind = KINDS.get(event.group(1)) if event else ("bookTicker" if b'"B":' in head else None)
    if kind is None:
        return True
    if kind == "depth":
        return _take_depth(reading, path, number, local_ns, data)
    if reading.snapshot is None:
        return True
    if kind == "trade":
        found = re.search(rb'"t":(\d+)', head)
        if found is None:
            reading.notes.append(f"{path}:{number}: a trade without an id is left out")
            return True
        reading.last_trade = int(found.group(1))
        reading.first_trade = reading.first_trade or reading.last_trade
    reading.rows.append((local_ns, kind, data))
    return True


def _take_snapshot(reading: _Reading, path: Path, number: int, local_ns: int, data: bytes) -> bool:
    if reading.snapshot is not None:
        return True
    try:
        reading.snapshot = orjson.loads(data)
    except orjson.JSONDecodeError:
        reading.notes.append(f"{path}:{number}: an unreadable snapshot is left out")
        return True
    reading.snapshot_ns = local_ns
    reading.last_update = reading.snapshot["lastUpdateId"]
    # what was received before the answer may already be newer than it
    reading.rows = [row for row in reading.rows if row[1] == "depth" and _last_id(row[2]) > reading.last_update]
    if reading.rows:
        reading.last_update = _last_id(reading.rows[-1][2])
    return True


def _take_depth(reading: _Reading, path: Path, number: int, local_ns: int, data: bytes) -> bool:
    found = _SEQUENCE.search(data, 0, HEAD)
    if found is None or not data.endswith(b"}"):
        reading.notes.append(f"{path}:{number}: a depth frame without U and u is left out; usable up to there")
        return reading.snapshot is None
    first, last, previous = int(found.group(1)), int(found.group(2)), found.group(3)
    if b'"ps":' in data[:HEAD]:
        raise SandboxError(f"{path}:{number}: this is a COIN-M recording; the sandbox has spot and USD-M futures")
    reading.market = Market.USDM if previous is not None else Market.SPOT
    symbol = _SYMBOL.search(data, 0, HEAD)
    reading.symbol = symbol.group(1).decode() if symbol else reading.symbol
    if reading.snapshot is None:
        reading.rows.append((local_ns, "depth", data))
        return True
    if last <= reading.last_update:
        return True
    joins = previous is not None and int(previous) == reading.last_update
    if not joins and first > reading.last_update + 1:
        reading.notes.append(
            f"{path}:{number}: update ids jump from {reading.last_update} to {first}; usable up to there"
        )
        return False
    reading.last_update = last
    reading.rows.append((local_ns, "depth", data))
    return True


def _last_id(data: bytes) -> int:
    found = _SEQUENCE.search(data, 0, HEAD)
    return int(found.group(2)) if found else 0
