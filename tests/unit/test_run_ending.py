"""A run ends in one fixed order however far it came, each part within its time, and says by its code how that went."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from engine.live.failures import Exit
from engine.run.ending import Ending, Part, Turn
from engine.run.stop import Stopped, StopRequest


@pytest.fixture
async def stop() -> StopRequest:
    return StopRequest()


def part(turn: Turn, ended: list[Turn], code: Exit | None = None) -> Part:
    async def finish() -> Exit | None:
        ended.append(turn)
        return code

    return Part(turn, turn.name, finish, 5.0)


def broken(error: Exception) -> Callable[[], Awaitable[Exit | None]]:
    async def finish() -> Exit | None:
        raise error

    return finish


async def never() -> Exit | None:
    await asyncio.Event().wait()
    return None


async def test_what_stops_trading_ends_before_what_records_it_whenever_each_was_made(stop: StopRequest) -> None:
    ended: list[Turn] = []
    ending = Ending(stop)
    for turn in (Turn.LISTENER, Turn.LEASE, Turn.JOURNAL, Turn.TRADING, Turn.EXCHANGE, Turn.NEWS):
        ending.add(part(turn, ended))
    assert await ending.end() == Exit.OK
    assert ended == [Turn.NEWS, Turn.TRADING, Turn.JOURNAL, Turn.LEASE, Turn.EXCHANGE, Turn.LISTENER]


@pytest.mark.parametrize(("reason", "code"), [("", Exit.OK), ("the lease was lost", Exit.FAILED)])
async def test_a_run_of_which_nothing_was_made_yet_ends_too(stop: StopRequest, reason: str, code: Exit) -> None:
    stop.reason = reason
    assert await Ending(stop).end() == code


async def test_a_part_that_does_not_end_is_left_after_its_time_and_the_others_still_end(
    stop: StopRequest, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[Turn] = []
    ending = Ending(stop)
    ending.add(Part(Turn.TRADING, "proving zero open orders", never, 0.01, late=Exit.UNPROVED))
    ending.add(part(Turn.LEASE, ended))
    with caplog.at_level(logging.WARNING):
        assert await asyncio.wait_for(ending.end(), 5) == Exit.UNPROVED
    assert ended == [Turn.LEASE]
    assert "proving zero open orders was not done within 0.01 s" in caplog.text


async def test_a_bug_in_one_parts_end_keeps_no_other_from_its_own_and_the_run_has_failed(stop: StopRequest) -> None:
    ended: list[Turn] = []
    ending = Ending(stop)
    ending.add(Part(Turn.MARKET, "ending the books", broken(ValueError("a bug")), 5.0))
    ending.add(part(Turn.JOURNAL, ended))
    assert await ending.end() == Exit.FAILED
    assert ended == [Turn.JOURNAL]


async def test_that_orders_may_be_open_counts_for_more_than_why_the_run_ended(stop: StopRequest) -> None:
    stop.reason = "the lease was lost"
    ending = Ending(stop)
    ending.add(part(Turn.TRADING, [], Exit.UNPROVED))
    assert await ending.end() == Exit.UNPROVED


async def test_work_goes_on_until_the_run_is_asked_to_end_and_is_cancelled_then(stop: StopRequest) -> None:
    cancelled = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return 1

    waiting = asyncio.ensure_future(stop.unless(work()))
    await asyncio.sleep(0)
    stop.asked.set()
    with pytest.raises(Stopped):
        await asyncio.wait_for(waiting, 5)
    assert cancelled.is_set()


async def test_work_that_ends_first_gives_its_result_or_its_failure(stop: StopRequest) -> None:
    async def work(answer: int) -> int:
        return 7 // answer

    assert await stop.unless(work(1)) == 7
    with pytest.raises(ZeroDivisionError):
        await stop.unless(work(0))


async def test_a_lease_lost_in_another_thread_ends_the_run_for_that_reason(stop: StopRequest) -> None:
    await asyncio.to_thread(stop.lost, "the lease was lost")
    await asyncio.wait_for(stop.asked.wait(), 5)
    stop.lost("and once more")
    assert stop.reason == "the lease was lost"
