"""From configuration to rules, from exchange errors to exit codes: the two tables an operator meets first."""

from decimal import Decimal
from pathlib import Path

import pytest

from engine.config.load import load_text
from engine.live.failures import Exit
from engine.live.rings import Events, Why
from engine.live.rules import risk_rules, sentinel_rules
from engine.live.start.gateway import equity_of, venue_failure
from engine.trade import (
    Account,
    Instrument,
    Market,
    VenueCause,
)
from engine.venue.protocol import VenueError
from tests.unit.live_session import CONFIG, INSTRUMENT


def test_every_limit_of_the_file_reaches_the_rules(tmp_path: Path) -> None:
    extra = ", max_notional: 5000, capital: 4000, circuit_breaker: {timeout: 30s, loss_rate: 7, threshold: 4}"
    config = load_text(CONFIG.format(folder=tmp_path, strategy="", risk=extra))
    rules = risk_rules(config)
    assert (rules.limits.daily_loss, rules.limits.drawdown, rules.limits.position) == (100, 0.1, 1)
    assert (rules.limits.notional, rules.limits.total_notional, rules.limits.capital) == (5000, 5000, 4000)
    assert (rules.breaker.timeout_s, rules.trips.loss, rules.trips.threshold) == (30, 7, 4)
    assert rules.trips.drawdown == pytest.approx(0.075), "the breaker opens before the limit halts"
    guard = sentinel_rules(config)
    assert (guard.position, guard.open_orders, guard.engine_stale_s) == (1, 20, 3)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VenueError("bad key", http_status=401), Exit.AUTH),
        (VenueError("bad signature", http_status=400, cause=VenueCause.NOT_AUTHORISED), Exit.AUTH),
        (VenueError("forbidden", http_status=403), Exit.AUTH),
        (VenueError("refused"), Exit.UNREACHABLE),
        (VenueError("down", http_status=503), Exit.UNREACHABLE),
        (TimeoutError(), Exit.UNREACHABLE),
    ],
)
def test_a_failed_call_at_the_start_has_the_exit_code_that_says_where_to_look(
    error: VenueError | TimeoutError, code: Exit
) -> None:
    failure = venue_failure("reading the instrument", error)
    assert failure.code is code
    assert "reading the instrument" in str(failure)


def test_equity_counts_the_base_currency_on_spot_only() -> None:
    account = Account({"USDT": (Decimal(100), Decimal(20)), "ETH": (Decimal(1), Decimal(1))})
    assert equity_of(account, INSTRUMENT, 50.0) == 220.0
    futures = Instrument(
        "ETHUSDT", Market.USDM, "ETH", "USDT", Decimal("0.01"), Decimal("0.001"), 1, 9, Decimal(5), 1, 9, 9
    )
    assert equity_of(account, futures, 50.0) == 120.0


def test_events_are_asked_for_by_sequence_and_the_oldest_leave() -> None:
    events = Events()
    for number in range(1500):
        events.add(number, "x", "info", str(number))
    assert [event["seq"] for event in events.since(1498)] == [1499, 1500]
    assert len(events.since(0)) == 1000


def test_a_reason_that_comes_with_every_tick_pushes_no_other_out_and_the_newest_is_first() -> None:
    why = Why()
    why.add(1, "X", "buy", "POSITION_LIMIT", "full")
    for number in range(2, 2000, 2):
        why.add(number, "X", "buy", "CANCEL_IN_FLIGHT")
        why.add(number + 1, "X", "sell", "RATE" if number % 4 else "NO_BOOK")
    found = why.all()
    assert [entry["ns"] for entry in found] == sorted((entry["ns"] for entry in found), reverse=True)
    (passing,) = (entry for entry in found if entry["reason"] == "CANCEL_IN_FLIGHT")
    assert (passing["times"], passing["ns"]) == (999, 1998)


def test_the_same_reason_in_a_row_is_kept_once_with_its_count() -> None:
    why = Why()
    for number in range(3):
        why.add(number, "X", "buy", "MAX_INVENTORY", "full")
    why.add(3, "X", "sell", "NO_BOOK")
    assert [(entry["side"], entry["times"], entry["ns"]) for entry in why.all()] == [("sell", 1, 3), ("buy", 3, 2)]
    why.quoted("X", "buy")
    why.add(9, "X", "buy", "MAX_INVENTORY", "full")
    assert len(why.all()) == 3
    assert why.counts == {"MAX_INVENTORY": 4, "NO_BOOK": 1}
