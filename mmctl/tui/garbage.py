"""Garbage is collected while nobody types: to look through all objects of a dashboard takes 100 ms, and no key waits.

Left alone, Python does that about once a second here, because every poll brings some ten thousand objects that live
until the next. Almost all of them go by their count of references; what goes round in circles waits for a quiet moment.
"""

import gc
from collections.abc import Callable
from typing import Final

#: After so long without a key or a click nobody waits for one, seconds.
QUIET_SECONDS: Final = 3.0
#: From one whole collection to the next, seconds, when it is quiet.
EVERY_SECONDS: Final = 30.0
#: The longest time without one, whatever is typed, seconds.
LATEST_SECONDS: Final = 600.0
#: Objects more than before until the youngest are looked through: many, since those of a poll replace those of the one
#: before; and how often that is until those are that outlived it.
YOUNG: Final = (15_000, 10)
#: Whole collections that Python begins by itself: none.
NEVER: Final = 1_000_000


class Garbage:
    """Takes over from Python's own collector with ``begin`` and gives back with ``end``. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._before: tuple[int, int, int] | None = None
        self._touched = self._collected = clock()

    def begin(self) -> None:
        """From now on nothing but ``look`` looks through all objects."""
        self._before = gc.get_threshold()
        gc.set_threshold(*YOUNG, NEVER)
        self._collect()

    def end(self) -> None:
        """As before ``begin``."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None

    def quiet_seconds(self) -> float:
        """How long nobody has typed or clicked, seconds."""
        return self._clock() - self._touched

    def touched(self) -> None:
        """Somebody typed or clicked."""
        self._touched = self._clock()

    def look(self) -> bool:
        """Collects when it is due and quiet; whether it did. Called about once a second."""
        now = self._clock()
        quiet = self.quiet_seconds() >= QUIET_SECONDS
        if self._before is None or now - self._collected < (EVERY_SECONDS if quiet else LATEST_SECONDS):
            return False
        self._collect()
        return True

    def _collect(self) -> None:
        """What outlives it is set aside, so that the collections of younger objects do not look at it again."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._collected = self._clock()
