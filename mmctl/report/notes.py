"""Open points of a target: the issue list of a rollout, carried from one daily review to the next until closed.

A JSON file on the operator's machine, one a target, written whole or not at all, by one process at a time.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from mmctl.fleet.errors import ConfigRefused, OperatorError, UsageError

PRIORITIES: Final = ("P0", "P1", "P2", "P3")
LONGEST: Final = 2000  # characters of one text
KINDS: Final = ("problem", "suggestion", "todo")
VERSION: Final = 1
WAIT_S: Final = 5.0
LATEST_NS: Final = 1 << 63  # what a time can be that is nanoseconds since 1970: before 2262


@dataclass(frozen=True, slots=True)
class Note:
    """One point. ``closed_ns`` is 0 while it is open; ``outcome`` says how it was mended and proved."""

    number: int
    kind: str
    priority: str
    text: str
    opened_ns: int
    opened_by: str
    closed_ns: int = 0
    closed_by: str = ""
    outcome: str = ""

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return not self.closed_ns


class NotesRefused(OperatorError):
    """The file of notes cannot be read or written."""


def path_of(folder: Path, target: str) -> Path:
    """Where a target's notes lie."""
    return folder / re.sub(r"[^A-Za-z0-9._-]", "_", target) / "notes.json"


def load(path: Path) -> list[Note]:
    """Every note, oldest first; none where there is no file. Raises ConfigRefused for one that is damaged."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # an editor may have left its mark of bytes
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NotesRefused(f"cannot read {path}: {reason}") from None
    try:
        return [_note(one) for one in json.loads(text)["notes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigRefused(f"{path} holds no notes: {error}", "Mend it by hand, or move it away.") from None


def _note(one: Mapping[str, Any]) -> Note:
    note = Note(**one)
    numbers = (note.number, note.opened_ns, note.closed_ns)
    texts = (note.text, note.opened_by, note.closed_by, note.outcome)
    typed = all(type(one) is int and 0 <= one < LATEST_NS for one in numbers) and all(type(t) is str for t in texts)
    if not typed or note.priority not in PRIORITIES or note.kind not in KINDS:
        raise ValueError(f"note {note.number!r} is not one of ours")
    return note


def standing(notes: list[Note], begin_ns: int, end_ns: int) -> list[Note]:
    """Notes that a review of a period shows: opened before its end, and still open then or closed within it."""
    return [n for n in notes if n.opened_ns < end_ns and (n.open or n.closed_ns >= begin_ns)]


def add(path: Path, kind: str, priority: str, text: str, who: str, now_ns: int) -> Note:
    """Add a point and return it with its number. Raises UsageError, NotesRefused."""
    if kind not in KINDS:
        raise UsageError(f"no kind {kind!r}", f"One of {', '.join(KINDS)}.")
    if priority not in PRIORITIES:
        raise UsageError(f"no priority {priority!r}", f"One of {', '.join(PRIORITIES)}.")
    with _held(path):
        notes = load(path)
        number = max((note.number for note in notes), default=0) + 1
        note = Note(number, kind, priority, _checked(text), now_ns, who)
        _save(path, [*notes, note])
    return note


def close(path: Path, number: int, outcome: str, who: str, now_ns: int) -> Note:
    """Close the point ``number`` and return it. Raises UsageError where there is none, or it is closed."""
    with _held(path):
        notes = load(path)
        found = next((note for note in notes if note.number == number), None)
        if found is None:
            known = ", ".join(str(note.number) for note in notes if note.open) or "none is open"
            raise UsageError(f"there is no point {number}", f"Open: {known}.")
        if not found.open:
            raise UsageError(f"point {number} is closed already: {found.outcome}")
        closed = replace(found, closed_ns=now_ns, closed_by=who, outcome=_checked(outcome))
        _save(path, [closed if note.number == number else note for note in notes])
    return closed


def _checked(text: str) -> str:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not plain:
        raise UsageError("a point needs words")
    if len(plain) > LONGEST:
        raise UsageError(f"{len(plain)} characters are too many for one point", f"At most {LONGEST}.")
    return plain


def _save(path: Path, notes: list[Note]) -> None:
    part = path.with_name(path.name + ".part")
    document = {"version": VERSION, "notes": [asdict(note) for note in notes]}
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise NotesRefused(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Whoever writes is alone; a second one waits for the first, who writes a few kilobytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(".notes.lock").open("w")
    except OSError as error:
        raise NotesRefused(f"cannot write {path.parent}: {error.strerror}") from None
    with lock:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise NotesRefused(f"another run has held {path} for {WAIT_S:g} s") from None
                time.sleep(0.05)
        yield
