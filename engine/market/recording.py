"""Reading recordings: lines of ``<local receive time, ns> <frame>``, gzip, Zstandard or plain, whole or cut short.

What can be read is read: a file cut in the middle gives everything up to the cut and says so, and lines that are no
recording lines are counted and named (file:line), never passed on.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import zstandard

READ_SIZE: Final = 1 << 18  # compressed bytes a read
PIECE: Final = 1 << 14
GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
STAMP_DIGITS: Final = 19
NAMED_LINES: Final = 20  # bad lines that are named; the others are only counted


LAST_LINE_CUT: Final = "the last line is cut and left out"


class RecordingError(Exception):
    """A recording that cannot be used; the message names the file, the line where there is one, and the cause."""


@dataclass(slots=True)
class ReadReport:
    """What reading met. ``notes`` are "file:line: cause" of the first bad lines and of a cut."""

    lines: int = 0
    bad_lines: int = 0
    truncated: bool = False
    notes: list[str] = field(default_factory=list)

    def bad_line(self, path: Path, line: int, cause: str) -> None:
        """Count a line that could not be read; the first ones are named, with file, line and cause."""
        self.bad_lines += 1
        if self.bad_lines <= NAMED_LINES:
            self.notes.append(f"{path}:{line}: {cause}")


class _Decompressor(Protocol):
    """What zlib's and zstandard's decompression objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gunzip() -> _Decompressor:
    return zlib.decompressobj(wbits=31)


def _unzstd() -> _Decompressor:
    return zstandard.ZstdDecompressor().decompressobj()


def chunks(path: Path, report: ReadReport) -> Iterator[bytes]:
    """The decompressed bytes of ``path`` piece by piece; sets ``report.truncated`` when the file was cut or damaged.

    The compression is told by the first bytes, not by the name. Raises RecordingError for a missing or empty file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(READ_SIZE)
            if not data:
                raise RecordingError(f"{path}: the file is empty")
            new: Callable[[], _Decompressor]
            if data.startswith(GZIP_MAGIC):
                new = _gunzip
            elif data.startswith(ZSTD_MAGIC):
                new = _unzstd
            else:
                while data:
                    yield data
                    data = file.read(READ_SIZE)
                return
            yield from _members(path, data, lambda: file.read(READ_SIZE), new, report)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error


def _members(
    path: Path, data: bytes, read: Callable[[], bytes], new: Callable[[], _Decompressor], report: ReadReport
) -> Iterator[bytes]:
    """Decompress one compressed member after the other, as ``cat a.gz b.gz`` makes them."""
    part, started = new(), False
    while data:
        if not started and not data.strip(b"\0"):
            return  # zero padding after the last member, as tar and some disks leave it
        started = True
        out, data, cause = _feed(part, data)
        if out:
            yield out
        if cause:
            report.truncated = True
            report.notes.append(f"{path}: damaged compressed data, read up to there ({cause})")
            return
        if part.eof:
            part, started = new(), False
        data = data or read()
    if started:
        report.truncated = True
        report.notes.append(f"{path}: the file was cut, read up to there")


def _feed(part: _Decompressor, data: bytes) -> tuple[bytes, bytes, str]:
    """Decompress ``data``: (output, input left after the member's end, cause of damage or "").

    In small pieces, so that damage loses no more than one piece of what comes before it.
    """
    output = []
    for start in range(0, len(data), PIECE):
        try:
            output.append(part.decompress(data[start : start + PIECE]))
        except (zlib.error, zstandard.ZstdError) as error:
            return b"".join(output), b"", str(error)
        if part.eof:
            return b"".join(output), part.unused_data + data[start + PIECE :], ""
    return b"".join(output), b"", ""


def frames(path: Path, report: ReadReport | None = None) -> Iterator[tuple[int, bytes]]:
    """(local receive time in ns, frame) of every line; lines of another form are counted and named in ``report``.

    Raises RecordingError when the file cannot be read at all or holds no recording line.
    """
    report = report if report is not None else ReadReport()
    rest = b""
    good = 0
    for chunk in chunks(path, report):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            report.lines += 1
            if (parsed := split_line(line)) is not None:
                good += 1
                yield parsed
            elif line:
                report.bad_line(path, report.lines, "no receive time of 19 digits (nanoseconds) before a frame")
    if rest:
        report.lines += 1
        parsed = split_line(rest)
        if parsed is not None and not report.truncated and parsed[1].rstrip().endswith((b"}", b"]")):
            good += 1
            yield parsed
        else:
            report.truncated = True
            report.notes.append(f"{path}:{report.lines}: {LAST_LINE_CUT}")
    if not good:
        raise RecordingError(f"{path}:1: not a recording: no line is '<receive time in ns> <frame>'")


def split_line(line: bytes) -> tuple[int, bytes] | None:
    """(receive time in ns, frame), or None when the line has another form."""
    stamp, space, frame = line[:STAMP_DIGITS], line[STAMP_DIGITS : STAMP_DIGITS + 1], line[STAMP_DIGITS + 1 :]
    if space != b" " or not stamp.isdigit() or not frame.startswith((b"{", b"[")):
        return None
    return int(stamp), frame
