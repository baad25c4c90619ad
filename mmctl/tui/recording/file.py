"""The file of a recording: made, opened and judged. Whatever is wrong with it is said with its path and a way on."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from mmctl import __version__
from mmctl.fleet.errors import LockHeld, Refused

APPLICATION: Final = 0x6D6D7265
FORMAT: Final = 1
#: How long a reader waits for a writer, and the other way round, seconds. Both hold the file for milliseconds.
BUSY_SECONDS: Final = 5.0

_ANOTHER: Final = "Give --record another file, or move this one away."
_MADE: Final = "mmctl tui TARGET --record FILE makes a recording; with --headless without a screen."

_SCHEMA: Final = f"""
pragma auto_vacuum = incremental;
pragma application_id = {APPLICATION};
pragma user_version = {FORMAT};
create table about (target text not null, made_ns integer not null, release text not null, pace_s real not null);
create table engine (id integer primary key, name text not null unique);
create table dictionary (id integer primary key, engine integer not null, data blob not null);
create table chunk (
    id integer primary key, engine integer not null, first_ns integer not null, last_ns integer not null,
    frames integer not null, good_ns integer not null, dictionary integer, head blob not null, numbers blob not null);
create unique index chunk_time on chunk (engine, first_ns);
create table tail (
    engine integer not null, ns integer not null, data blob not null, primary key (engine, ns)) without rowid;
create table mark (
    engine integer not null, ns integer not null, kind text not null, level text not null, text text not null);
create index mark_time on mark (ns);
create index mark_kind on mark (kind, ns);
"""


class BadRecording(Refused):
    """The file is no recording that this release can read."""


class Writing:
    """A recording held open to be written, by this process alone. ``close`` leaves one file that can be copied."""

    def __init__(self, path: Path, target: str, made_ns: int, pace_s: float) -> None:
        self.path = path
        self._lock = _held(path)
        try:
            new = path.stat().st_size == 0
            with _said(path):
                if not new:
                    _judge_header(path)
                self.db = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
                if new:
                    self.db.executescript(_SCHEMA)
                    self.db.execute("insert into about values (?, ?, ?, ?)", (target, made_ns, __version__, pace_s))
                self.db.execute("pragma journal_mode = wal")
                self.db.execute("pragma synchronous = normal")
                self.db.execute("pragma journal_size_limit = 4194304")
                known = self.db.execute("select target from about").fetchone()
            if known is None or known[0] != target:
                raise Refused(
                    f"{path} is a recording of {known[0] if known else 'no target'}, not of {target}", _ANOTHER
                )
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Fold the log into the file and let go of it. A file that cannot be written any more stays as it is."""
        try:
            self.db.execute("pragma wal_checkpoint(truncate)").fetchall()
            self.db.execute("pragma journal_mode = delete")
        except sqlite3.Error:
            pass  # a reader holds it, or the disk is full: what is committed stays, beside it in the -wal file
        finally:
            self.db.close()
            self._lock.close()  # last: closing it earlier would let go of SQLite's own locks


def _held(path: Path) -> IO[bytes]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}", "Give --record a file in a folder of yours.") from None
    lock = os.fdopen(descriptor, "rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise LockHeld(f"{path} is being written by another recorder", "Give --record another file.") from None
    return lock


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, also while a recorder writes. Raises BadRecording with the next step."""
    if not path.is_file():
        raise BadRecording(f"there is no recording {path}" if not path.exists() else f"{path} is no file", _MADE)
    with _said(path):
        _judge_header(path)
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        db = sqlite3.connect(address, BUSY_SECONDS, uri=True, isolation_level=None, check_same_thread=False)
        try:
            db.execute("select 1 from about").fetchone()
            if db.execute("select 1 from chunk union all select 1 from tail limit 1").fetchone() is None:
                raise BadRecording(f"{path} holds no frame yet", "Look again once its recorder has had an answer.")
        except BaseException:
            db.close()
            raise
    return db


def _judge_header(path: Path) -> None:
    """SQLite's header says whose file it is, and of how many pages: a file that was cut off is seen at once."""
    with path.open("rb") as file:
        header = file.read(100)
        size = os.fstat(file.fileno()).st_size
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise BadRecording(f"{path} is no recording", _MADE)

    def number(at: int, length: int = 4) -> int:
        return int.from_bytes(header[at : at + length])

    if number(68) != APPLICATION:
        raise BadRecording(f"{path} is a database of something else, not a recording", _MADE)
    if number(60) != FORMAT:
        raise BadRecording(
            f"{path} is a recording of format {number(60)}; this mmctl reads format {FORMAT}",
            f"Look at it with the mmctl that made it. {_ANOTHER}",
        )
    page = number(16, 2)
    if size < number(28) * (65536 if page == 1 else page):
        raise BadRecording(f"{path} is cut off: {size} bytes of a longer file", "Copy it again from where it came.")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise BadRecording(f"cannot read {path}: {error.strerror}", "Its owner can: recordings are private.") from None
    except OSError as error:
        raise BadRecording(f"cannot read {path}: {error.strerror}", _MADE) from None
    except sqlite3.OperationalError as error:
        hint = "A recording that is still written needs a folder that can be written; or copy it with its -wal file."
        raise BadRecording(f"cannot open {path}: {error}", hint) from None
    except sqlite3.DatabaseError as error:
        raise BadRecording(f"{path} is damaged: {error}", "Copy it again from where it came.") from None
