"""When the sentinel last looked at this engine: a guard that died guards nothing, and nobody else would say so here.

With each question for /health it says in a header since when it has not seen the exchange: one that is blind there
cannot cancel. The header is no secret; whoever reaches the listener could say it, and would hide a dead guard by it.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Final

HEADER: Final = "X-MM-Sentinel"
LOOKS_MISSED: Final = 10  # of its own interval, and at least:
LATE_S: Final = 5.0
BLIND_S: Final = 15.0  # it asks the exchange every two seconds, and bears some silence of it


class SentinelSeen:
    """``interval_s``: how often it is meant to look; ``wanted`` False: none is meant to run beside this engine."""

    def __init__(self, interval_s: float, wanted: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_s, self.wanted, self._clock = interval_s, wanted, clock
        self._looked_at: float | None = None
        self._blind_s = math.inf

    def looked(self, said: str) -> None:
        """It asked for our health and said for how many seconds it has not seen the exchange; nonsense is blindness."""
        self._looked_at = self._clock()
        try:
            blind = float(said)
        except ValueError:
            blind = math.inf
        self._blind_s = blind if blind >= 0 else math.inf

    def part(self) -> dict[str, Any] | None:
        """The health document's part on it; None where none is wanted. ``age_s`` is None before it first looked."""
        if not self.wanted:
            return None
        if self._looked_at is None:
            return {"ok": False, "message": "no sentinel has looked since the start", "age_s": None}
        age = self._clock() - self._looked_at
        if age > max(LATE_S, LOOKS_MISSED * self.interval_s):
            return {"ok": False, "message": f"the sentinel has not looked for {age:.0f} s", "age_s": age}
        if not self._blind_s <= BLIND_S:
            since = f"for {self._blind_s:.0f} s" if math.isfinite(self._blind_s) else "yet"
            return {"ok": False, "message": f"the sentinel has not seen the exchange {since}", "age_s": age}
        return {"ok": True, "message": "watches engine and exchange", "age_s": age}
