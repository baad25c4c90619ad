"""The live book of one symbol: Binance's sequence rules, gaps, crossings, staleness, late and early snapshots."""

import numpy as np
import pytest

from engine.kernel.book import order_book as b
from engine.kernel.book.levels import BOOK_DROPPED
from engine.kernel.codec.frame import FRAME_BAD
from engine.market.sync import BookFeed
from tests.market import diff, snapshot, ticker

BIDS, ASKS = [("9.99", "1"), ("9.98", "2")], [("10.01", "3"), ("10.02", "4")]
FUTURES, SPOT = True, False


def feed_after(*frames: bytes) -> BookFeed:
    feed = BookFeed(1_000_000, 100_000)
    for number, frame in enumerate(frames):
        feed.on_frame(frame, number)
    return feed


def live(futures: bool = FUTURES) -> BookFeed:
    """A book that joined its snapshot 100 with the diff up to 101."""
    feed = feed_after()
    assert feed.on_snapshot(snapshot(100, BIDS, ASKS), 1) == ""
    feed.on_frame(diff(100 if futures else 101, 101, 99 if futures else None), 2)
    assert feed.state == b.LIVE
    return feed


def best(feed: BookFeed) -> tuple[int, ...]:
    return tuple(int(x) for x in b.best(feed.book))


def test_a_snapshot_alone_is_not_yet_live() -> None:
    feed = feed_after()
    assert (feed.state, feed.wants_snapshot) == (b.EMPTY, True)
    feed.on_snapshot(snapshot(100, BIDS, ASKS), 1)
    assert (feed.state, feed.wants_snapshot, best(feed)) == (b.SYNCING, False, (999, 1000, 1001, 3000))


@pytest.mark.parametrize(
    ("first", "last", "state"),
    [(90, 99, b.SYNCING), (90, 100, b.SYNCING), (90, 101, b.LIVE), (101, 105, b.LIVE), (102, 105, b.GAP)],
)
def test_spots_first_diff_must_span_the_snapshots_next_id(first: int, last: int, state: int) -> None:
    feed = feed_after()
    feed.on_snapshot(snapshot(100, BIDS, ASKS), 1)
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
def test_futures_first_diff_must_span_the_snapshots_id(first: int, last: int, prev: int, state: int) -> None:
    feed = feed_after()
    feed.on_snapshot(snapshot(100, BIDS, ASKS), 1)
    feed.on_frame(diff(first, last, prev), 2)
    assert feed.state == state


def test_a_missing_spot_diff_makes_a_gap_and_the_book_asks_for_a_snapshot() -> None:
    feed = live(SPOT)
    feed.on_frame(diff(102, 103, None), 3)
    assert feed.state == b.LIVE
    feed.on_frame(diff(105, 106, None, [("9.99", "0")]), 4)
    assert (feed.state, feed.wants_snapshot) == (b.GAP, True)
    assert best(feed)[0] == 999, "a diff after a gap must not be applied"


def test_a_missing_futures_diff_makes_a_gap() -> None:
    feed = live()
    feed.on_frame(diff(110, 111, 109), 3)
    assert feed.state == b.GAP


@pytest.mark.parametrize("futures", [FUTURES, SPOT])
def test_a_repeated_diff_is_dropped_without_harm(futures: bool) -> None:
    feed = live(futures)
    frame = diff(102, 103, 101 if futures else None, [("9.99", "7")])
    feed.on_frame(frame, 3)
    dropped = feed.book.meta[BOOK_DROPPED]
    feed.on_frame(frame, 4)
    assert (feed.state, best(feed)[1]) == (b.LIVE, 7000)
    assert feed.book.meta[BOOK_DROPPED] == dropped + 1


def test_diffs_before_the_snapshot_wait_for_it_and_are_applied_by_the_rules() -> None:
    feed = feed_after(
        diff(90, 95, 89, [("9.99", "50")]),  # older than the snapshot
        diff(96, 104, 95, [("10.00", "5")]),
        diff(105, 110, 104, [], [("10.01", "0")]),
    )
    assert feed.on_snapshot(snapshot(100, BIDS, ASKS), 9) == ""
    assert (feed.state, best(feed)) == (b.LIVE, (1000, 5000, 1002, 4000))
    feed.on_frame(diff(111, 112, 110), 10)
    assert feed.state == b.LIVE


def test_a_snapshot_older_than_the_waiting_diffs_is_refused_and_a_newer_one_joins() -> None:
    feed = feed_after(diff(105, 110, 104, [("10.00", "5")]), diff(111, 112, 110))
    assert "older" in feed.on_snapshot(snapshot(100, BIDS, ASKS), 3)
    assert (feed.state, feed.wants_snapshot) == (b.GAP, True)
    assert feed.on_snapshot(snapshot(107, BIDS, ASKS), 4) == ""
    assert (feed.state, best(feed)[0]) == (b.LIVE, 1000)


