"""The live book of one symbol: Binance's sequence rules, gaps, crossings, staleness, late and early snapshots."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import numpy as np
import pytest

from engine.kernel.book import order_book as b
from engine.kernel.book.levels import BOOK_DROPPED
from engine.live.tick.feed import Feed
from engine.trade import Instrument, Market
from engine.venue.protocol import VenueError
from tests.market import diff, snapshot, ticker

BIDS, ASKS = [("9.99", "1"), ("9.98", "2")], [("10.01", "3"), ("10.02", "4")]
FUTURES, SPOT = True, False
CENT = Decimal("0.01")
ETHUSDT = Instrument("ETHUSDT", Market.USDM, "ETH", "USDT", CENT, Decimal("0.001"), 1, 10**9, CENT, 1, 10**9, 10)


class Rest:
    """The exchange's depth request: how often it was asked, and answers in the order they are given."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: asyncio.Queue[bytes | VenueError] = asyncio.Queue()

    async def snapshot(self, symbol: str) -> bytes:
        self.asked += 1
        answer = await self.answers.get()
        if isinstance(answer, VenueError):
            raise answer
        return answer


async def settled() -> None:
    """Whatever can go on has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)


class Book(Feed):
    """The live feed of one symbol beside a depth request that answers when a test says so."""

    def __init__(self) -> None:
        self.rest = Rest()
        self.changes: list[tuple[int, int]] = []
        super().__init__(
            ETHUSDT, self.rest.snapshot, lambda ns: None, lambda *change: self.changes.append(change), 10**9
        )

    @property
    def refreshing(self) -> bool:
        """Whether a snapshot is wanted or on its way."""
        return self._task is not None and not self._task.done()

    async def answered(self, *answers: bytes | VenueError) -> int:
        """Give the exchange's next answers; returns how often it has been asked for one."""
        for answer in answers:
            self.rest.answers.put_nowait(answer)
        await settled()
        return self.rest.asked


@pytest.fixture
async def feed() -> AsyncIterator[Book]:
    made = Book()
    yield made
    await made.close()


def frames(feed: Book, *some: bytes) -> None:
    for number, frame in enumerate(some, 1):
        feed.on_frame(frame, number)


def live(feed: Book, futures: bool = FUTURES) -> Book:
    """The book joined its snapshot 100 with the diff up to 101."""
    frames(feed, snapshot(100, BIDS, ASKS), diff(100 if futures else 101, 101, 99 if futures else None))
    assert feed.state == b.LIVE
    return feed


MANY = [(f"{price / 100:.2f}", "1") for price in range(999, 899, -1)]  # as many as a snapshot tells at the least


def grown_thin(feed: Book) -> None:
    """A LIVE book at 103 that lost all the bids its snapshot told but the last: what lies beyond is not known."""
    frames(feed, snapshot(100, MANY, ASKS), diff(100, 101, 99, [(price, "0") for price, _ in MANY[:-2]]))
    assert (feed.state, feed.refreshing) == (b.LIVE, False)
    feed.on_frame(diff(102, 103, 101, [(MANY[-2][0], "0")]), 3)
    assert (feed.state, feed.refreshing) == (b.LIVE, True)


def best(feed: Book) -> tuple[int, ...]:
    return tuple(int(x) for x in b.best(feed.book))


async def test_a_snapshot_alone_is_not_yet_live(feed: Book) -> None:
    feed.connected()
    assert (feed.state, await feed.answered()) == (b.EMPTY, 1)
    await feed.answered(snapshot(100, BIDS, ASKS))
    feed.check(feed.diff_ns)
    assert (feed.state, await feed.answered(), best(feed)) == (b.SYNCING, 1, (999, 1000, 1001, 3000))


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [(90, 99, b.SYNCING), (90, 100, b.SYNCING), (90, 101, b.LIVE), (101, 105, b.LIVE), (102, 105, b.GAP)],
)
async def test_spots_first_diff_must_span_the_snapshots_next_id(feed: Book, first: int, last: int, state: int) -> None:
    feed.on_frame(snapshot(100, BIDS, ASKS), 1)
    feed.on_frame(diff(first, last, None), 2)
    assert feed.state == state


