"""The terminal dashboard: from key to paint, its share of a core, its memory; and how large a recorded day is.

The dashboard is a process of its own on a terminal of its own, looking at an engine whose every position moves ten
times a second. The recording is of the sandbox exchange and a real engine; the day is as many of its chunks, one after
another in time, so that a seek finds what it would find in a day. The peers are measured on the same frames: dolphie's
way (each frame by itself, zstd against a dictionary trained on the first ones), and each by itself without one.
"""

import argparse
import os
import pty
import random
import re
import select
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import zstandard

from benchmarks.side_by_side import ROOT, NoRecording
from mmctl.tui.picture import Reader
from mmctl.tui.recording.reader import Recording
from tests.unit.fake_engine import write_fleet

POSITIONS: Final = 500
KEYS: Final = 120
SETTLE_SECONDS: Final = 8.0
DAY: Final = 86_400
SEEKS: Final = 200
RECORD_SECONDS: Final = 390
_SECOND: Final = 1_000_000_000
UP: Final = b"\x1b[A"
DOWN: Final = b"\x1b[B"
#: What the head says after each key.
VIEWS: Final = ((b"2", b"[Risk]"), (b"1", b"[Overview]"), (b"7", b"[Events]"), (b"1", b"[Overview]"))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Key to paint, share of a core, memory; a recorded day, a seek in it, and the day as the peers keep it."""
    return {**dashboard(arguments.runs or KEYS), **recorded_day(RECORD_SECONDS)}


# --- the dashboard ----------------------------------------------------------------------------------------------------


def symbol(number: int) -> bytes:
    """The name of a position."""
    return b"S%03dUSDT" % number


class Screen:
    """A dashboard on a pseudo terminal; what it writes is read as it comes."""

    def __init__(self, folder: Path, port: int) -> None:
        fleet = write_fleet(folder, port)
        self.main, side = pty.openpty()
        subprocess.run(["stty", "rows", "50", "cols", "160"], stdin=side, check=True)
        words = ["-m", "mmctl", "tui", "here", "--fleet", str(fleet), "--interval", "0.1"]
        clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            env={**clean, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
        )
        os.close(side)
        self.figures = psutil.Process(self.process.pid)

    def until(self, word: bytes, seconds: float) -> bytes:
        """Reads until ``word`` was written; the last of what was. Raises TimeoutError with it."""
        end, seen = time.monotonic() + seconds, b""
        while word not in seen:
            if not select.select([self.main], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"the dashboard never showed {word!r}: {seen[-300:]!r}")
            seen = seen[-65536:] + os.read(self.main, 65536)
        return seen

    def look(self, seconds: float) -> bytes:
        """What comes in that time: a terminal that is not read holds its program up."""
        end, seen = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if select.select([self.main], [], [], left)[0]:
                seen = seen[-65536:] + os.read(self.main, 65536)
        return seen

    def press(self, key: bytes, word: bytes) -> float:
        """Seconds from the key to ``word`` in what is painted."""
        start = time.perf_counter()
        os.write(self.main, key)
        self.until(word, 30.0)
        return time.perf_counter() - start

    def cursor(self) -> bytes:
        """How the row under the cursor begins: learnt while the picture stands still and nothing else is painted."""
        self.press(b"p", b"PAUSED")
        self.look(2.0)
        os.write(self.main, DOWN)
        seen = self.until(symbol(1), 30.0) + self.look(2.0)
        marks: list[bytes] = re.findall(rb"(\x1b\[[0-9;]*m[^\x1b]?)" + symbol(1), seen)
        if not marks:
            raise RuntimeError(f"the row under the cursor was not painted: {seen[-300:]!r}")
        self.press(b"p", b"[Overview]")
        self.look(2.0)
        return marks[-1]

    def cpu(self) -> float:
        """Seconds of a core it has taken."""
        times = self.figures.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


def dashboard(keys: int) -> dict[str, Any]:
    """Figures of a dashboard with 500 positions that move ten times a second."""
    with tempfile.TemporaryDirectory() as folder, engine() as port:
        screen = Screen(Path(folder), port)
        try:
            screen.until(b"[Overview]", 60.0)
            screen.look(SETTLE_SECONDS)
            chance, paints, switches = random.Random(1), [], []
            first = screen.figures.memory_info().rss
            mark = screen.cursor()
            for number in range(keys):
                key, row = (DOWN, 2) if number % 2 == 0 else (UP, 1)
                paints.append(screen.press(key, mark + symbol(row)))
                screen.look(chance.uniform(0.05, 0.2))
            for number in range(keys // 4):
                key, word = VIEWS[number % len(VIEWS)]
                switches.append(screen.press(key, word))
                screen.look(chance.uniform(0.1, 0.3))
            begin, before = time.monotonic(), screen.cpu()
            screen.look(15.0)
            share = (screen.cpu() - before) / (time.monotonic() - begin)
            grown = screen.figures.memory_info().rss - first
        finally:
            screen.close()
    return {
        "positions": POSITIONS,
        "paint_p50_ms": round(statistics.median(paints) * 1e3, 1),
        "paint_p99_ms": round(sorted(paints)[int(len(paints) * 0.99)] * 1e3, 1),
        "paint_keys": len(paints),
        "screen_p50_ms": round(statistics.median(switches) * 1e3, 1),
        "screen_p99_ms": round(sorted(switches)[int(len(switches) * 0.99)] * 1e3, 1),
        "cpu_share": round(share, 3),
        "memory_growth_mb": round(grown / 1e6, 1),
    }


@contextmanager
def engine() -> Iterator[int]:
    """An engine of that many positions as a process of its own; its port."""
    command = [sys.executable, "-m", "benchmarks.observability._positions", str(POSITIONS)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


# --- a recorded day ---------------------------------------------------------------------------------------------------


def recorded_day(seconds: int) -> dict[str, Any]:
    """What a day of a real engine's recording takes, and how long a seek in it does."""
    from benchmarks.observability._session import record

    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.rec"
        record(short, Path(folder), seconds)
        day = Path(folder) / "day.rec"
        chunks, frames = lengthen(short, day)
        seeks = [seek(day, chance) for chance in range(SEEKS)]
        return {
            "replay_mb_24h": round(day.stat().st_size / 1e6, 1),
            "replay_chunks_recorded": chunks,
            "seek_p50_ms": round(statistics.median(seeks) * 1e3, 1),
            "seek_p99_ms": round(sorted(seeks)[int(len(seeks) * 0.99)] * 1e3, 1),
            **peers(short, frames),
        }


