"""Records without a screen: every engine is polled on a thread of its own until the recording is to end."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mmctl.client.age import MISSED_POLLS, Reading, poll
from mmctl.tui.picture import Picture, Reader
from mmctl.tui.recording.recorder import Recorder
from mmctl.tui.snapshot import Snapshot, Source


class Tell(Protocol):
    """Who is told what happens to the recording."""

    def __call__(self, event: str, what: str, engine: str = "") -> None:
        """``event``: silent, answers, trouble or writes; ``engine`` of the first two; ``what`` in words."""


def record(
    sources: Sequence[Source],
    recorder: Recorder,
    interval: float,
    over: threading.Event,
    tell: Tell,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Polls every ``interval`` seconds until ``over`` is set. An engine that does not answer is asked for ever."""
    threads = [
        threading.Thread(target=_record_one, args=(source, recorder, interval, over, tell, clock), daemon=True)
        for source in sources
    ]
    for thread in threads:
        thread.start()
    trouble = ""
    while not over.wait(min(1.0, interval)):
        found = recorder.trouble
        if bool(found) != bool(trouble):
            tell("trouble" if found else "writes", found or "what is polled is written again")
        trouble = found
    end = time.monotonic() + 5.0
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _record_one(
    source: Source,
    recorder: Recorder,
    interval: float,
    over: threading.Event,
    tell: Tell,
    clock: Callable[[], float],
) -> None:
    reading: Reading[Picture] = Reading()
    reader = Reader()
    due = clock()
    while not over.is_set():
        came: list[Snapshot] = []

        def read(came: list[Snapshot] = came) -> Picture:
            came.append(source.poll())
            return reader.picture(came[0])

        before, reading = reading.failures, poll(reading, read, clock)
        recorder.add(source.name, came[0] if came else None, reading)
        if reading.failures == MISSED_POLLS:
            tell("silent", reading.error, source.name)
        elif before >= MISSED_POLLS and not reading.failures:
            tell("answers", "it answers again", source.name)
        due = max(due + interval, clock())
        over.wait(max(0.0, due - clock()))
