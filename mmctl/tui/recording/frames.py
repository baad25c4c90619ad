"""Frames, and the two ways in which they are kept: one by one as they come, and some minutes of them as columns.

As columns each part of the answers is a series of ``bodies.py`` (a body that came again stands in it once), and what is
left of each frame is a JSON body of the series ``frame``: ``ns`` (since the chunk's first frame), ``error``,
``failures``, ``received`` and ``engine`` (clocks of the snapshot, ns since 1970), ``parts`` (name -> which body of its
series, received ns), ``missing``. One by one it is the same JSON, in which ``ns`` is since 1970 and ``parts`` holds
lengths, a zero byte, and the bodies one after the other.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mmctl.tui.recording.bodies import Bodies, pack
from mmctl.tui.snapshot import Body, Snapshot

_FRAME: Final = "frame"


@dataclass(frozen=True, slots=True)
class Frame:
    """One poll. ``ns``: when it was over, on the recording's clock; ``snapshot`` is None when no answer came.

    ``failures`` counts the polls without an answer since the last one, this one included; ``error``: why.
    """

    ns: int
    snapshot: Snapshot | None
    error: str = ""
    failures: int = 0


def _told(frame: Frame, parts: dict[str, list[int]], first_ns: int = 0) -> bytes:
    snapshot = frame.snapshot
    told: dict[str, Any] = {"ns": frame.ns - first_ns, "error": frame.error, "failures": frame.failures}
    if snapshot is not None:
        told |= {"received": snapshot.received_ns, "engine": snapshot.engine_ns, "parts": parts}
        told["missing"] = dict(snapshot.missing)
    return orjson.dumps(told)


def _frame(engine: str, ns: int, told: dict[str, Any], bodies: dict[str, Body]) -> Frame:
    snapshot = None
    if "parts" in told:
        snapshot = Snapshot(engine, told["received"], told["engine"], bodies, told["missing"])
    return Frame(ns, snapshot, told["error"], told["failures"])


def to_bytes(frame: Frame) -> bytes:
    """One frame by itself."""
    bodies = dict(frame.snapshot.bodies) if frame.snapshot else {}
    parts = {name: [len(body.data), body.received_ns] for name, body in bodies.items()}
    return b"\0".join((_told(frame, parts), b"".join(body.data for body in bodies.values())))


def from_bytes(engine: str, data: bytes) -> Frame:
    """What ``to_bytes`` made. Raises ValueError or KeyError for anything else."""
    head, _, rest = data.partition(b"\0")
    told = orjson.loads(head)
    bodies: dict[str, Body] = {}
    at = 0
    for name, (length, received_ns) in told.get("parts", {}).items():
        bodies[name] = Body(rest[at : at + length], received_ns)
        at += length
    if at != len(rest):
        raise ValueError("a frame is cut off")
    return _frame(engine, told["ns"], told, bodies)


def pack_frames(frames: Sequence[Frame]) -> tuple[bytes, bytes]:
    """Head and numbers of the frames of one engine, oldest first; what :class:`Chunk` reads."""
    series: dict[str, list[bytes]] = {_FRAME: []}
    for frame in frames:
        parts: dict[str, list[int]] = {}
        for name, body in frame.snapshot.bodies.items() if frame.snapshot else ():
            found = series.setdefault(name, [])
            if not found or found[-1] != body.data:
                found.append(body.data)
            parts[name] = [len(found) - 1, body.received_ns]
        series[_FRAME].append(_told(frame, parts, frames[0].ns))
    return pack(series)


class Chunk:
    """Frames of one engine that ``pack_frames`` wrote; a frame is put together when it is asked for.

    Raises ValueError, KeyError, IndexError or TypeError for what it did not write.
    """

    def __init__(self, engine: str, first_ns: int, head: bytes, numbers: bytes) -> None:
        self._engine = engine
        self._bodies = Bodies(head, numbers)
        count = self._bodies.count(_FRAME)
        self._told = [orjson.loads(self._bodies.body(_FRAME, index)) for index in range(count)]
        self.times: list[int] = [first_ns + told["ns"] for told in self._told]
        self._made: dict[tuple[str, int, int], Body] = {}

    def before(self, ns: int) -> int:
        """Which frame is the last one at or before ``ns``; -1 when there is none."""
        return bisect_right(self.times, ns) - 1

    def last_answer(self, index: int) -> int:
        """Which frame is the last one with an answer, from ``index`` backwards; -1 when there is none."""
        return next((at for at in range(index, -1, -1) if "parts" in self._told[at]), -1)

    def frame(self, index: int, only: str | None = None) -> Frame:
        """The frame at ``index``; with ``only`` no other part than that one is put together."""
        told = self._told[index]
        parts = told.get("parts", {})
        bodies = {name: self._body(name, *of) for name, of in parts.items() if only is None or name == only}
        return _frame(self._engine, self.times[index], told, bodies)

    def _body(self, name: str, index: int, received_ns: int) -> Body:
        key = (name, index, received_ns)
        made = self._made.get(key)
        if made is None:  # the same object again where it stood in several frames: it is read once
            for old in [known for known in self._made if known[0] == name]:
                del self._made[old]
            made = self._made[key] = Body(self._bodies.body(name, index), received_ns)
        return made