def test_after_a_gap_diffs_are_kept_again_for_the_next_snapshot() -> None:
    feed = live()
    feed.on_frame(diff(200, 201, 199, [("10.00", "8")]), 3)
    feed.on_frame(diff(202, 203, 201, [("10.00", "9")]), 4)
    assert feed.on_snapshot(snapshot(200, BIDS, ASKS), 5) == ""
    assert (feed.state, best(feed)[:2]) == (b.LIVE, (1000, 9000))


def test_a_live_book_is_refreshed_by_a_snapshot_that_is_older_than_it() -> None:
    feed = live()
    feed.snapshot_asked()
    feed.on_frame(diff(102, 103, 101, [("10.00", "5")]), 3)
    feed.on_frame(diff(104, 105, 103), 4)
    assert feed.on_snapshot(snapshot(103, [*BIDS, ("9.00", "7")], ASKS), 5) == ""
    assert feed.state == b.LIVE
    assert b.qty_at(feed.book, 1, 900) == 7000
    assert not feed.wants_snapshot


def test_a_useless_answer_leaves_a_live_book_as_it_is() -> None:
    feed = live()
    assert "cannot be read" in feed.on_snapshot(b"<html>", 3)
    assert "not a depth snapshot" in feed.on_snapshot(b'{"code":-1003,"msg":"Too many requests"}', 3)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 999)


def test_an_unasked_older_snapshot_does_not_turn_the_book_back() -> None:
    feed = live()
    feed.on_frame(diff(102, 103, 101, [("10.00", "5")]), 3)
    feed.on_frame(snapshot(100, BIDS, ASKS), 4)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 1000)


def test_crossed_is_a_state_until_a_diff_uncrosses_it() -> None:
    feed = live()
    feed.on_frame(diff(102, 103, 101, [("10.01", "1")]), 3)
    assert (feed.state, feed.wants_snapshot) == (b.CROSSED, True)
    feed.on_frame(diff(104, 105, 103, [("10.01", "0")]), 4)
    assert (feed.state, best(feed)[0]) == (b.LIVE, 999)


def test_an_old_book_is_stale_until_the_next_diff() -> None:
    feed = live()
    assert feed.check_age(1_000, 998) == b.LIVE
    assert feed.check_age(1_000, 997) == b.STALE
    feed.on_frame(diff(102, 103, 101), 1_001)
    assert feed.state == b.LIVE


def test_an_unreadable_frame_is_a_gap_and_says_what_was_wrong() -> None:
    feed = live()
    assert feed.on_frame(diff(102, 103, 101, [("9.995", "1")]), 3) == FRAME_BAD
    assert (feed.state, feed.bad_frames) == (b.GAP, 1)
    assert "multiple of the tick" in feed.last_fault


def test_a_lost_connection_forgets_what_waited() -> None:
    feed = feed_after(diff(96, 104, 95, [("10.00", "5")]))
    feed.disconnected()
    feed.on_snapshot(snapshot(100, BIDS, ASKS), 3)
    assert (feed.state, best(feed)[0]) == (b.SYNCING, 999)


def test_a_touch_beyond_the_snapshots_last_level_asks_for_a_new_one() -> None:
    feed = feed_after()
    bids = [(f"{price / 100:.2f}", "1") for price in range(999, 899, -1)]
    feed.on_snapshot(snapshot(100, bids, ASKS), 1)
    feed.on_frame(diff(100, 101, 99, [(price, "0") for price, _ in bids[:-2]]), 2)
    assert not feed.wants_snapshot
    feed.on_frame(diff(102, 103, 101, [(bids[-2][0], "0")]), 3)
    assert (feed.state, feed.wants_snapshot) == (b.LIVE, True)


def test_a_bookticker_never_changes_levels_but_is_the_touch_when_newer() -> None:
    feed = live()
    feed.on_frame(ticker(150, ("9.50", "1"), ("9.60", "2")), 3)
    assert best(feed) == (999, 1000, 1001, 3000)
    assert b.touch(feed.book) == (950, 1000, 960, 2000)


def test_depth_mid_and_microprice() -> None:
    feed = live()
    out = np.zeros((5, 2), dtype=np.int64)
    assert b.top(feed.book, 1, out) == 2
    assert out[:2].tolist() == [[999, 1000], [998, 2000]]
    assert b.top(feed.book, -1, out[:1]) == 1
    assert b.mid(feed.book) == 1000.0
    assert b.microprice(feed.book) == pytest.approx((999 * 3 + 1001 * 1) / 4)


def test_an_empty_side_has_no_mid() -> None:
    feed = feed_after()
    feed.on_snapshot(snapshot(100, BIDS, []), 1)
    assert np.isnan(b.mid(feed.book))
    assert np.isnan(b.microprice(feed.book))
    assert best(feed) == (999, 1000, 0, 0)
