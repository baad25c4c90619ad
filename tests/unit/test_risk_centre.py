"""The risk centre: observations go in, a transition with its evidence or a reason not to quote comes out."""

import json
import math

import numpy as np
import pytest

from engine.risk.breaker import NS, BreakerRules, BreakerState, Cause, Trip
from engine.risk.centre import RiskCentre, RiskRules
from engine.risk.limits import Exposure, Limits, RiskLevel
from engine.risk.trips import TripRules

T0 = 1_700_000_000 * NS
LIMITS = Limits(daily_loss=100, drawdown=0.03, position=1.0, open_orders=4)
RULES = RiskRules(LIMITS, BreakerRules(timeout_s=60), TripRules(threshold=3, position=1.0, drawdown=0.02, loss=60))


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


def centre(rules: RiskRules = RULES) -> RiskCentre:
    return RiskCentre(rules, ["ETHUSDT"], T0, equity_base=10_000.0)


def held(position: float) -> Exposure:
    return Exposure("ETHUSDT", position, 0.0, 0.0, 2000.0, open_orders=1)


def test_at_first_nothing_stands_in_the_way() -> None:
    risk = centre()
    assert risk.breaker.may_quote
    assert risk.mark(T0, 0.0, [held(0.1)], 0.0) is None
    assert (risk.level, risk.halted) == (RiskLevel.LOW, False)


def test_a_daily_loss_over_its_limit_halts_and_names_the_numbers() -> None:
    risk = centre()
    risk.mark(T0, 0.0, [], 0.0)
    for step in range(1, 11):
        assert risk.mark(at(step * 100), -10.0 * step, [], 0.0) is None
    made = risk.mark(at(1100), -100.01, [], 0.0)
    assert made is not None
    assert (made.after, made.cause) == (BreakerState.HALTED, Cause.DAILY_LOSS)
    assert made.evidence["use"] == pytest.approx(100.01)
    assert made.evidence["limit"] == 100
    assert risk.halted
    assert risk.level is RiskLevel.CRITICAL
    assert (risk.breaker.state, risk.breaker.message) == (BreakerState.HALTED, made.message)


def test_a_drawdown_over_its_limit_halts_and_a_reset_accepts_the_loss() -> None:
    rules = RiskRules(Limits(drawdown=0.03), BreakerRules(), TripRules())
    risk = centre(rules)
    risk.mark(T0, 500.0, [], 0.0)
    made = risk.mark(at(1), 100.0, [], 0.0)
    assert made is not None
    assert made.cause is Cause.DRAWDOWN_LIMIT
    assert risk.reset(at(2), "seen, accepted", "alice") is not None
    assert risk.mark(at(3), 100.0, [], 0.0) is None, "drawdown is now measured from here"


def test_a_reset_after_a_daily_loss_does_not_hide_it() -> None:
    risk = centre()
    risk.mark(T0, 0.0, [], 0.0)
    risk.mark(at(1), -200.0, [], 0.0)
    risk.reset(at(2), "again", "alice")
    made = risk.mark(at(3), -200.0, [], 0.0)
    assert made is not None
    assert made.cause is Cause.DAILY_LOSS


def test_a_pnl_that_is_not_a_number_halts() -> None:
    made = centre().mark(T0, math.nan, [], 0.0)
    assert made is not None
    assert made.after is BreakerState.HALTED


@pytest.mark.parametrize(
    ("pnls", "cause"),
    [([0.0, -61.0], Cause.LOSS_RATE), ([2000.0, 1955.0, 1910.0, 1865.0, 1820.0, 1775.0, 1730.0], Cause.DRAWDOWN)],
)
def test_mark_to_market_loss_and_drawdown_open_the_breaker(pnls: list[float], cause: Cause) -> None:
    risk = RiskCentre(RiskRules(Limits(), BreakerRules(), RULES.trips), ["ETHUSDT"], T0, 10_000.0)
    made = [risk.mark(at(step * 61), pnl, [], 0.0) for step, pnl in enumerate(pnls[:-1])]
    assert made == [None] * len(made)
    last = risk.mark(at((len(pnls) - 2) * 61 + 30), pnls[-1], [], 0.0)
    assert last is not None
    assert (last.after, last.cause) == (BreakerState.OPEN, cause)


def test_a_position_past_its_limit_opens_it() -> None:
    made = centre().mark(T0, 0.0, [held(-1.01)], 0.0)
    assert made is not None
    assert made.cause is Cause.POSITION


def test_losing_round_trips_count_only_in_a_row() -> None:
    risk = centre()
    for pnl in (-1.0, -1.0, 0.5, -1.0, -1.0):
        assert risk.round_trip(T0, "ETHUSDT", pnl) is None
    made = risk.round_trip(T0, "ETHUSDT", -1.0)
    assert made is not None
    assert made.cause is Cause.LOSING_TRIPS


