"""What is known of one recorded file: counts, times, update ids, gaps; and its check, the JSON that lies beside it."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from engine.recorder.frames import FrameIds, Kind

#: Why something is missing: ids that do not follow each other; a connection lost; the disk; a recorder that had been
#: stopped, or killed.
REASONS: Final = ("sequence", "connection", "disk", "stopped", "killed")
MOST_GAPS: Final = 1000  # kept in one file's check; all are counted


@dataclass(frozen=True, slots=True)
class Gap:
    """Something is missing between two receive times (ns) and two update ids of the book; -1 = not known."""

    from_ns: int
    to_ns: int
    from_update: int
    to_update: int
    reason: str

    @property
    def seconds(self) -> float:
        """How long it lasted, seconds; 0 where that is not known."""
        return max(0, self.to_ns - self.from_ns) / 1e9 if self.from_ns >= 0 and self.to_ns >= 0 else 0.0


@dataclass(slots=True)
class FileFacts:
    """Counts of the lines of one file so far. ``copy`` before handing it to another thread."""

    frames: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {kind.value: 0 for kind in Kind})
    raw_bytes: int = 0
    from_ns: int = -1
    to_ns: int = -1
    first_update: int = -1
    last_update: int = -1
    gap_count: int = 0
    gaps: list[Gap] = field(default_factory=list)

    def line(self, ids: FrameIds, ns: int, size: int) -> None:
        """One more line, received at ``ns``, of ``size`` bytes."""
        self.frames += 1
        self.counts[ids.kind.value] += 1
        self.raw_bytes += size
        if self.from_ns < 0:
            self.from_ns = ns
        self.to_ns = ns
        if ids.kind is Kind.DEPTH and ids.last >= 0:
            if self.first_update < 0:
                self.first_update = ids.first
            self.last_update = ids.last

    def gap(self, gap: Gap) -> None:
        """One more gap."""
        self.gap_count += 1
        if len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)

    def copy(self) -> "FileFacts":
        """As it is now."""
        return replace(self, counts=dict(self.counts), gaps=list(self.gaps))


@dataclass(frozen=True, slots=True)
class Check:
    """What stands beside a file that is written no more. ``ended`` says why in a word or a sentence.

    ``whole``: every line of it can be read. ``bytes`` and ``sha256`` (hex) are the file's own.
    """

    file: str
    venue: str
    market: str
    symbol: str
    bytes: int
    sha256: str
    whole: bool
    ended: str
    facts: FileFacts

    def as_json(self) -> dict[str, Any]:
        """The object that is written."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "facts"}
        facts = asdict(self.facts)
        counts: dict[str, Any] = facts.pop("counts")
        return {**own, **counts, **facts, "format": 1}


def check_of(found: Any) -> Check:
    """Of the JSON object of a check. Raises ValueError where it is none."""
    try:
        gaps = [Gap(**gap) for gap in found["gaps"]]
        counts = {kind.value: int(found[kind.value]) for kind in Kind}
        numbers = ("frames", "raw_bytes", "from_ns", "to_ns", "first_update", "last_update", "gap_count")
        facts = FileFacts(counts=counts, gaps=gaps, **{name: int(found[name]) for name in numbers})
        words = {name: str(found[name]) for name in ("file", "venue", "market", "symbol", "sha256", "ended")}
        return Check(bytes=int(found["bytes"]), whole=bool(found["whole"]), facts=facts, **words)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"not a recording's check: {wrong!r}") from None
