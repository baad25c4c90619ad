"""Counts since 00:00 UTC: they roll with the day, go on over restarts, and are the tally's own."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from engine.config.load import load_text
from engine.live.orders.tally import DAY_NS, OUTCOMES, TODAY_STATE, Tally, Today
from engine.live.start.today import missed_orders, restore_today
from engine.store import Restart, open_journal
from engine.store.records import OrderRecord
from tests.unit.live_session import CONFIG, SYMBOL, Rig

NOON = 20_000 * DAY_NS + DAY_NS // 2


def counts(today: Today) -> dict[str, int]:
    return {name: count for name in OUTCOMES if (count := today.orders(name))}


def test_a_day_begins_at_midnight_with_nothing_and_a_clock_stepped_back_begins_none() -> None:
    tally = Tally(placed=7)
    today = Today(tally, NOON)
    tally.filled, tally.cancels_sent = 3, 5
    assert (counts(today), today.cancels) == ({"placed": 7, "filled": 3}, 5)
    today.fill(NOON, -2.5)
    today.roll(NOON + DAY_NS // 2 - 1)
    assert today.cancels == 5
    today.roll(NOON + DAY_NS // 2)
    assert (counts(today), today.cancels, today.worst_fill) == ({}, 0, 0.0)
    tally.placed += 1
    today.roll(NOON)
    assert counts(today) == {"placed": 1}


def test_the_worst_fill_is_the_one_that_lost_most_and_a_gain_is_none() -> None:
    today = Today(Tally(), NOON)
    assert [today.fill(NOON, made) for made in (1.0, -0.5, -3.0, -2.0, float("nan"))] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert today.worst_fill == -3.0


def test_a_restart_goes_on_with_the_same_day_and_with_no_other() -> None:
    before = Today(Tally(placed=10, cancelled=4, cancels_sent=6), NOON)
    before.fill(NOON, -1.25)
    kept = before.to_dict(NOON)
    tally = Tally()
    after = Today(tally, NOON)
    after.restore(NOON + 5, kept, {"placed": 2, "filled": 1})
    tally.placed += 1
    assert (counts(after), after.cancels) == ({"placed": 13, "cancelled": 4, "filled": 1}, 6)
    assert after.worst_fill == -1.25
    tomorrow = Today(Tally(), NOON)
    tomorrow.restore(NOON + DAY_NS, kept, {})
    assert (counts(tomorrow), tomorrow.worst_fill) == ({}, 0.0)


@pytest.mark.parametrize("change", [{"placed": "many"}, {"worst_fill": None}, {"cancels_sent": []}])
def test_what_cannot_be_read_changes_nothing(change: dict[str, object]) -> None:
    today = Today(Tally(), NOON)
    with pytest.raises(ValueError, match="unreadable"):
        today.restore(NOON, {**Today(Tally(placed=3), NOON).to_dict(NOON), **change}, {})
    assert counts(today) == {}


def test_orders_that_moved_after_the_counts_were_kept_are_counted_from_the_journal(tmp_path: Path) -> None:
    config = load_text(CONFIG.format(folder=tmp_path, strategy="", risk=""))
    journal = open_journal(config.journal_url().reveal(), config.spill_dir(), "test")
    journal.start()
    now = time.time_ns()
    kept = max(now - 10_000_000_000, now // DAY_NS * DAY_NS)
    rows = (
        ("old", "CANCELED", kept - 5, kept - 9, "v1"),  # before the counts were kept: it is in them
        ("ended", "CANCELED", kept + 5, kept - 9, "v2"),  # placed before, ended afterwards
        ("new", "ACCEPTED", kept + 6, kept + 5, "v3"),
        ("lost", "UNKNOWN", kept + 7, kept + 6, ""),
        ("refused", "REJECTED", kept + 8, kept + 7, ""),
    )
    one = Decimal(1)
    for client_id, state, updated, created, venue_id in rows:
        journal.put(OrderRecord(client_id, SYMBOL, 1, one, one, Decimal(0), state, updated, created, 1, venue_id))
    assert journal.flush(10)
    found = missed_orders(config, Restart({TODAY_STATE: {"ns": kept}}))
    journal.close(10)
    assert found == {"placed": 3, "accepted": 1, "cancelled": 1, "cancels_sent": 1, "unknown": 1, "rejected": 1}


async def test_a_record_that_cannot_be_read_is_logged_and_the_day_begins_anew(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    clerk = rig.session.parts.clerk
    stored = {TODAY_STATE: {**clerk.today.to_dict(time.time_ns()), "placed": "?"}}
    restore_today(clerk, stored, {})
    assert "unreadable" in caplog.text
    assert clerk.today.orders("placed") == clerk.tally.placed