def lengthen(short: Path, day: Path) -> tuple[int, int]:
    """A day made of the whole chunks of a short recording but the first; how many there are, and their frames."""
    shutil.copy(short, day)
    db = sqlite3.connect(day)
    whole = "select engine, frames, good_ns, dictionary, head, numbers, first_ns, last_ns from chunk order by first_ns"
    rows = db.execute(whole).fetchall()
    longest = max(row[1] for row in rows)
    # The first one's head is what the others are compressed against: of itself nothing would be left.
    rows = [row for row in rows if row[1] == longest][1:]
    if not rows:
        raise NoRecording(f"{short}: too short a recording to say what a day takes")
    db.execute("delete from chunk")
    db.execute("delete from tail")
    start, made = rows[0][6], 0
    for number in range(-(-DAY // longest)):
        engine, frames, good, dictionary, head, numbers, first, last = rows[number % len(rows)]
        at = start + number * longest * _SECOND
        db.execute(
            "insert into chunk (engine, first_ns, last_ns, frames, good_ns, dictionary, head, numbers)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (engine, at, at + last - first, frames, good, dictionary, head, numbers),
        )
        made += frames
    db.commit()
    db.execute("vacuum")
    db.close()
    return len(rows), len(rows) * longest


def seek(day: Path, seed: int) -> float:
    """Seconds from opening the day to the picture of a moment of it."""
    chance = random.Random(seed)
    recording = Recording(day)
    try:
        first, last = recording.span()
        ns = chance.randrange(first, last)
        start = time.perf_counter()
        frame = recording.answer(recording.engines[0], ns)
        assert frame is not None
        assert frame.snapshot is not None
        Reader().picture(frame.snapshot)
        return time.perf_counter() - start
    finally:
        recording.close()


def peers(short: Path, count: int) -> dict[str, Any]:
    """A day of the same frames as others keep them, MB."""
    recording = Recording(short)
    name = recording.engines[0]
    bodies: list[bytes] = []
    for ns in recording.times(name, *recording.span())[:count]:
        frame = recording.frame(name, ns)
        if frame is not None and frame.snapshot is not None:
            bodies.append(b"\n".join(body.data for body in frame.snapshot.bodies.values()))
    recording.close()
    trained = zstandard.train_dictionary(112_640, [*bodies[:10], *bodies[:10]])
    dolphie = zstandard.ZstdCompressor(level=3, dict_data=trained)
    plain = zstandard.ZstdCompressor(level=3)

    def day(compressor: zstandard.ZstdCompressor) -> float:
        return round(sum(len(compressor.compress(body)) for body in bodies) / len(bodies) * DAY / 1e6, 1)

    return {"peer": "dolphie's scheme", "replay_mb_24h_dolphie": day(dolphie), "replay_mb_24h_plain": day(plain)}
