"""What an earlier demo left behind, however it ended: its processes, and what they knew of an exchange that is gone.

Every demo has a fresh exchange with a fresh account. A journal, a lease or an open breaker of the one before speaks of
another account, and an engine that believed it would rightly refuse to quote.
"""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from mmctl.ledger import anchor

#: A killed process is gone from /proc within this, unless the kernel itself holds it.
GONE_SECONDS = 5.0
_OURS = ("engine.sandbox", "mmctl.fleet.supervisor")


def clear(folder: Path, unfinished: Path, keep: int = 0) -> int:
    """End what an earlier demo in ``folder`` left running, and forget its account. Returns how many it ended.

    ``folder`` is the demo's own and locked by the caller; ``unfinished`` the note of a deploy that was cut off;
    ``keep`` a process that stays. What was installed stays: it is proved by each deploy.
    """
    ended = _end(folder, keep)
    host = folder / "host"
    stale = [host / "shared" / "data", host / ".mmctl" / "lock", host / "run" / "state.json"]
    for left in [*stale, host / "run" / "supervisor.sock", unfinished, *(host / "releases").glob("*/.bad")]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink()
    return ended


def forget(folder: Path, trail: str) -> None:
    """Everything that was installed too, and what is remembered of its audit ``trail``, which goes with it."""
    shutil.rmtree(folder / "host", ignore_errors=True)
    anchor.forget(trail)


def _end(folder: Path, keep: int) -> int:
    """The supervisor first: it would start the engine again."""
    found = sorted((one for one in _left(folder) if one[0] != keep), key=lambda one: not one[1])
    for pid, _ in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)  # its exchange is gone, so no order of it stands anywhere
    end = time.monotonic() + GONE_SECONDS
    while any(_words(pid) for pid, _ in found) and time.monotonic() < end:
        time.sleep(0.01)
    return len(found)


def _left(folder: Path) -> list[tuple[int, bool]]:
    """Processes of this user that run a demo's part from ``folder``, and which of them supervise."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        words = _words(int(entry.name))
        with contextlib.suppress(OSError):
            inside = any(word.startswith(f"{folder}{os.sep}") for word in words)
            ours = any(part in words for part in _OURS) or {"engine", "run"} <= set(words)
            if inside and ours and entry.stat().st_uid == os.getuid():
                found.append((int(entry.name), "mmctl.fleet.supervisor" in words))
    return found


def _words(pid: int) -> list[str]:
    """A process's command line, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []
