"""Where a replay stands: a moment of the recording that moves with the clock, and what was known at that moment."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from mmctl.client.age import Reading
from mmctl.client.engine import Document
from mmctl.fleet.errors import Refused
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.recording.marks import Mark
from mmctl.tui.recording.reader import Recording
from mmctl.tui.snapshot import Snapshot

#: Seconds of the recording in one second.
SPEEDS: Final = (1, 2, 5, 10, 30, 60)
_SECOND: Final = 1_000_000_000


class Player:
    """Plays ``recording`` from its first frame on. ``position_ns`` never leaves it."""

    def __init__(self, recording: Recording, clock: Callable[[], float] = time.monotonic) -> None:
        self.recording = recording
        self.speed = SPEEDS[0]
        self.playing = True
        self._clock = clock
        self._from_ns, self._from = recording.span()[0], clock()

    @property
    def position_ns(self) -> int:
        """The moment that is shown, ns since 1970."""
        return self._at(self.recording.span())

    def _at(self, span: tuple[int, int]) -> int:
        passed = round((self._clock() - self._from) * self.speed * _SECOND) if self.playing else 0
        return max(span[0], min(span[1], self._from_ns + passed))

    def seconds(self) -> float:
        """The moment that is shown as a clock: what ages are measured by."""
        return self.position_ns / _SECOND

    def seek(self, ns: int) -> None:
        """Go to a moment; one outside the recording is its first or its last."""
        first, last = self.recording.span()
        self._from_ns, self._from = max(first, min(last, ns)), self._clock()

    def play(self, playing: bool) -> None:
        """Go on, or stand still."""
        self.seek(self.position_ns)
        self.playing = playing

    def faster(self, by: int) -> None:
        """The next speed, or with a negative ``by`` the one before."""
        self.seek(self.position_ns)
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, SPEEDS.index(self.speed) + by))]

    def step(self, engine: str, by: int) -> None:
        """Go to the frame of ``engine`` after the one shown (1) or before it (-1), and stand still there."""
        shown = self.recording.frame(engine, self.position_ns)
        ns = self.recording.beside(engine, shown.ns if shown else self.position_ns, by > 0)
        self.playing = False
        self.seek(ns if ns is not None else self.position_ns)

    def jump(self, kinds: Sequence[str], by: int) -> Mark | None:
        """Go to the next mark of these kinds (1) or the one before (-1), and stand still; None where there is none."""
        mark = self.recording.mark_beside(self.position_ns, by > 0, kinds)
        if mark is not None:
            self.playing = False
            self.seek(mark.ns)
        return mark


class Replayed:
    """One engine of a recording as a source: what was known of it at the moment that the player shows."""

    def __init__(self, name: str, player: Player) -> None:
        self._name, self._player = name, player
        self._reader = Reader()
        self._known: Reading[Picture] = Reading()
        self._shown: tuple[int, int] = (-1, -1)  # times of the frame and of the answer that ``_known`` is of

    @property
    def name(self) -> str:
        return self._name

    def reading(self) -> Reading[Picture]:
        """As a dashboard that polled would have had it at that moment, ages by ``Player.seconds``."""
        recording, at = self._player.recording, self._player.position_ns
        frame = recording.frame(self._name, at)
        if frame is None:
            return Reading(error="the recording has nothing of it yet")
        answer = frame if frame.snapshot else recording.answer(self._name, frame.ns)
        shown = (frame.ns, answer.ns if answer else 0)
        if shown == self._shown:
            return self._known
        value = self._known.value if shown[1] == self._shown[1] else self._picture(answer.snapshot if answer else None)
        self._known = Reading(value, answer.ns / _SECOND if answer else None, frame.error, frame.failures)
        self._shown = shown
        return self._known

    def _picture(self, snapshot: Snapshot | None) -> Picture | None:
        return self._reader.picture(snapshot) if snapshot else None

    def poll(self) -> Snapshot:
        """The snapshot at that moment. Raises LookupError when none had come."""
        answer = self._player.recording.answer(self._name, self._player.position_ns)
        if answer is None or answer.snapshot is None:
            raise LookupError("the recording has no answer of it yet")
        return answer.snapshot

    def focus(self, symbol: str) -> None:
        """Nothing: the book that was recorded is the one there is."""

    def control(self, verb: str, account: str) -> Document:
        """Raises Refused: nothing live is behind a recording."""
        raise Refused(f"{verb}: this is a recording", "Open the target itself to act on it.")


_CLOCK: Final = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d))?Z?")
_STEP: Final = re.compile(r"([+-])(\d+)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str, now_ns: int) -> int:
    """``12:30``, ``12:30:05``, ``2024-08-08 12:30`` (UTC), ``+5m`` or ``-1h`` as ns since 1970.

    Without a date it is of the day of ``now_ns``. Raises ValueError for anything else, with what can be written.
    """
    wanted = text.strip()
    step = _STEP.fullmatch(wanted)
    if step is not None:
        return now_ns + (1 if step[1] == "+" else -1) * int(step[2]) * _UNITS[step[3]] * _SECOND
    clock = _CLOCK.fullmatch(wanted)
    if clock is not None:
        day = datetime.fromtimestamp(now_ns // _SECOND, UTC).date()
        try:
            if clock[1]:
                day = datetime.strptime(clock[1], "%Y-%m-%d").replace(tzinfo=UTC).date()
            found = datetime(day.year, day.month, day.day, int(clock[2]), int(clock[3]), int(clock[4] or 0), tzinfo=UTC)
        except ValueError:
            pass
        else:
            return (found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * _SECOND
    raise ValueError(f"'{wanted}' is no time: write 12:30, 12:30:05, 2024-08-08 12:30, +5m or -1h")