@pytest.mark.parametrize(
    ("first", "last", "prev", "state"),
    [
        (90, 99, 80, b.SYNCING),
        (90, 100, 80, b.LIVE),
        (100, 105, 98, b.LIVE),
        (103, 105, 98, b.LIVE),  # a hole in the ids: pu shows that nothing is missing
        (103, 105, 101, b.GAP),
    ],
)
async def test_futures_first_diff_must_span_the_snapshots_id(
    feed: Book, first: int, last: int, prev: int, state: int
) -> None:
    feed.on_frame(snapshot(100, BIDS, ASKS), 1)
    feed.on_frame(diff(first, last, prev), 2)
    assert feed.state == state


async def test_a_missing_spot_diff_makes_a_gap_and_the_book_asks_for_a_snapshot(feed: Book) -> None:
    live(feed, SPOT)
    feed.on_frame(diff(102, 103, None), 3)
    assert feed.state == b.LIVE
    feed.on_frame(diff(105, 106, None, [("9.99", "0")]), 4)
    assert (feed.state, feed.changes[-1], await feed.answered()) == (b.GAP, (b.LIVE, b.GAP), 1)
    assert best(feed)[0] == 999, "a diff after a gap must not be applied"


async def test_a_missing_futures_diff_makes_a_gap(feed: Book) -> None:
    live(feed)
    feed.on_frame(diff(110, 111, 109), 3)
    assert feed.state == b.GAP


@pytest.mark.parametrize("futures", [FUTURES, SPOT])
async def test_a_repeated_diff_is_dropped_without_harm(feed: Book, futures: bool) -> None:
    live(feed, futures)
    frame = diff(102, 103, 101 if futures else None, [("9.99", "7")])
    feed.on_frame(frame, 3)
    dropped = feed.book.meta[BOOK_DROPPED]
    feed.on_frame(frame, 4)
    assert (feed.state, best(feed)[1]) == (b.LIVE, 7000)
    assert feed.book.meta[BOOK_DROPPED] == dropped + 1


async def test_diffs_before_the_snapshot_wait_for_it_and_are_applied_by_the_rules(feed: Book) -> None:
    frames(
        feed,
        diff(90, 95, 89, [("9.99", "50")]),  # older than the snapshot
        diff(96, 104, 95, [("10.00", "5")]),
        diff(105, 110, 104, [], [("10.01", "0")]),
        snapshot(100, BIDS, ASKS),
    )
    assert (feed.state, best(feed)) == (b.LIVE, (1000, 5000, 1002, 4000))
    feed.on_frame(diff(111, 112, 110), 10)
    assert feed.state == b.LIVE


async def test_a_snapshot_older_than_the_waiting_diffs_is_refused_and_a_newer_one_joins(feed: Book) -> None:
    feed.connected()
    frames(feed, diff(105, 110, 104, [("10.00", "5")]), diff(111, 112, 110))
    await feed.answered(snapshot(100, BIDS, ASKS))
    assert feed.state == b.GAP
    feed.on_frame(snapshot(107, BIDS, ASKS), 4)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 1000)


async def test_after_a_gap_diffs_are_kept_again_for_the_next_snapshot(feed: Book) -> None:
    live(feed)
    feed.on_frame(diff(200, 201, 199, [("10.00", "8")]), 3)
    feed.on_frame(diff(202, 203, 201, [("10.00", "9")]), 4)
    feed.on_frame(snapshot(200, BIDS, ASKS), 5)
    assert (feed.state, best(feed)[:2]) == (b.LIVE, (1000, 9000))


async def test_a_live_book_is_refreshed_by_a_snapshot_that_is_older_than_it(feed: Book) -> None:
    grown_thin(feed)
    feed.on_frame(diff(104, 105, 103, [("10.00", "5")]), 5)
    feed.on_frame(diff(106, 107, 105), 6)
    assert await feed.answered(snapshot(105, [*BIDS, ("8.99", "7")], ASKS)) == 1
    assert (feed.state, best(feed)[0]) == (b.LIVE, 1000)
    assert b.qty_at(feed.book, 1, 899) == 7000
    feed.check(feed.diff_ns)
    assert await feed.answered() == 1


