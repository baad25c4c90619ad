"""A recorded session: snapshots one a line, and the source that plays them back."""

import base64
import json
from pathlib import Path

from mmctl.client.engine import Document
from mmctl.tui.snapshot import Body, Snapshot


def encode(snapshot: Snapshot) -> str:
    """One line of a recording."""
    record = {
        "engine": snapshot.engine,
        "received_ns": snapshot.received_ns,
        "engine_ns": snapshot.engine_ns,
        "bodies": {
            part: [base64.b64encode(body.data).decode(), body.received_ns] for part, body in snapshot.bodies.items()
        },
        "missing": dict(snapshot.missing),
    }
    return json.dumps(record, separators=(",", ":"))


class Replay:
    """A recording made with ``--record``, played back: the same screens, nothing live behind them."""

    def __init__(self, file: Path) -> None:
        self.frames: list[Snapshot] = []
        self.bad_lines = 0
        self._name = file.name
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                frame = _decode(line)
                if frame is None:
                    self.bad_lines += 1
                else:
                    self.frames.append(frame)
        self.position = -1

    @property
    def name(self) -> str:
        return self._name

    def poll(self) -> Snapshot:
        """The next frame; the last one again at the end. Raises ValueError for a recording without frames."""
        if not self.frames:
            raise ValueError("the recording holds no frame")
        self.position = min(self.position + 1, len(self.frames) - 1)
        return self.frames[self.position]

    def seek(self, by: int) -> Snapshot | None:
        """The frame ``by`` steps away, or None without frames."""
        if not self.frames:
            return None
        self.position = max(0, min(len(self.frames) - 1, self.position + by))
        return self.frames[self.position]

    def control(self, verb: str, account: str) -> Document:
        raise ValueError("a recording cannot be controlled")


def _decode(line: str) -> Snapshot | None:
    try:
        record = json.loads(line)
        engine_ns = record["engine_ns"]
        bodies = {str(part): Body(base64.b64decode(data), int(at)) for part, (data, at) in record["bodies"].items()}
        missing = {str(part): str(why) for part, why in record["missing"].items()}
        clock = None if engine_ns is None else int(engine_ns)
        return Snapshot(str(record["engine"]), int(record["received_ns"]), clock, bodies, missing)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
