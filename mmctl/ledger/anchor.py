"""What this operator remembers of a trail: how many lines it had when he last wrote to it, and the last one's digest.

A trail only grows, and each line carries the digest of the one before. So one line that is still where it was, proves
all before it; a cut, emptied or recomputed trail lacks it.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mmctl.ledger.signature import state_folder

FOLDER = "audit-heads"


@dataclass(frozen=True, slots=True)
class Head:
    """Line number ``lines`` (from 1) had the SHA-256 ``sha256``. ``broken``: since when the trail does not fit it."""

    lines: int
    sha256: str
    broken: str = ""


def place(target: str, host: str, root: str) -> str:
    """The name under which a host's trail is remembered; one host may hold several layouts."""
    return f"{target.partition(':')[0]}:{host}:{root}"


def _file(name: str) -> Path:
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:80]
    return state_folder() / FOLDER / f"{plain}.{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}.json"


def recall(name: str) -> Head | None:
    """What is remembered of trail ``name``; None for nothing. Raises ValueError for a record that is damaged."""
    try:
        text = _file(name).read_bytes()
    except OSError:
        return None
    try:
        data = json.loads(text)
        return Head(int(data["lines"]), str(data["sha256"]), str(data["broken"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{_file(name)} is damaged") from None


def remember(name: str, head: Head) -> None:
    """Raises OSError when it cannot be kept."""
    file = _file(name)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write(json.dumps(asdict(head) | {"trail": name}) + "\n")
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def forget(name: str) -> None:
    """A person has accepted that the trail is another one now."""
    _file(name).unlink(missing_ok=True)
