"""One invocation of ``mmctl``: its id, its common options, its deadline and its output."""

import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from mmctl.cli.output import Output
from mmctl.fleet.errors import DeadlineExceeded, UsageError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def seconds(text: str) -> float:
    """A duration such as ``30s``, ``5m``, ``1.5h``, ``250ms`` or bare seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not a duration", hint="Write it as 30s, 5m or 1h.")
    return float(match[1]) * _UNITS[match[2] or ""]


@dataclass(frozen=True, slots=True)
class Run:
    """What every verb may ask of its invocation."""

    verb: str
    out: Output
    fleet: Path | None  # --fleet or MMCTL_FLEET; None = look in the usual places
    deadline_s: float | None
    json: bool
    quiet: bool
    verbose: int
    run_id: str
    started: float = field(default_factory=time.monotonic)

    def remaining(self, otherwise: float) -> float:
        """Seconds left of ``--deadline``, at most ``otherwise``. Raises DeadlineExceeded when none is left."""
        if self.deadline_s is None:
            return otherwise
        left = self.deadline_s - (time.monotonic() - self.started)
        if left <= 0:
            raise DeadlineExceeded(f"the deadline of {self.deadline_s:g} s is over")
        return min(left, otherwise)


_current: Run | None = None


def current() -> Run:
    """The invocation this process serves. Set once by the command line frame before a verb is called."""
    if _current is None:
        raise RuntimeError("no mmctl run is in progress")
    return _current


def begin(run: Run) -> Run:
    """Make ``run`` the current one."""
    global _current
    _current = run
    return run


def new_run_id() -> str:
    """A short id that ties together every event, audit line and log line of one invocation."""
    return uuid.uuid4().hex[:12]
