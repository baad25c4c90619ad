"""When a dashboard looks for garbage: never while somebody types, and as before once it has ended."""

import gc
from collections.abc import Iterator

import pytest

from mmctl.tui.garbage import EVERY_SECONDS, LATEST_SECONDS, QUIET_SECONDS, Garbage


class Circle:
    """Refers to itself: only a collection frees it."""

    alive = 0

    def __init__(self) -> None:
        self.itself = self
        type(self).alive += 1

    def __del__(self) -> None:
        type(self).alive -= 1


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def garbage(now: list[float]) -> Iterator[Garbage]:
    found = Garbage(lambda: now[0])
    found.begin()
    yield found
    found.end()


def test_what_goes_round_in_circles_waits_until_nobody_types(garbage: Garbage, now: list[float]) -> None:
    Circle()
    now[0] += EVERY_SECONDS
    garbage.touched()
    now[0] += QUIET_SECONDS / 2
    assert not garbage.look()
    assert Circle.alive == 1
    now[0] += QUIET_SECONDS
    assert garbage.look()
    assert Circle.alive == 0
    assert not garbage.look()


def test_somebody_who_never_stops_typing_holds_it_up_only_so_long(garbage: Garbage, now: list[float]) -> None:
    Circle()
    end = now[0] + LATEST_SECONDS
    while now[0] < end:
        garbage.touched()
        assert not garbage.look()
        now[0] += 1.0
    assert garbage.look()
    assert Circle.alive == 0


def test_python_never_begins_a_whole_collection_by_itself_meanwhile_and_does_afterwards(now: list[float]) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    garbage = Garbage(lambda: now[0])
    garbage.begin()
    begun = gc.get_stats()[2]["collections"]
    kept: list[list[list[int]]] = [[[] for _ in range(100)] for _ in range(5_000)]
    assert gc.get_stats()[2]["collections"] == begun
    assert gc.get_freeze_count() > frozen
    del kept
    garbage.end()
    assert gc.get_threshold() == before
    assert not garbage.look()


def test_before_it_has_begun_nothing_is_collected(now: list[float]) -> None:
    garbage = Garbage(lambda: now[0])
    now[0] += LATEST_SECONDS
    assert not garbage.look()