@pytest.mark.parametrize(
    "useless",
    [b"<html>", b'{"code":-1003,"msg":"Too many requests"}', b'{"lastUpdateId":103,"bi', VenueError("no answer")],
    ids=["page", "error", "half", "none"],
)
async def test_a_refresh_that_brings_nothing_leaves_the_book_live_and_is_asked_for_again(
    feed: Book, useless: bytes | VenueError
) -> None:
    grown_thin(feed)
    before = best(feed)
    assert await feed.answered(useless) == 1
    assert (feed.state, best(feed)) == (b.LIVE, before)
    feed.check(feed.diff_ns)
    assert feed.refreshing


async def test_an_unasked_older_snapshot_does_not_turn_the_book_back(feed: Book) -> None:
    live(feed)
    feed.on_frame(diff(102, 103, 101, [("10.00", "5")]), 3)
    feed.on_frame(snapshot(100, BIDS, ASKS), 4)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 1000)


async def test_crossed_is_a_state_until_a_diff_uncrosses_it(feed: Book) -> None:
    live(feed)
    feed.on_frame(diff(102, 103, 101, [("10.01", "1")]), 3)
    feed.check(feed.diff_ns)
    assert (feed.state, await feed.answered()) == (b.CROSSED, 1)
    feed.on_frame(diff(104, 105, 103, [("10.01", "0")]), 4)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 999)


async def test_an_old_book_is_stale_until_the_next_diff(feed: Book) -> None:
    live(feed)
    feed.check(feed.diff_ns + feed.stale_ns)
    assert feed.state == b.LIVE
    feed.check(feed.diff_ns + feed.stale_ns + 1)
    assert (feed.state, feed.changes[-1]) == (b.STALE, (b.LIVE, b.STALE))
    feed.on_frame(diff(102, 103, 101), 1_001)
    assert feed.state == b.LIVE


async def test_an_unreadable_frame_is_a_gap_and_counted(feed: Book) -> None:
    live(feed)
    feed.on_frame(diff(102, 103, 101, [("9.995", "1")]), 3)
    assert (feed.state, feed.bad_frames) == (b.GAP, 1)


async def test_a_lost_connection_forgets_what_waited(feed: Book) -> None:
    frames(feed, diff(96, 104, 95, [("10.00", "5")]))
    feed.disconnected()
    feed.on_frame(snapshot(100, BIDS, ASKS), 3)
    assert (feed.state, best(feed)[0]) == (b.SYNCING, 999)


async def test_a_touch_beyond_the_snapshots_last_level_asks_for_a_new_one(feed: Book) -> None:
    grown_thin(feed)
    assert (feed.state, await feed.answered()) == (b.LIVE, 1)


async def test_a_bookticker_never_changes_levels_but_is_the_touch_when_newer(feed: Book) -> None:
    live(feed)
    feed.on_frame(ticker(150, ("9.50", "1"), ("9.60", "2")), 3)
    assert best(feed) == (999, 1000, 1001, 3000)
    assert b.touch(feed.book) == (950, 1000, 960, 2000)


async def test_depth_is_read_from_the_touch_outwards(feed: Book) -> None:
    live(feed)
    out = np.zeros((5, 2), dtype=np.int64)
    assert b.top(feed.book, 1, out) == 2
    assert out[:2].tolist() == [[999, 1000], [998, 2000]]
    assert b.top(feed.book, -1, out[:1]) == 1


async def test_an_empty_side_has_no_best_price(feed: Book) -> None:
    feed.on_frame(snapshot(100, BIDS, []), 1)
    assert best(feed) == (999, 1000, 0, 0)
    assert b.top(feed.book, -1, np.zeros((5, 2), dtype=np.int64)) == 0
