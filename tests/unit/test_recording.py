"""Reading recordings: every compression, files cut or damaged in the middle, garbage lines, files of another kind."""

import gzip
from pathlib import Path

import pytest
import zstandard

from engine.market.recording import ReadReport, RecordingError, frames
from tests.market import START_NS, diff, lines

FRAMES = [diff(k, k, k - 1, [(f"{k}.00", "1")]) for k in range(1, 2001)]
TEXT = lines(FRAMES)


def read(path: Path) -> tuple[list[tuple[int, bytes]], ReadReport]:
    report = ReadReport()
    return list(frames(path, report)), report


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT),
        zstandard.compress(TEXT),
        gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
        zstandard.compress(TEXT[:1000]) + zstandard.compress(TEXT[1000:]),
    ],
    ids=["plain", "gzip", "zstandard", "gzip in two members", "zstandard in two frames"],
)
def test_the_compression_is_told_by_the_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    got, report = read(path)
    assert [frame for _, frame in got] == FRAMES
    assert got[0][0] == START_NS
    assert (report.truncated, report.bad_lines) == (False, 0)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bytes], ids=["gzip", "zstandard", "plain"])
def test_a_cut_file_is_read_up_to_the_cut_and_reported(tmp_path: Path, compress: type[bytes]) -> None:
    path = tmp_path / "recording"
    whole = compress(TEXT)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    got, report = read(path)
    assert report.truncated
    assert [frame for _, frame in got] == FRAMES[: len(got)]
    assert any(str(path) in note for note in report.notes)


def test_most_of_a_gzip_damaged_near_its_end_is_read(tmp_path: Path) -> None:
    noisy = lines([b'{"x":"%s"}' % bytes(97 + (k * k + i) % 26 for i in range(400)) for k in range(4000)])
    whole = bytearray(gzip.compress(noisy))
    whole[-2000:-1500] = bytes(500)
    path = tmp_path / "recording.gz"
    path.write_bytes(whole)
    got, report = read(path)
    assert report.truncated
    assert got


def test_garbage_lines_are_named_by_file_and_line_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    good = TEXT.split(b"\n")
    path.write_bytes(b"\n".join([good[0], b"garbage", good[1], b"123 {}", good[2], b""]))
    got, report = read(path)
    assert [frame for _, frame in got] == FRAMES[:3]
    assert report.bad_lines == 2
    assert [note.split(": ")[0] for note in report.notes] == [f"{path}:2", f"{path}:4"]


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"open,high,low\n1,2,3\n", "not a recording"), (b"\x1f\x8bxx", "recording")]
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "candles.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing\.gz: No such file"):
        read(tmp_path / "nothing.gz")