def test_order_errors_in_a_row_open_it_and_accepted_orders_are_the_probes() -> None:
    risk = centre()
    for _ in range(2):
        assert risk.order_answer(T0, 0.01, ok=False, rejected=True, detail="-2010") is None
    risk.order_answer(T0, 0.01, ok=True, rejected=False, detail="")
    for _ in range(2):
        assert risk.order_answer(T0, 0.01, ok=False, rejected=False, detail="timeout") is None
    made = risk.order_answer(T0, 0.01, ok=False, rejected=False, detail="timeout")
    assert made is not None
    assert made.cause is Cause.ORDER_ERRORS
    risk.orders.judge(at(1e6))
    assert risk.tick(at(60)) is not None
    risk.order_answer(at(61), 0.01, ok=True, rejected=False, detail="")
    closed = risk.tick(at(125))
    assert closed is not None
    assert closed.after is BreakerState.CLOSED


def test_round_trips_that_do_not_lose_are_the_probes_of_half_open() -> None:
    risk = centre()
    risk.trip(T0, Trip(Cause.FEED, "feed"))
    risk.tick(at(60))
    for _ in range(3):
        risk.round_trip(at(61), "ETHUSDT", 0.0)
    closed = risk.tick(at(62))
    assert closed is not None
    assert closed.after is BreakerState.CLOSED


def test_the_timer_judges_order_quality() -> None:
    risk = centre()
    for order in range(20):
        risk.order_answer(at(order), 5.0, ok=True, rejected=False, detail="")
    made = risk.tick(at(20))
    assert made is not None
    assert made.cause is Cause.LATENCY


def test_price_feed_clock_and_reconciliation_each_open_it() -> None:
    risk = centre()
    assert risk.mid(T0, "ETHUSDT", 100.0) is None
    moved = risk.mid(at(1), "ETHUSDT", 90.0)
    assert moved is not None
    assert moved.cause is Cause.PRICE_MOVE
    fresh = centre()
    fresh.mid(T0, "ETHUSDT", 100.0)
    fresh.feed_broken("ETHUSDT")
    assert fresh.mid(at(1), "ETHUSDT", 90.0) is None
    bad = fresh.feed_bad(T0, "ETHUSDT", "GAP", 11.0)
    assert bad is not None
    assert bad.cause is Cause.FEED
    skewed = centre().clock(T0, 3.0, 0.1)
    assert skewed is not None
    assert skewed.cause is Cause.CLOCK_SKEW
    third = centre()
    assert third.reconciled(T0, False, "ghost") is None
    assert third.reconciled(T0, True) is None
    assert third.reconciled(T0, False, "ghost") is None
    assert third.reconciled(T0, False, "ghost") is None
    made = third.reconciled(T0, False, "ghost")
    assert made is not None
    assert made.cause is Cause.RECONCILIATION


def test_breaker_and_day_survive_a_restart_through_json() -> None:
    risk = centre()
    risk.mark(T0, 0.0, [], 0.0)
    risk.mark(at(1), -50.0, [], 0.0)
    risk.trip(at(2), Trip(Cause.OPERATOR, "stop"))
    again = centre()
    again.restore(at(3), json.loads(json.dumps(risk.to_dict())))
    assert again.halted
    again.mark(at(4), -55.0, [], 0.0)
    assert again.equity.day_pnl == -55.0


def test_nothing_stored_starts_clean_and_a_broken_record_halts() -> None:
    risk = centre()
    risk.restore(T0, None)
    assert not risk.halted
    for broken in ({}, {"breaker": [], "day": risk.day.to_dict()}, {"breaker": risk.breaker.to_dict(), "day": {}}):
        other = centre()
        other.restore(T0, broken)
        assert other.halted


def test_new_rules_apply_at_once_and_keep_state_and_day() -> None:
    risk = centre()
    risk.mark(T0, 0.0, [], 0.0)
    risk.mark(at(1), -50.0, [], 0.0)
    risk.configure(RiskRules(Limits(daily_loss=40), RULES.breaker, RULES.trips))
    made = risk.mark(at(2), -50.0, [], 0.0)
    assert made is not None
    assert made.cause is Cause.DAILY_LOSS
    risk.configure(RULES)
    assert risk.halted


def test_what_is_calm_is_told_in_one_array_through_every_change_of_rules() -> None:
    made = centre()
    calm = made.calm("ETHUSDT")
    assert calm.dtype == np.int64
    for seconds, rules in ((5, made.rules), (9, RULES)):
        made.configure(rules)
        assert calm.tolist() == [0, 0, 0, 0]
        made.mid(seconds * NS, "ETHUSDT", 100_000.0)
        assert (made.calm("ETHUSDT") is calm, calm[0]) == (True, seconds * NS)


def test_the_status_is_what_the_contract_promises() -> None:
    risk = centre()
    risk.mark(T0, -10.0, [held(0.5)], 0.0)
    risk.trip(at(1), Trip(Cause.FEED, "book stale", {"seconds": 11.0}))
    body = json.loads(json.dumps(risk.status(), allow_nan=False))
    assert body["breaker"]["state"] == "OPEN"
    assert body["breaker"]["code"] == 2
    assert body["breaker"]["evidence"] == {"seconds": 11.0}
    assert body["breaker"]["reopens_ns"] == at(61)
    assert (body["level"], body["level_name"], body["halted"]) == (2, "high", False)
    assert {use["name"] for use in body["limits"]} == {"daily_loss", "drawdown", "position:ETHUSDT", "open_orders"}
    risk.reset(at(2), "fine", "alice")
    assert risk.status()["breaker"]["reopens_ns"] is None  # type: ignore[index]
