"""What the recorder tells: its metrics, and the answers of its listener."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

from engine.catalogue import GROUPS
from engine.catalogue.recorder import RECORDER
from engine.recorder.facts import REASONS, Gap
from engine.recorder.feed import MarketFeed
from engine.recorder.tape import PairTape
from engine.recorder.writer import Writer
from engine.telemetry.exporter import Exporter

Json = dict[str, Any]
QUIET_S: Final = 60.0  # without any frame


@dataclass(slots=True)
class RecorderStanding:
    """What the parts of the recorder know of themselves."""

    paused: str = ""  # why nothing is written
    not_trading: dict[str, str] = field(default_factory=dict)  # instrument -> the exchange's word
    kept_bytes: int = 0
    unshipped: int = 0
    damaged: int = 0
    ship_failed: str = ""  # why the last try failed
    ship_failures: int = 0
    gaps: int = 0
    gap_s: float = 0.0


class RecorderFigures:
    """The metrics, read when they are scraped; gaps are counted as they are found."""

    def __init__(
        self, venue: str, tapes: list[PairTape], feeds: list[MarketFeed], writer: Writer, standing: RecorderStanding
    ) -> None:
        self._tapes, self._feeds, self._writer, self.standing = tapes, feeds, writer, standing
        self.exporter = Exporter((*RECORDER, *GROUPS["process"]), venue=venue)
        self._gaps = {reason: self.exporter.counter("mm_recorder_gaps_total", reason=reason) for reason in REASONS}
        self._gap_s = self.exporter.counter("mm_recorder_gap_seconds_total")
        self.exporter.on_scrape(self._refresh)

    def gap(self, gap: Gap) -> None:
        """One more gap."""
        self._gaps[gap.reason].inc()
        self._gap_s.inc(gap.seconds)
        self.standing.gaps += 1
        self.standing.gap_s += gap.seconds

    def _refresh(self) -> None:
        gauge, counter, standing = self.exporter.gauge, self.exporter.counter, self.standing
        now_ns = time.time_ns()
        for tape in self._tapes:
            labels = {"market": tape.instrument.market, "symbol": tape.instrument.symbol}
            counter("mm_recorder_frames_total", **labels).set_to(tape.frames)
            if tape.last_ns >= 0:
                gauge("mm_recorder_frame_age_seconds", **labels).set(max(0, now_ns - tape.last_ns) / 1e9)
        gauge("mm_recorder_writing").set(float(not standing.paused))
        gauge("mm_recorder_connected").set(sum(feed.connected for feed in self._feeds) / max(1, len(self._feeds)))
        gauge("mm_recorder_snapshots_due").set(sum(tape.snapshot_due for tape in self._tapes))
        gauge("mm_recorder_not_trading").set(len(standing.not_trading))
        counter("mm_recorder_written_bytes_total").set_to(self._writer.written)
        gauge("mm_recorder_queue_bytes").set(self._writer.waiting)
        counter("mm_recorder_renewals_total").set_to(sum(feed.renewals for feed in self._feeds))
        gauge("mm_recorder_kept_bytes").set(standing.kept_bytes)
        gauge("mm_recorder_unshipped").set(standing.unshipped)
        counter("mm_recorder_ship_failures_total").set_to(standing.ship_failures)
        gauge("mm_recorder_damaged").set(standing.damaged)

    # -- the listener's questions ------------------------------------------------------------------------------------

    def health(self) -> Json:
        """Failed while nothing is written or comes; degraded while something is missing."""
        standing = self.standing
        up = [feed.connected for feed in self._feeds]
        newest = max((tape.last_ns for tape in self._tapes), default=-1)
        age_s = (time.time_ns() - newest) / 1e9 if newest >= 0 else None
        closed = ", ".join(f"{name} {word}" for name, word in standing.not_trading.items())
        parts: Json = {
            "disk": {"ok": not standing.paused, "message": standing.paused or "writing", "age_s": None},
            "feed": {
                "ok": all(up) and age_s is not None and age_s < QUIET_S,
                "message": f"{sum(up)} of {len(up)} connections up",
                "age_s": age_s,
            },
            "instruments": {"ok": not closed, "message": closed or f"{len(self._tapes)} recorded", "age_s": None},
            "store": {
                "ok": not standing.ship_failed and not standing.damaged,
                "message": standing.ship_failed or f"{standing.unshipped} files not there yet",
                "age_s": None,
            },
        }
        vital = parts["disk"]["ok"] and parts["feed"]["ok"]
        well = all(part["ok"] for part in parts.values())
        return {"status": ("ok" if well else "degraded") if vital else "failed", "components": parts}

    def ready(self) -> tuple[bool, str]:
        """Whether what comes is written."""
        health = self.health()
        return health["status"] != "failed", "" if health["status"] != "failed" else "see /health"

    def role(self) -> str:
        """A recorder leads nothing."""
        return "recorder"

    def state(self) -> Json:
        """The instruments one by one."""
        rows = [
            {
                "instrument": tape.instrument.name,
                "frames": tape.frames,
                "last_ns": tape.last_ns if tape.last_ns >= 0 else None,
                "last_update": tape.last_update if tape.last_update >= 0 else None,
                "snapshot_due": tape.snapshot_due,
            }
            for tape in self._tapes
        ]
        return {"recorder": {"gaps": self.standing.gaps, "gap_seconds": self.standing.gap_s, "instruments": rows}}

    def risk(self) -> Json:
        """None: nothing is traded here."""
        return {}

    def orders(self) -> Json:
        """None, as above."""
        return {"orders": []}

    def events(self, since: int) -> Json:
        """None are kept; they are in the log."""
        return {"events": []}

    def why(self) -> Json:
        """Nothing is quoted here."""
        return {"refusals": []}
