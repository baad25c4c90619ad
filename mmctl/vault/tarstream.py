"""A tar file read strictly, in one pass: plain files with plain names and exact sizes, and nothing else.

A backup's archive needs none of what tar can otherwise do (links, devices, sparse files, long names, headers that
rename), so none of it is read: whatever else is in the stream is refused before a byte of it is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 512
#: A header of an older backup that only carries a file's time is at most this large, bytes.
MAX_TIMES = 1 << 14
#: After its end a tar file is filled up to a record.
MAX_PADDING = 20 * BLOCK
MAX_PARTS = 6


class BadTar(ValueError):
    """The stream is not a tar file of a backup; says why."""


class Source(Protocol):
    """What gives at most so many bytes, fewer only at its end."""

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file of the archive. Its content must be taken from the source, ``size`` bytes, before the next one."""

    name: str
    size: int


def members(source: Source) -> Iterator[Member]:
    """Every file in turn. Raises BadTar for anything else, for a name twice, and for what comes after the end."""
    seen: set[str] = set()
    while True:
        header = _exactly(source, BLOCK)
        if not any(header):
            break
        kind, member = _read(header)
        if kind == b"x":
            _only_times(member, _exactly(source, member.size) if member.size <= MAX_TIMES else b"")
            _skip(source, member.size)
            continue
        if kind not in (b"0", b"\0"):
            raise BadTar(f"it holds something that is no plain file of a backup: {member.name[:80]!r}")
        _plain(member.name)
        if member.name in seen:
            raise BadTar(f"it holds {member.name!r} twice")
        seen.add(member.name)
        yield member
        _skip(source, member.size)
    padding = source.take(MAX_PADDING + 1)
    if len(padding) < BLOCK or len(padding) > MAX_PADDING or any(padding):
        raise BadTar("it holds bytes after its end")


def _exactly(source: Source, size: int) -> bytes:
    data = source.take(size)
    if len(data) != size:
        raise BadTar("it ends too early")
    return data


def _skip(source: Source, size: int) -> None:
    """What fills a file's last block, which is zeros."""
    if any(_exactly(source, -size % BLOCK)):
        raise BadTar("it holds bytes between its files")


def _read(header: bytes) -> tuple[bytes, Member]:
    total = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    if _octal(header[148:156]) != total:
        raise BadTar("a header in it is damaged")
    name, prefix = header[:100].split(b"\0")[0], b""
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].split(b"\0")[0]
    try:
        text = (prefix + b"/" + name if prefix else name).decode("utf-8")
    except UnicodeDecodeError:
        raise BadTar("a name in it is not UTF-8") from None
    return header[156:157], Member(text, _size(header[124:136]))


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if not text or text.strip(b"01234567"):
        raise BadTar("a header in it is damaged")
    return int(text, 8)


def _size(field: bytes) -> int:
    """Octal, or for 8 GiB and more the base-256 form; never negative."""
    return int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)


def _only_times(member: Member, content: bytes) -> None:
    """Backups of an older kind have a header of extended times before each file; it may say nothing else."""
    rest = content
    while rest:
        length, space, _ = rest.partition(b" ")
        size = int(length) if space and length.isdigit() and len(length) < 6 else 0
        record = rest[len(length) + 1 : size]
        if size <= len(length) or not record.startswith((b"mtime=", b"atime=", b"ctime=")):
            rest = b"!"
            break
        rest = rest[size:]
    if rest or not content:
        raise BadTar(f"it holds a header that changes what a file is: {member.name[:80]!r}")


def _plain(name: str) -> None:
    parts = name.split("/")
    bad = len(parts) > MAX_PARTS or any(part in ("", ".", "..") for part in parts)
    if bad or not name.isprintable() or "\\" in name:
        raise BadTar(f"it holds something that is no plain file of a backup: {name[:80]!r}")
