"""What stands on the timeline beside the frames: breaches that began and ended, fills, events, silences."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mmctl.client.age import MISSED_POLLS, Reading
from mmctl.tui.breaches import breaches
from mmctl.tui.picture import Picture

#: Kinds of marks that a person jumps to.
BREACH, OVER, FILL, EVENT, SILENT, BACK = "breach", "over", "fill", "event", "silent", "back"

_FIGURE: Final = re.compile(r"[\d.,]+(?:[smhd%]\d*)*")
#: Longer ones are cut: a mark is one line of a list.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that happened. ``ns`` on the recording's clock; ``level`` as of a breach or an event."""

    engine: str
    ns: int
    kind: str
    level: str
    text: str


class Marker:
    """Sees the readings of one engine one after the other, and says what is new in each."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], str] = {}  # breaches that hold, without their figures
        self._silent = False
        self._told_ns: int | None = None  # time of the newest event seen, by the engine's clock

    def marks(self, reading: Reading[Picture], ns: int) -> list[Mark]:
        """The marks of the frame at ``ns``, whose reading this is."""
        return [Mark(self._engine, ns, kind, level, text[:_LONGEST]) for kind, level, text in self._new(reading)]

    def _new(self, reading: Reading[Picture]) -> Iterator[tuple[str, str, str]]:
        if reading.failures:
            if reading.failures >= MISSED_POLLS and not self._silent:
                self._silent = True
                yield SILENT, "bad", f"no answer: {reading.error}"
            return
        if self._silent:
            self._silent = False
            yield BACK, "info", "answers again"
        if reading.value is None:
            return
        found = {
            (breach.level, _FIGURE.sub("", breach.text)): breach.text
            for breach in breaches({self._engine: reading}, reading.at or 0.0, 1.0)
        }
        yield from ((OVER, level, text) for (level, kind), text in self._known.items() if (level, kind) not in found)
        yield from ((BREACH, level, text) for (level, kind), text in found.items() if (level, kind) not in self._known)
        self._known = found
        yield from self._events(reading.value)

    def _events(self, picture: Picture) -> Iterator[tuple[str, str, str]]:
        rows = [row for row in picture.events if isinstance(row.get("ns"), int)]
        newest = max((row["ns"] for row in rows), default=0)
        known, self._told_ns = self._told_ns, max(self._told_ns or 0, newest)
        if known is None:  # what happened before the recording is not a part of it
            return
        for row in rows:
            if row["ns"] > known:
                yield _event(row)


def _event(row: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = FILL if row.get("kind") == FILL else EVENT
    return kind, str(row.get("severity", "")), f"{row.get('kind', '')}: {row.get('message', '')}"
