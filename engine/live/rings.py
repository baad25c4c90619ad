"""What happened lately, in bounded memory: the events people read, and why quotes were missing."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

EVENTS_KEPT: Final = 1000
WHY_KEPT: Final = 200

INFO: Final = "info"
WARNING: Final = "warning"
CRITICAL: Final = "critical"


class Events:
    """The last events, each with a sequence number that only grows within one process."""

    __slots__ = ("_ring", "_seq")

    def __init__(self) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._seq = 0

    def add(self, ns: int, kind: str, severity: str, message: str, evidence: Mapping[str, Any] | None = None) -> None:
        """Keep an event of ``ns`` (ns since 1970), and forget the oldest when the ring is full."""
        self._seq += 1
        self._ring.append(
            {
                "seq": self._seq,
                "ns": ns,
                "kind": kind,
                "severity": severity,
                "message": message,
                "evidence": dict(evidence or {}),
            }
        )

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Events above ``seq``, oldest first."""
        return [event for event in self._ring if event["seq"] > seq]


class Why:
    """The last refused or suppressed quotes. The same reason in a row for one side is kept once, with its count."""

    #: Comes and goes with every replaced quote: kept once a side, lest it push the reasons that last out of the ring.
    PASSING: Final = "CANCEL_IN_FLIGHT"

    __slots__ = ("_last", "_passing", "_ring", "counts")

    def __init__(self) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=WHY_KEPT)
        self._last: dict[tuple[str, str], dict[str, Any]] = {}
        self._passing: dict[tuple[str, str], dict[str, Any]] = {}
        self.counts: dict[str, int] = {}

    def add(self, ns: int, symbol: str, side: str, reason: str, detail: str = "") -> None:
        """Keep why no quote of ``side`` was placed; the same reason in a row is counted, not repeated."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if reason == self.PASSING:
            passing = self._passing.setdefault(
                (symbol, side), {"ns": ns, "symbol": symbol, "side": side, "reason": reason, "detail": "", "times": 0}
            )
            passing["ns"], passing["detail"], passing["times"] = ns, detail, passing["times"] + 1
            return
        last = self._last.get((symbol, side))
        if last is not None and last["reason"] == reason:
            last["ns"], last["detail"], last["times"] = ns, detail, last["times"] + 1
            return
        entry = {"ns": ns, "symbol": symbol, "side": side, "reason": reason, "detail": detail, "times": 1}
        self._last[(symbol, side)] = entry
        self._ring.append(entry)

    def quoted(self, symbol: str, side: str) -> None:
        """This side is quoted again: the next refusal is news."""
        self._last.pop((symbol, side), None)

    def all(self) -> list[dict[str, Any]]:
        """Newest first."""
        entries = sorted([*self._ring, *self._passing.values()], key=lambda entry: entry["ns"], reverse=True)
        return [dict(entry) for entry in entries]
