"""One process among all that ever ran on any machine, as text; and whether it has provably ended."""

import os
from pathlib import Path

PROC = Path("/proc")


def this() -> str:
    """This process: boot, pid namespace, pid and the tick it began at. Empty where that cannot be told."""
    where, begun = _where(), _begun(os.getpid())
    return f"{where} {os.getpid()} {begun}" if where and begun else ""


def has_ended(text: str) -> bool:
    """Whether the process that ``this`` described has ended. False wherever that is not certain: another machine or
    container, one started anew since, or a description that cannot be read."""
    where, _, begun = text.rpartition(" ")
    where, _, number = where.rpartition(" ")
    if not (where and number.isdigit() and begun.isdigit()) or where != _where():
        return False
    pid = int(number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's, whose start we may not be shown
    now = _begun(pid)
    return bool(now) and now != begun


def _where() -> str:
    """The present start of this machine's kernel, and the pid namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink(PROC / 'self/ns/pid')}"
    except (OSError, UnicodeDecodeError):
        return ""


def _begun(pid: int) -> str:
    """Clock tick since boot at which a process began, ``0`` for one of which only its exit code is left; empty where
    that is not shown."""
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "0" if fields[0] in (b"Z", b"X") else fields[19].decode()
