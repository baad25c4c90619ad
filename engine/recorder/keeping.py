"""What is done with finished files, in a thread beside the recording: checks that are missing, the store, old files."""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.recorder.facts import Check
from engine.recorder.figures import RecorderStanding
from engine.recorder.folder import delete, finish, kept, newest, to_delete, unfinished
from engine.recorder.ship import Store, ship
from engine.recorder.tape import RecordedPair

log = logging.getLogger("recorder")

EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How long files are kept (ns), how much all may take (bytes), and where they go."""

    keep_ns: int
    most_bytes: int
    store: Store | None
    address: str


class Keeper:
    """``writing()`` are the files in progress, which are left alone."""

    def __init__(self, root: Path, rules: Rules, standing: RecorderStanding, writing: Callable[[], list[Path]]) -> None:
        self._root, self._rules, self._standing, self._writing = root, rules, standing, writing
        self._damaged: set[Path] = set()
        self._said = ""

    async def earlier(self, instruments: Iterable[RecordedPair]) -> dict[RecordedPair, Check]:
        """Finish what earlier runs left, and the last file of each instrument."""
        wanted = list(instruments)

        def look() -> dict[RecordedPair, Check]:
            for rest in self._root.glob("*/*/ship-*"):
                shutil.rmtree(rest, ignore_errors=True)
            self._finish()
            found = {instrument: newest(self._root, instrument) for instrument in wanted}
            return {instrument: check for instrument, check in found.items() if check is not None}

        return await asyncio.to_thread(look)

    async def run(self) -> None:
        """A round every ``EVERY_S`` seconds, for ever."""
        while True:
            await self.round()
            await asyncio.sleep(EVERY_S)

    async def round(self) -> None:
        """One round; what fails is told and tried again in the next."""
        try:
            await asyncio.to_thread(self._round)
        except OSError as error:
            log.error("finished files cannot be looked after: %s", error)

    def _finish(self) -> None:
        for path in unfinished(self._root, self._writing()):
            if path in self._writing():
                continue  # it was begun meanwhile
            try:
                check = finish(path)
            except OSError as error:
                log.error("%s was left unfinished, and its check cannot be written: %s", path, error.strerror)
                continue
            said = "whole" if check.whole else "readable up to a cut"
            log.warning("%s was left by a recorder that was killed: %d frames, %s", path.name, check.facts.frames, said)

    def _round(self) -> None:
        rules, standing = self._rules, self._standing
        self._finish()
        files = kept(self._root)
        if rules.store is not None:
            waiting = [one.path for one in files if not one.shipped and one.path not in self._damaged]
            result = ship(self._root, waiting, rules.store, rules.address)
            for path in result.damaged:
                log.critical("%s is not what its check says: it is not shipped and not deleted", path)
            self._damaged |= set(result.damaged)
            if result.files:
                log.info("%d files are in the store", result.files, extra={"store": rules.address})
            if result.failed and result.failed != self._said:
                log.error("the store: %s", result.failed)
            standing.ship_failures += bool(result.failed)
            standing.ship_failed = self._said = result.failed
            files = kept(self._root)
        stored = rules.store is not None
        for one in to_delete(files, time.time_ns(), rules.keep_ns, rules.most_bytes, stored=stored):
            with contextlib.suppress(OSError):
                delete(one)
                log.info("%s was deleted%s", one.path.name, "; the store has it" if one.shipped else "")
        files = kept(self._root)
        self._damaged = {path for path in self._damaged if path.exists()}
        standing.kept_bytes = sum(one.size for one in files)
        standing.unshipped = sum(not one.shipped for one in files) if stored else 0
        standing.damaged = len(self._damaged)
