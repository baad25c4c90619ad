"""Who asks the engines: a thread each, so that one that hangs holds up neither the screen nor the others."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from mmctl.client.age import Reading, poll
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.snapshot import Snapshot, Source

#: An engine that does not answer is asked ever more rarely, up to so many times the interval: for ever, but not in step
#: with whoever else lost it.
MOST_PATIENCE: Final = 4.0
#: Polls missed before asking becomes rarer: until then it must be as frequent as staleness is judged.
PATIENT_AFTER: Final = 5
JITTER: Final = 0.2
#: Seconds between two polls: what + and - choose from.
INTERVALS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Keeper(Protocol):
    """Keeps what was read: a recorder."""

    def add(self, engine: str, snapshot: Snapshot | None, reading: Reading[Picture]) -> None:
        """One poll of ``engine``; no snapshot where none came, and the reading says why."""


class Pollers:
    """The latest reading of every source, and the threads that bring it. ``interval``: seconds between two polls."""

    def __init__(
        self,
        sources: Sequence[Source],
        interval: float,
        clock: Callable[[], float],
    ) -> None:
        self.interval = interval
        self.readings: dict[str, Reading[Picture]] = {source.name: Reading() for source in sources}
        self._sources = list(sources)
        self._clock = clock
        self.keeper: Keeper | None = None
        self._readers = {source.name: Reader() for source in sources}
        self._ask = {source.name: threading.Event() for source in sources}
        self._over = threading.Event()

    def start(self) -> None:
        """Ask every source from now on. The threads end with the process: a hanging answer holds up no end."""
        for source in self._sources:
            threading.Thread(target=self._for_ever, args=(source,), daemon=True, name=f"poll {source.name}").start()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        for event in self._ask.values():
            event.set()

    @property
    def over(self) -> bool:
        """Whether ``stop`` was called."""
        return self._over.is_set()

    def ask(self) -> None:
        """Have every source asked at once."""
        for event in self._ask.values():
            event.set()

    def wait_after(self, failures: int) -> float:
        """Seconds until the next poll after so many in a row that failed."""
        patience = min(MOST_PATIENCE, 2.0 ** (failures - PATIENT_AFTER)) if failures > PATIENT_AFTER else 1.0
        jitter = 1.0 + random.uniform(-JITTER, JITTER) if failures else 1.0  # noqa: S311 - spreads load, guards nothing
        return self.interval * patience * jitter

    def _for_ever(self, source: Source) -> None:
        event = self._ask[source.name]
        while not self._over.is_set():
            self.once(source)
            event.wait(self.wait_after(self.readings[source.name].failures))
            event.clear()

    def once(self, source: Source) -> None:
        """One poll, here and now; whatever goes wrong becomes part of the reading."""
        came: list[Snapshot] = []

        def read() -> Picture:
            came.append(source.poll())
            return self._readers[source.name].picture(came[0])

        reading = poll(self.readings[source.name], read, self._clock)
        self.readings[source.name] = reading
        if self.keeper is not None:
            self.keeper.add(source.name, came[0] if came else None, reading)
