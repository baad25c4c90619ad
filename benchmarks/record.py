"""Recording: our tape and writer to finished files; beside it a recorder of the common kind, on the same frames.

Theirs is what cryptofeed's and hftbacktest's collectors do for each frame: ``json.loads`` to find out whose it is and
what, then a line into ``gzip`` (level 6); written here in a few lines, with one file and no check, index, sync or
sequence check, so it is spared what ours does besides. Speed is frames per second of processor time, all threads
together: how busy the machine is else does not count. Both write the frames of one futures recording over and over,
with its update ids carried on, in simulated time at ``--rate`` frames a second.

``--hours N`` simulates N hours of ours at that rate, an hour a file, old files deleted as they would be, and reports
resident memory after each 24th of them (``memory_mb``).
"""

import argparse
import gzip
import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.side_by_side import by_turns, compare, recording
from engine.market.recording import frames
from engine.recorder.facts import Check, FileFacts
from engine.recorder.folder import delete, kept, to_delete
from engine.recorder.tape import PairTape, RecordedPair
from engine.recorder.writer import Writer

HOUR_NS: Final = 3_600_000_000_000
START_NS: Final = 1_723_161_600_000_000_000
FLUSH_S: Final = 1
MOST_BYTES: Final = 2_000_000_000
_IDS: Final = re.compile(rb'"(U|u|pu)":(\d+)')


class Market:
    """One recording's frames for ever: the update ids of each round follow those of the one before."""

    def __init__(self, path: Path) -> None:
        own = [frame for _, frame in frames(path) if frame.startswith(b'{"stream":"')]
        self.frames = own
        ids = [int(number) for frame in own if b"@depth" in frame[:40] for _, number in _IDS.findall(frame[:256])]
        self._first, self._span = min(ids), max(ids) - min(ids) + 1
        symbol = own[0].partition(b'"stream":"')[2].partition(b"@")[0].decode().upper()
        self.pair = RecordedPair("binance", "usdm", symbol)
        self._last = max(ids)

    def round(self, number: int) -> list[bytes]:
        """The frames of round ``number``."""
        if not number:
            return self.frames
        shift = number * self._span

        def later(found: re.Match[bytes]) -> bytes:
            return b'"%s":%d' % (found[1], int(found[2]) + shift)

        made, first = [], True
        for frame in self.frames:
            if b"@depth" in frame[:40]:
                frame = _IDS.sub(later, frame, count=3)
                if first:  # it follows the last of the round before
                    follows = b'"pu":%d' % (self._last + shift - self._span)
                    frame, first = re.sub(rb'"pu":\d+', follows, frame, count=1), False
            made.append(frame)
        return made


class Ours:
    """Our half of the recorder behind the socket."""

    def __init__(self, root: Path, pair: RecordedPair) -> None:
        self.root, self.checks, self.lost = root, list[Check](), list[OSError]()
        self.writer = Writer(root, self._ended, self._failed)
        self.tape = PairTape(pair, self.writer, HOUR_NS)
        self.writer.start()

    def _ended(self, path: Path, check: Check) -> None:
        self.checks.append(check)

    def _failed(self, pair: RecordedPair, written: FileFacts, error: OSError) -> None:
        self.lost.append(error)

    def take(self, many: Sequence[bytes], ns: int, step_ns: int, per_flush: int) -> int:
        """Record ``many`` frames ``step_ns`` apart from ``ns`` on; returns the time of the next."""
        tape, writer = self.tape, self.writer
        for at in range(0, len(many), per_flush):
            for frame in many[at : at + per_flush]:
                tape.frame(frame, ns)
                ns += step_ns
            tape.flush(ns)
            while writer.waiting > 8 << 20:  # simulated time does not outrun the disk
                time.sleep(0.001)
        return ns

    def end(self) -> None:
        self.tape.close("stopped")
        if not self.writer.stop(60) or self.lost or self.writer.refused:
            raise RuntimeError(f"not everything was written: {self.lost}")


def theirs(many: Sequence[bytes], path: Path) -> None:
    """A recorder of the common kind."""
    with gzip.open(path, "wb", compresslevel=6) as out:
        for number, frame in enumerate(many):
            message = json.loads(frame)
            message["stream"].partition("@")
            out.write(b"%d %b\n" % (START_NS + number, frame))


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def simulated(market: Market, root: Path, hours: float, rate: int) -> dict[str, Any]:
    """``hours`` of recorded time at ``rate`` frames a second."""
    ours, step_ns, ns = Ours(root, market.pair), 1_000_000_000 // rate, START_NS
    end_ns, begun = START_NS + int(hours * HOUR_NS), time.perf_counter()
    memory: list[float] = []
    rounds = _rounds(market)
    while ns < end_ns:
        part = 24 * (ns - START_NS) // (end_ns - START_NS)
        left = (end_ns - ns) // step_ns
        if not left:
            break
        many = next(rounds)[:left]
        ns = ours.take(many, ns, step_ns, rate * FLUSH_S)
        if 24 * (ns - START_NS) // (end_ns - START_NS) > part:
            memory.append(round(resident_mb(), 1))
            for one in to_delete(kept(root), ns, 10**18, MOST_BYTES, stored=False):
                delete(one)
    ours.end()
    return {
        "hours": hours,
        "rate": rate,
        "frames": sum(check.facts.frames for check in ours.checks),
        "files": len(ours.checks),
        "gaps": sum(check.facts.gap_count for check in ours.checks),
        "mb": round(sum(check.bytes for check in ours.checks) / 1e6, 1),
        "seconds": round(time.perf_counter() - begun, 1),
        "memory_mb": memory,
    }


def _rounds(market: Market) -> Iterator[list[bytes]]:
    number = 0
    while True:
        yield market.round(number)
        number += 1


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks record", description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="a futures recording; default usdm-ethusdt.gz")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=20_000, help="frames a second of recorded time")
    parser.add_argument("--hours", type=float, default=0.0, help="also simulate so many hours, memory watched")
    args = parser.parse_args(argv)
    market = Market(args.data or recording("usdm-ethusdt.gz"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checks: list[Check] = []

        def our_rate() -> float:
            ours, begun = Ours(folder / "ours", market.pair), time.process_time()
            ours.take(market.frames, START_NS, 1_000_000_000 // args.rate, args.rate * FLUSH_S)
            ours.end()
            checks[:] = ours.checks
            return len(market.frames) / (time.process_time() - begun)

        def their_rate() -> float:
            begun = time.process_time()
            theirs(market.frames, folder / "theirs.gz")
            return len(market.frames) / (time.process_time() - begun)

        figures = by_turns(our_rate, their_rate, args.runs)
        size, lines = sum(check.bytes for check in checks), sum(check.facts.frames for check in checks)
        long = simulated(market, folder / "long", args.hours, args.rate) if args.hours else None
        found = compare(
            "record",
            "json.loads and a gzip line a frame, as cryptofeed's and hftbacktest's collectors do",
            "frames per second of processor time",
            *figures,
            higher_is_better=True,
            gaps=sum(check.facts.gap_count for check in checks) + (long["gaps"] if long else 0),
            mb_per_hour=round(size / lines * args.rate * 3600 / 1e6, 1),
            rate=args.rate,
            their_mb_per_hour=round((folder / "theirs.gz").stat().st_size / lines * args.rate * 3600 / 1e6, 1),
        )
    found |= {"simulated": long} if long else {}
    return {"frames_per_second": round(found["ours"]), **found}
