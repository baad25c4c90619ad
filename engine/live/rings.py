"""What happened lately, in bounded memory: the events people read, and why quotes were missing."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from engine.telemetry.moments import moment_of

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
                **moment_of("", ns),
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

    def add(self, ns: int, symbol: str, side: str, reason: str, detail: str = "") -> dict[str, Any]:
        """Keep why no quote of ``side`` was placed; the same reason in a row is counted, not repeated.

        Returns the row that counts it: whoever sees it again at once, every tick, may count there (``again``).
        """
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if reason == self.PASSING:
            row = self._passing.setdefault((symbol, side), _row(ns, symbol, side, reason))
        else:
            row = self._last.get((symbol, side), {})
            if row.get("reason") != reason:
                row = self._last[(symbol, side)] = _row(ns, symbol, side, reason)
                self._ring.append(row)
        row["ns"], row["detail"], row["times"] = ns, detail, row["times"] + 1
        return row

    def again(self, row: dict[str, Any], ns: int) -> None:
        """What ``row`` tells is so at ``ns`` as well."""
        self.counts[row["reason"]] += 1
        row["ns"] = ns
        row["times"] += 1

    def quoted(self, symbol: str, side: str) -> None:
        """This side is quoted again: the next refusal is news."""
        self._last.pop((symbol, side), None)

    def all(self) -> list[dict[str, Any]]:
        """Newest first."""
        entries = sorted([*self._ring, *self._passing.values()], key=lambda entry: entry["ns"], reverse=True)
        return [dict(entry) for entry in entries]


def _row(ns: int, symbol: str, side: str, reason: str) -> dict[str, Any]:
    return {
        "ns": ns, "first_ns": ns, "symbol": symbol, "side": side, "reason": reason, "detail": "", "times": 0,
    }  # fmt: skip
