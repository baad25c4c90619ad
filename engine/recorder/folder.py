"""The recorder's folder: one recorder at a time, what earlier ones left, and which files may go."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.market.recording import ReadReport, RecordingError, frames
from engine.recorder.facts import Check, FileFacts, check_of
from engine.recorder.frames import line_ids
from engine.recorder.segment import SUFFIX, beside, check_for, put_check
from engine.recorder.tape import RecordedPair

LOCK: Final = ".recorder.lock"
_READ: Final = 1 << 20
BESIDE: Final = ("index", "check", "shipped")


class FolderError(Exception):
    """The folder cannot be recorded into; the message names it, why, and what to do."""


class FolderLock:
    """Held by the one recorder that writes into a folder; the kernel lets go of it when that process ends."""

    def __init__(self, root: Path) -> None:
        """Raises FolderError where another recorder holds it, or where the folder cannot be written."""
        path = root / LOCK
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise FolderError(f"{root} cannot be recorded into: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "another process"
            os.close(self._file)
            raise FolderError(
                f"{root}: a recorder writes there already (process {holder}); end it, or give this one --out DIR"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Another recorder may write now."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Kept:
    """One finished file: its size with what lies beside it, the end of what it holds, and whether the store has it."""

    path: Path
    size: int
    to_ns: int
    shipped: bool


def recordings(root: Path) -> list[Path]:
    """Every recording below ``root``, oldest first for each instrument."""
    return sorted(path for path in root.glob(f"*/*/*{SUFFIX}") if path.is_file())


def read_check(path: Path) -> Check | None:
    """The check beside the recording ``path``; None where there is none that can be read."""
    try:
        return check_of(json.loads(beside(path, "check").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 (hex) of a file. Raises OSError."""
    size, found = 0, hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ):
            size += len(data)
            found.update(data)
    return size, found.hexdigest()


def instrument_of(path: Path) -> RecordedPair:
    """What a recording is of, by where it lies."""
    venue, _, market = path.parent.parent.name.partition("-")
    return RecordedPair(venue, market, path.parent.name)


def finish(path: Path) -> Check:
    """Read a recording that no check was written for, and write it. Nothing of the recording itself is changed.

    Raises OSError where it cannot be read, or the check not be written.
    """
    facts, report, instrument = FileFacts(), ReadReport(), instrument_of(path)
    size, digest = digest_of(path)
    try:
        for ns, frame in frames(path, report):
            facts.line(line_ids(frame, instrument.symbol), ns, len(frame) + 21)
    except RecordingError:
        report.truncated = True  # empty, or not a line of it can be read
    why = "killed, in the middle of a piece" if report.truncated else "killed"
    check = check_for(path, instrument, size, digest, why, facts, whole=not report.truncated)
    put_check(path, check)
    return check


def unfinished(root: Path, writing: Iterable[Path] = ()) -> list[Path]:
    """Recordings without a check that nobody writes."""
    taken = set(writing)
    return [path for path in recordings(root) if path not in taken and read_check(path) is None]


def newest(root: Path, instrument: RecordedPair) -> Check | None:
    """The check of the last file of ``instrument`` that holds anything."""
    found = None
    for path in (root / instrument.folder).glob(f"*{SUFFIX}"):
        check = read_check(path)
        if check is not None and check.facts.frames and (found is None or check.facts.to_ns > found.facts.to_ns):
            found = check
    return found


def kept(root: Path) -> list[Kept]:
    """Every finished file, oldest first."""
    return sorted(_kept(root), key=lambda one: (one.to_ns, one.path))


def _kept(root: Path) -> Iterator[Kept]:
    for path in recordings(root):
        check = read_check(path)
        if check is None:
            continue
        size = sum(_size(part) for part in (path, *(beside(path, what) for what in BESIDE)))
        modified = int(path.stat().st_mtime * 1e9)
        yield Kept(path, size, check.facts.to_ns if check.facts.frames else modified, beside(path, "shipped").exists())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def to_delete(files: Iterable[Kept], now_ns: int, keep_ns: int, most_bytes: int, *, stored: bool) -> list[Kept]:
    """Which files go, oldest first: those past ``keep_ns``, and as many as it takes to stay within ``most_bytes``.

    With a store (``stored``) none goes before the store has it.
    """
    held = list(files)
    total = sum(one.size for one in held)
    going = []
    for one in sorted(held, key=lambda one: (one.to_ns, one.path)):
        if (one.to_ns < now_ns - keep_ns or total > most_bytes) and (one.shipped or not stored):
            going.append(one)
            total -= one.size
    return going


def delete(one: Kept) -> None:
    """The recording first: what is left behind by a crash is seen to be nothing. Raises OSError."""
    for path in (one.path, *(beside(one.path, what) for what in BESIDE)):
        path.unlink(missing_ok=True)
