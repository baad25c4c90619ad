"""The first two lines of a backup file: what it is, of whom, from when, how large; signed by who made it.

Everything behind them, zstd-compressed or encrypted, is described by its length and SHA-256 in the signed line, so that
a backup is known to be ours, whole and of what size before one byte of it is decompressed or decrypted.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mmctl.fleet.errors import OperatorError
from mmctl.ledger import signature
from mmctl.ledger.signature import Signed

MAGIC = b"MMBACKUP 2\n"
PURPOSE = "backup 2"
#: The signed line is about 600 bytes.
MAX_LINE = 1 << 14
CHUNK = 1 << 20
FORMAT = 2


class BackupError(OperatorError):
    """A backup could not be made, or is not sound."""


class NotAuthenticated(BackupError):
    """Nobody known here vouches for the file: it is of an older kind, or signed by a key that is not trusted."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The signed line. ``size`` and ``sha256`` are of all that follows it, ``unpacked`` is the files' sum; in bytes."""

    target: str
    host: str
    made: str  # UTC, ISO 8601
    release: str
    encrypted: bool
    size: int
    sha256: str
    unpacked: int
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.made)

    def line(self) -> bytes:
        """The line, signed with the operator's key. Raises KeyTrouble."""
        key = signature.own_key() or signature.sign(PURPOSE, b"").key
        body = json.dumps(asdict(self) | {"key": key}).encode()
        return body[:-1] + f', "sig": "{signature.sign(PURPOSE, body).signature}"}}\n'.encode()


@dataclass(frozen=True, slots=True)
class Opened:
    """A backup file as its first lines describe it. ``offset`` is where the rest begins; ``trusted`` says who signed
    it, and is empty where the key is not known here, whose signature is good all the same."""

    envelope: Envelope
    offset: int
    key: str
    trusted: str


def is_older_kind(source: IO[bytes]) -> bool:
    """Whether an open file is one of before backups were signed (or no backup at all). Goes back to its start."""
    older = source.read(len(MAGIC)) != MAGIC
    source.seek(0)
    return older


def look(file: Path, trusted: Mapping[str, str] | None = None) -> Opened:
    """The signed line of ``file``, and that it has the length it says; the rest is not read. Raises BackupError."""
    try:
        with file.open("rb") as source:
            return _head(source, file.name, trusted)
    except OSError as error:
        raise BackupError(f"cannot read {file}: {error.strerror or error}") from None


def check(source: IO[bytes], name: str, *, accept: bool = False, trusted: Mapping[str, str] | None = None) -> Opened:
    """``look`` at an open file, and that the rest is what was signed, by a key believed here. ``accept``: by any key.

    Raises BackupError, NotAuthenticated, OSError.
    """
    opened = _head(source, name, trusted)
    if not opened.trusted and not accept:
        raise stranger(opened, name)
    seen = hashlib.sha256()
    source.seek(opened.offset)
    left = opened.envelope.size
    while left and (chunk := source.read(min(CHUNK, left))):
        seen.update(chunk)
        left -= len(chunk)
    if left or seen.hexdigest() != opened.envelope.sha256:
        raise BackupError(f"{name} is damaged: it is not what was signed", "Use another backup; see mmctl backup list.")
    source.seek(opened.offset)
    return opened


def stranger(opened: Opened, name: str) -> NotAuthenticated:
    """The error for a backup that was signed by a key this operator does not trust."""
    return NotAuthenticated(
        f"{name} is signed by a key that is not trusted here ({signature.fingerprint(opened.key)})",
        f"If it is a colleague's or the host's own: mmctl audit trust {opened.key}; else it is not ours.",
    )


def _head(source: IO[bytes], name: str, trusted: Mapping[str, str] | None) -> Opened:
    if source.read(len(MAGIC)) != MAGIC:
        raise NotAuthenticated(
            f"{name} is not signed: it was made before backups were, or by somebody else",
            "If you are sure of where it comes from: --accept-unauthenticated.",
        )
    line = source.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise BackupError(f"{name} is damaged: its first lines are not those of a backup")
    offset, size = len(MAGIC) + len(line), os.fstat(source.fileno()).st_size
    envelope, key = _parse(name, line[:-1])
    if offset + envelope.size != size:
        what = "it is cut short" if size < offset + envelope.size else "it holds bytes after its end"
        raise BackupError(f"{name} is damaged: {what}", "Use another backup; see mmctl backup list.")
    known = signature.trusted() if trusted is None else trusted
    return Opened(envelope, offset, key, known.get(key, ""))


def write(sink: IO[bytes], envelope: Envelope, payload: Path) -> None:
    """The two lines and then the whole of ``payload``."""
    sink.write(MAGIC + envelope.line())
    with payload.open("rb") as source:
        while chunk := source.read(CHUNK):
            sink.write(chunk)


def _parse(name: str, line: bytes) -> tuple[Envelope, str]:
    before, mark, rest = line.rpartition(b', "sig": "')
    body = before + b"}"
    damaged = BackupError(f"{name} is damaged: its first lines are not those of a backup")
    try:
        data: Any = json.loads(body)
        key, sign = str(data.pop("key")), rest.removesuffix(b'"}').decode("ascii")
        found = Envelope(**data)
        moment = datetime.fromisoformat(found.made)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    if not mark or not signature.good(PURPOSE, body, Signed(key, sign)):
        raise BackupError(f"{name} is damaged: its signature is not of what it says")
    whole = [found.size, found.unpacked]
    if found.format != FORMAT or moment.tzinfo is None or any(type(n) is not int or n < 0 for n in whole):
        raise damaged
    if not all(isinstance(text, str) for text in (found.target, found.host, found.release, found.sha256)):
        raise damaged
    return Envelope(**(asdict(found) | {"made": moment.astimezone(UTC).isoformat()})), key
