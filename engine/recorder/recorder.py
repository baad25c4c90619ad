"""The recorder put together: tapes, connections, snapshots, the writer, and what watches disk and clock."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.recorder.facts import Check, FileFacts
from engine.recorder.feed import OVERLAP_S, RENEW_S, feeds
from engine.recorder.figures import RecorderFigures, RecorderStanding
from engine.recorder.folder import FolderLock
from engine.recorder.keeping import Keeper, Rules
from engine.recorder.rest import PACE_S, AskError, Rest
from engine.recorder.tape import PairTape, RecordedPair
from engine.recorder.writer import Writer
from engine.telemetry.process import ProcessFigures
from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.link import LinkTimes

log = logging.getLogger("recorder")

FLUSH_S: Final = 1.0  # what a kill can cost
CLOCK_STEP_NS: Final = 100_000_000
STATUS_S: Final = 1800.0  # between two questions whether an instrument is traded,
STATUS_AGAIN_S: Final = 60.0  # and where there was no answer
SNAPSHOT_AGAIN_S: Final = 2.0
SNAPSHOT_LONGEST_S: Final = 120.0
STOP_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """What is recorded, from where, and where to. Lengths of time in seconds, sizes in bytes."""

    root: Path
    instruments: tuple[RecordedPair, ...]
    places: dict[Market, Endpoints]
    rules: Rules
    rotate_ns: int = 3_600_000_000_000
    min_free: int = 0
    request_s: float = 5.0
    times: LinkTimes = field(default_factory=lambda: LinkTimes(stale_after_s=60.0))
    renew_s: float = RENEW_S
    overlap_s: float = OVERLAP_S
    pace_s: float = PACE_S


class Recorder:
    """One run. ``start`` needs a running loop; ``stop`` ends every file whole."""

    def __init__(self, settings: RecorderSettings) -> None:
        """Raises FolderError where the folder is another recorder's, or cannot be written."""
        self.settings, self.standing = settings, RecorderStanding()
        self._lock = FolderLock(settings.root)
        self._loop = asyncio.get_running_loop()
        self.writer = Writer(settings.root, self._ended, self._failed)
        self.tapes = [PairTape(one, self.writer, settings.rotate_ns) for one in settings.instruments]
        self.feeds = [
            feed
            for market, places in settings.places.items()
            for feed in feeds(
                market,
                places,
                [tape for tape in self.tapes if tape.instrument.market == market.value],
                settings.times,
                renew_s=settings.renew_s,
                overlap_s=settings.overlap_s,
            )
        ]
        venue = settings.instruments[0].venue
        self.figures = RecorderFigures(venue, self.tapes, self.feeds, self.writer, self.standing)
        self.process = ProcessFigures(self.figures.exporter, disk=settings.root)
        self.keeper = Keeper(settings.root, settings.rules, self.standing, lambda: self.writer.writing)
        self._rest = Rest(settings.places, settings.request_s, settings.pace_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._snapshots: dict[RecordedPair, float] = {}  # when one is asked for again, monotonic s
        self._waits: dict[RecordedPair, float] = {}
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def start(self) -> None:
        """Connect and write."""
        self._look_at_disk()
        self.writer.start()
        self.process.start()
        for feed in self.feeds:
            feed.start()
        self._also(self._every(), self._ask_for_snapshots(), self._ask_for_status(), self._look_back())

    async def stop(self) -> bool:
        """End every file; False where the disk did not take what waited within ``STOP_S``."""
        for feed in self.feeds:
            await feed.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.process.stop()
        for tape in self.tapes:
            tape.close("stopped")
        written = await asyncio.to_thread(self.writer.stop, STOP_S)
        await self._rest.close()
        if written:
            self._lock.release()
        return written

    def _also(self, *works: Coroutine[Any, Any, None]) -> None:
        self._tasks += [self._loop.create_task(self._guarded(work)) for work in works]

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A part that fails ends the process: one that does half of its work is believed to do all of it."""
        try:
            await work
        except Exception as error:
            log.critical("the recorder fails: %s: %s", type(error).__name__, error)
            self.figures.standing.paused = f"failed: {type(error).__name__}"
            self.broken.set_result(error)
            raise

    @property
    def broken(self) -> "asyncio.Future[Exception]":
        """Done when a part has failed."""
        if not hasattr(self, "_broken"):
            self._broken: asyncio.Future[Exception] = self._loop.create_future()
        return self._broken

    # -- time, disk, gaps --------------------------------------------------------------------------------------------

    async def _every(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._look_at_clock()
            self._look_at_disk()
            now_ns = time.time_ns()
            for tape in self.tapes:
                tape.flush(now_ns)
            self.tell_gaps()

    def tell_gaps(self) -> None:
        """Count and log what was found to be missing."""
        for tape in self.tapes:
            found, tape.gaps = tape.gaps, []
            for gap in found:
                self.figures.gap(gap)
                log.warning(
                    "%s: %.3f s are missing (%s): from %d to %d, update ids %d to %d",
                    *(tape.instrument.name, gap.seconds, gap.reason, gap.from_ns, gap.to_ns),
                    *(gap.from_update, gap.to_update),
                )

    def _look_at_clock(self) -> None:
        offset = time.time_ns() - time.monotonic_ns()
        step, self._offset_ns = offset - self._offset_ns, offset
        if abs(step) > CLOCK_STEP_NS:
            log.warning("the clock was set by %+.3f s; receive times before and after do not fit", step / 1e9)
            for tape in self.tapes:
                tape.close(f"clock: set by {step / 1e9:+.3f} s")

    def _look_at_disk(self) -> None:
        try:
            seen = os.statvfs(self.settings.root)
            free, why = seen.f_bavail * seen.f_frsize, ""
        except OSError as error:
            free, why = 0, f"disk: {error.strerror}"
        paused = bool(self.standing.paused)
        margin = self.settings.min_free // 10 if paused else 0  # it does not go on and off at the edge
        if free <= self.settings.min_free + margin:
            why = (
                why or f"disk: {free // 1_000_000} MB free, recorder.min_free is {self.settings.min_free // 1_000_000}"
            )
        elif self.writer.refused or (paused and self.writer.waiting):
            why = "disk: it does not keep up"
        if why:
            self._pause(why)
        elif paused and not self.standing.paused.startswith("failed"):
            self._go_on()

    def _pause(self, why: str) -> None:
        if not self.standing.paused:
            log.critical("nothing is recorded: %s; files so far are whole", why)
        self.standing.paused = why
        for tape in self.tapes:
            taken = self.writer.refused.get(tape.file)
            if taken is not None:
                tape.failed(taken)
            if not tape.paused:
                tape.pause("disk", why)
        if not self.writer.waiting:
            self.writer.refused.clear()

    def _go_on(self) -> None:
        log.warning("recording goes on; it was paused: %s", self.standing.paused)
        self.standing.paused = ""
        for tape in self.tapes:
            tape.go_on()

    def _ended(self, path: Path, check: Check) -> None:
        facts = check.facts
        log.info("%s: %d frames, %d gaps, %s", path.name, facts.frames, facts.gap_count, check.ended)

    def _failed(self, instrument: RecordedPair, written: FileFacts, error: OSError) -> None:
        """In the writer's thread."""
        self._loop.call_soon_threadsafe(self._given_up, instrument, written, error.strerror or type(error).__name__)

    def _given_up(self, instrument: RecordedPair, written: FileFacts, why: str) -> None:
        for tape in self.tapes:
            if tape.instrument == instrument:
                tape.failed(written)
        self._pause(f"disk: {why}")

    # -- the exchange over REST --------------------------------------------------------------------------------------

    async def _ask_for_snapshots(self) -> None:
        while True:
            now = time.monotonic()
            due = [tape for tape in self.tapes if tape.snapshot_due and self._snapshots.get(tape.instrument, 0) <= now]
            for tape in due:
                await self._snapshot(tape)
            await asyncio.sleep(0.05)

    async def _snapshot(self, tape: PairTape) -> None:
        instrument = tape.instrument
        said = "it is older than the book's next update"
        try:
            body, ns = await self._rest.depth(Market(instrument.market), instrument.symbol)
            if not tape.snapshot_due or tape.snapshot(body, ns):
                self._waits.pop(instrument, None)
                return
        except AskError as error:
            said = str(error)
        wait_s = self._waits.get(instrument, SNAPSHOT_AGAIN_S)
        self._waits[instrument] = min(2 * wait_s, SNAPSHOT_LONGEST_S)
        self._snapshots[instrument] = time.monotonic() + wait_s
        log.warning("%s has no depth snapshot yet: %s; again in %g s", instrument.name, said, wait_s)

    async def _ask_for_status(self) -> None:
        known = self.standing.not_trading
        while True:
            wait_s = STATUS_S
            for tape in self.tapes:
                name, market = tape.instrument.name, Market(tape.instrument.market)
                try:
                    word = await self._rest.status(market, tape.instrument.symbol)
                except AskError as error:
                    log.warning("whether %s is traded is not known: %s", name, error)
                    wait_s = STATUS_AGAIN_S
                    continue
                if word == "TRADING":
                    known.pop(name, None)
                elif known.get(name) != word:
                    known[name] = word
                    log.critical("%s: the exchange says %s; the others are recorded on", name, word)
            await asyncio.sleep(wait_s)

    async def _look_back(self) -> None:
        """What earlier runs left, then the keeper's rounds."""
        found: dict[RecordedPair, Check] = {}
        with contextlib.suppress(OSError):
            found = await self.keeper.earlier(self.settings.instruments)
        for tape in self.tapes:
            check = found.get(tape.instrument)
            if check is not None:
                reason = "killed" if check.ended.startswith("killed") else "stopped"
                tape.follows(check.facts.to_ns, check.facts.last_update, reason)
        await self.keeper.run()


def by_market(instruments: Sequence[RecordedPair]) -> list[Market]:
    """The markets of ``instruments``, each once."""
    return [Market(name) for name in dict.fromkeys(one.market for one in instruments)]
