"""Frames that arrived together move the book one by one and are decided on once; what closes the gate never waits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.live_session import SYMBOL, Rig, diff


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made.live()
    await made.feed.close()
    made.close()


def level(price: str, lots: str) -> str:
    return f'["{price}","{lots}"]'


def arrives(rig: Rig, bids: str, *, more: bool, skip: int = 0) -> None:
    """The next diff, with others behind it where ``more``."""
    rig.last_id += 1 + skip
    rig.now += 1_000_000
    rig.session.heartbeat_ns = rig.now
    rig.markets.on_frame(SYMBOL, diff(rig.last_id, rig.last_id, bids), rig.now, more)


async def test_frames_that_came_together_are_decided_on_once_on_the_newest_book(rig: Rig) -> None:
    rig.exchange.answer()
    rig.tick()
    decisions, frames = rig.pair.quoter.decisions, rig.feed.frames
    arrives(rig, level("2000.01", "3.000"), more=True)
    arrives(rig, level("2000.05", "3.000"), more=True)
    assert rig.pair.quoter.decisions == decisions
    arrives(rig, level("2000.03", "1.000"), more=False)
    assert rig.pair.quoter.decisions == decisions + 1
    assert rig.feed.frames == frames + 3
    assert rig.feed.mid2 == 200_005 + 200_010
    await asyncio.sleep(0)
    assert rig.pair.quoter.decisions == decisions + 1, "a tick is not decided on twice"


async def test_a_gap_among_frames_that_came_together_cancels_at_once(rig: Rig) -> None:
    rig.exchange.answer()
    arrives(rig, level("2000.01", "3.000"), more=True)
    arrives(rig, level("2000.01", "4.000"), more=True, skip=5)
    assert rig.exchange.cancelled == rig.exchange.placed


async def test_a_held_tick_is_decided_on_at_the_end_of_the_round_when_nothing_more_comes_of_the_frames_behind_it(
    rig: Rig,
) -> None:
    rig.exchange.answer()
    decisions = rig.pair.quoter.decisions
    arrives(rig, level("2000.01", "3.000"), more=True)
    await asyncio.sleep(0)
    assert rig.pair.quoter.decisions == decisions + 1
