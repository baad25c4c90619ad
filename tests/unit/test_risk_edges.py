"""Where risk's answers turn: limits exactly reached, days that begin, records of other processes, words to people."""

import json
import math
from datetime import UTC, datetime

import pytest

from engine.risk.breaker import HALTING, NS, BreakerRules, BreakerState, BreakerTransition, Cause, Trip
from engine.risk.centre import RiskCentre, RiskRules
from engine.risk.limits import (
    DAY_NS,
    Day,
    Equity,
    Exposure,
    Limits,
    LimitUse,
    RiskLevel,
    level,
)
from engine.risk.sentinel import Act, Decision, EngineSeen, OrderSeen, SentinelRules, VenueSeen, decide
from engine.risk.trips import TripRules

T0 = 1_700_000_000 * NS
S = BreakerState
RULES = RiskRules(Limits(order_rate=20.0), BreakerRules(timeout_s=60), TripRules(threshold=3, mismatches=3))


def at(seconds: float) -> int:
    return T0 + round(seconds * NS)


def centre(rules: RiskRules = RULES) -> RiskCentre:
    return RiskCentre(rules, ["ETHUSDT"], T0, equity_base=10_000.0)


def with_trips(trips: TripRules, limits: Limits | None = None) -> RiskCentre:
    return centre(RiskRules(limits or Limits(), BreakerRules(), trips))


# -- rules without a configuration -------------------------------------------------------------------------------------


def test_the_rules_the_episodes_of_the_past_are_replayed_with() -> None:
    assert BreakerRules() == BreakerRules(
        timeout_s=300.0,
        max_timeout_s=7200.0,
        probes=3,
        quiet_s=60.0,
        max_opens=5,
        opens_window_s=21_600.0,
        half_open_size=0.5,
        half_open_spread=2.0,
    )
    assert TripRules() == TripRules(
        threshold=5,
        move_sigmas=8.0,
        move_window_s=10.0,
        move_floor=0.003,
        loss=None,
        loss_window_s=60.0,
        drawdown=None,
        position=None,
        feed_s=10.0,
        latency_p95_s=1.0,
        latency_orders=20,
        reject_rate=0.5,
        reject_orders=10,
        orders_window_s=60.0,
        clock_skew_s=1.0,
        mismatches=3,
    )
    assert SentinelRules() == SentinelRules(
        engine_stale_s=3.0, unseen_s=5.0, position=None, open_orders=None, takeover_s=10.0
    )


@pytest.mark.parametrize(
    ("use", "shown"),
    [
        (0.49, RiskLevel.LOW),
        (0.50, RiskLevel.MEDIUM),
        (0.74, RiskLevel.MEDIUM),
        (0.75, RiskLevel.HIGH),
        (0.89, RiskLevel.HIGH),
        (0.90, RiskLevel.CRITICAL),
    ],
)
def test_the_level_rises_at_half_three_quarters_and_nine_tenths_of_any_limit(use: float, shown: RiskLevel) -> None:
    assert level([LimitUse("a", 0.1, 1.0), LimitUse("b", use, 1.0)], 0) is shown


def test_numbers_of_states_and_levels_are_those_of_the_metrics() -> None:
    assert [(state.name, state.value) for state in BreakerState] == [
        ("CLOSED", 0),
        ("HALF_OPEN", 1),
        ("OPEN", 2),
        ("HALTED", 3),
    ]
    assert [(step.name, step.value) for step in RiskLevel] == [("LOW", 0), ("MEDIUM", 1), ("HIGH", 2), ("CRITICAL", 3)]


def test_what_only_a_person_can_end_is_this() -> None:
    assert {cause.value for cause in HALTING} == {
        "daily_loss",
        "drawdown_limit",
        "repeated_opens",
        "mismatch",
        "sentinel",
        "operator",
    }


# -- limits ------------------------------------------------------------------------------------------------------------


def test_drawdown_is_measured_on_any_peak_that_is_a_positive_number() -> None:
    assert Equity(0.0, 0.5, 0.5).drawdown == 0.0, "an account of half a bitcoin"
    assert Equity(0.0, 0.0, 0.0).drawdown == 1.0


def test_a_new_day_record_is_before_any_day() -> None:
    assert Day(10_000.0).to_dict() == {"base": 10_000.0, "day": -1, "open_pnl": 0.0, "peak": 10_000.0}


def test_a_day_begins_at_midnight_in_utc() -> None:
    midnight = int(datetime(2024, 8, 5, tzinfo=UTC).timestamp()) * NS
    day = Day(10_000.0)
    assert day.update(midnight - 2, 0.0).day_pnl == 0.0
    assert day.update(midnight - 1, -50.0).day_pnl == -50.0
    assert day.update(midnight, -60.0).day_pnl == 0.0
    assert day.update(midnight + 1, -65.0).day_pnl == -5.0


def test_the_first_day_of_simulated_time_ends_like_any_other() -> None:
    day = Day(10_000.0)
    day.update(0, 0.0)
    day.update(DAY_NS - 1, 70.0)
    assert day.update(DAY_NS, 80.0) == Equity(0.0, 10_080.0, 10_080.0)
    assert day.update(DAY_NS + 1, 75.0) == Equity(-5.0, 10_075.0, 10_080.0)


# -- the centre --------------------------------------------------------------------------------------------------------


def test_before_anything_was_seen_the_centre_shows_its_base_and_a_low_level() -> None:
    risk = centre()
    assert risk.equity == Equity(0.0, 10_000.0, 10_000.0)
    assert risk.level is RiskLevel.LOW
    assert risk.status() == {
        "breaker": {
            "state": "CLOSED",
            "code": 0,
            "reason": "",
            "cause": "none",
            "since_ns": T0,
            "reopens_ns": None,
            "evidence": {},
        },
        "limits": [],
        "level": 0,
        "level_name": "low",
        "halted": False,
    }


def test_the_rate_of_orders_is_among_the_limits_shown() -> None:
    risk = centre()
    risk.mark(T0, 0.0, [], 5.0)
    assert risk.found == [LimitUse("order_rate", 5.0, 20.0)]


@pytest.mark.parametrize(
    ("pnl", "cause", "message", "evidence"),
    [
        (
            -100.5,
            Cause.DAILY_LOSS,
            "daily_loss 100.5 is over its limit 100",
            {"use": 100.5, "limit": 100.0, "day_pnl": -100.5, "peak": 10_000.0},
        ),
        (
            -5000.0,
            Cause.DRAWDOWN_LIMIT,
            "drawdown 0.5 is over its limit 0.25",
            {"use": 0.5, "limit": 0.25, "day_pnl": -5000.0, "peak": 10_000.0},
        ),
    ],
)
def test_a_limit_that_halts_is_recorded_at_the_time_it_was_passed_with_its_numbers(
    pnl: float, cause: Cause, message: str, evidence: dict[str, float]
) -> None:
    limits = Limits(daily_loss=100.0) if cause is Cause.DAILY_LOSS else Limits(drawdown=0.25)
    risk = with_trips(TripRules(), limits)
    assert risk.mark(at(5), pnl, [], 0.0) == BreakerTransition(at(5), S.CLOSED, S.HALTED, cause, message, evidence)


def test_every_observation_that_trips_is_recorded_at_its_own_time() -> None:
    held = [Exposure("ETHUSDT", 3.0, 0.0, 0.0, 100.0, 0)]
    seen = {
        "loss": with_trips(TripRules(loss=60.0)),
        "drawdown": with_trips(TripRules(drawdown=0.02)),
        "position": with_trips(TripRules(position=2.0)),
        "move": with_trips(TripRules(move_floor=0.01)),
        "latency": with_trips(TripRules(latency_p95_s=1.0, latency_orders=1)),
        "trips": with_trips(TripRules(threshold=1)),
        "errors": with_trips(TripRules(threshold=1)),
    }
    seen["loss"].mark(T0, 0.0, [], 0.0)
    seen["drawdown"].mark(T0, 0.0, [], 0.0)
    seen["move"].mid(T0, "ETHUSDT", 100.0)
    seen["latency"].order_answer(T0, 2.0, ok=True, rejected=False, detail="")
    made = {
        "loss": seen["loss"].mark(at(3), -61.0, [], 0.0),
        "drawdown": seen["drawdown"].mark(at(3), -400.0, [], 0.0),
        "position": seen["position"].mark(at(3), 0.0, held, 0.0),
        "move": seen["move"].mid(at(3), "ETHUSDT", 90.0),
        "latency": seen["latency"].tick(at(3)),
        "trips": seen["trips"].round_trip(at(3), "ETHUSDT", -1.25),
        "errors": seen["errors"].order_answer(at(3), 0.1, ok=False, rejected=False, detail="-1007"),
        "feed": centre().feed_bad(at(3), "ETHUSDT", "GAP", 11.0),
        "clock": centre().clock(at(3), 3.0, 0.1),
    }
    assert {name: (found.ns if found else None) for name, found in made.items()} == dict.fromkeys(made, at(3))
    assert {name: found.message for name, found in made.items() if found} == {
        "loss": "lost 61.00 within 60 s (limit 60)",
        "drawdown": "drawdown 4.00% is over 2.00%",
        "position": "ETHUSDT position 3 is over 2",
        "move": "price moved 11.111% within 3.0 s (limit 3.000%)",
        "latency": "order latency P95 2000 ms over 1000 ms",
        "trips": "1 losing round trips in a row; last: ETHUSDT -1.2500",
        "errors": "1 order errors in a row; last: -1007",
        "feed": "ETHUSDT book is gap for 11.0 s",
        "clock": "our clock is +3.000 s from the exchange's",
    }
    assert made["drawdown"] is not None
    assert made["drawdown"].evidence["peak"] == 10_000.0


def test_rejected_orders_count_towards_the_share_of_rejects() -> None:
    risk = with_trips(TripRules(threshold=99, reject_rate=0.5, reject_orders=4))
    for _ in range(4):
        risk.order_answer(T0, 0.01, ok=False, rejected=True, detail="-2010")
    made = risk.tick(at(1))
    assert made is not None
    assert made.cause is Cause.REJECT_RATE


def test_it_takes_three_reconciliations_in_a_row_at_first_and_again_after_a_reset() -> None:
    risk = centre()
    for start in (0, 10):
        assert risk.reconciled(at(start), False, "ghost") is None
        assert risk.reconciled(at(start + 1), False, "ghost") is None
        assert risk.reconciled(at(start + 2), False, "ghost order") == BreakerTransition(
            at(start + 2),
            S.CLOSED,
            S.OPEN,
            Cause.RECONCILIATION,
            "3 reconciliations in a row did not agree: ghost order",
            {"in_a_row": 3, "limit": 3, "last": "ghost order"},
        )
        risk.reset(at(start + 3), "looked at", "alice")


def test_reconciliations_that_do_not_say_what_differed_trip_all_the_same() -> None:
    risk = centre()
    made = [risk.reconciled(T0, False) for _ in range(3)][-1]
    assert made is not None
    assert made.message == "3 reconciliations in a row did not agree: "


def test_the_volatility_shown_is_the_price_detectors() -> None:
    risk = centre()
    for second in range(60):
        risk.mid(at(second), "ETHUSDT", 100.0 * (1.0001 if second % 2 else 1.0))
    assert risk.sigma("ETHUSDT") == pytest.approx(math.log(1.0001))


def test_a_reset_is_recorded_with_its_time_and_the_person() -> None:
    risk = centre()
    risk.trip(T0, Trip(Cause.FEED, "book stale"))
    made = risk.reset(at(7), "looked at", "alice")
    assert made is not None
    assert (made.ns, made.message) == (at(7), "reset by alice: looked at")


def test_a_reset_of_anything_but_a_drawdown_leaves_the_peak_where_it_was() -> None:
    risk = centre()
    risk.mark(T0, 500.0, [], 0.0)
    risk.mark(at(1), 400.0, [], 0.0)
    risk.trip(at(2), Trip(Cause.FEED, "book stale"))
    risk.reset(at(3), "feed is back", "alice")
    assert risk.day.peak == 10_500.0
    assert risk.reset(at(4), "once more", "alice") is None
    assert risk.day.peak == 10_500.0


def test_an_open_breaker_and_the_day_are_the_same_after_a_restart() -> None:
    risk = centre()
    risk.mark(T0, 100.0, [], 0.0)
    risk.mark(at(1), 50.0, [], 0.0)
    risk.trip(at(2), Trip(Cause.FEED, "book stale", {"seconds": 11.0}))
    stored = json.loads(json.dumps(risk.to_dict()))
    assert set(stored) == {"breaker", "day"}, "what an older or newer engine reads"
    again = centre()
    again.restore(at(9), stored)
    assert again.to_dict() == stored
    assert (again.breaker.state, again.day.peak) == (S.OPEN, 10_100.0)


@pytest.mark.parametrize("part", ["breaker", "day"])
def test_a_record_of_which_half_is_null_halts_from_now_on(part: str) -> None:
    risk = centre()
    risk.restore(at(9), {**centre().to_dict(), part: None})
    assert risk.halted
    assert risk.breaker.since_ns == at(9)


def test_an_unreadable_day_halts_and_shows_the_record() -> None:
    risk = centre()
    risk.restore(at(9), {**centre().to_dict(), "day": {"base": "much"}})
    assert risk.breaker.message == "stored day record is unreadable: {'base': 'much'}"
    assert risk.breaker.evidence == {"record": "day"}
    assert (risk.breaker.cause, risk.breaker.since_ns) == (Cause.OPERATOR, at(9))


# -- the sentinel ------------------------------------------------------------------------------------------------------

WATCHES = SentinelRules(engine_stale_s=3, unseen_s=5, position=1.0, open_orders=1, takeover_s=10)
ALIVE = EngineSeen(reachable=True, age_s=0.1, epoch=7)


def order(epoch: int = 7, age: float = 60.0) -> OrderSeen:
    return OrderSeen("ETHUSDT", f"mm-{epoch}-1", epoch, age)


@pytest.mark.parametrize(
    ("engine", "venue", "act", "reason"),
    [
        (ALIVE, VenueSeen(True, (), (("ETHUSDT", 2.5),)), Act.HALT, "ETHUSDT position 2.5 is over 1"),
        (ALIVE, VenueSeen(True, (order(), order())), Act.HALT, "2 open orders of ours, allowed 1"),
        (
            EngineSeen(reachable=False),
            VenueSeen(True, (order(),)),
            Act.CANCEL,
            "the engine was not seen for 4.0 s: no answer",
        ),
        (
            EngineSeen(reachable=False, detail="refused"),
            VenueSeen(True, (order(),)),
            Act.CANCEL,
            "the engine was not seen for 4.0 s: refused",
        ),
        (
            EngineSeen(reachable=False, stopped_cleanly=True),
            VenueSeen(True, ()),
            Act.WATCH,
            "the engine is stopped; no open orders of ours",
        ),
        (
            EngineSeen(reachable=True),
            VenueSeen(True, (order(),)),
            Act.CANCEL,
            "the engine does not say when its quoting loop last ran",
        ),
        (
            EngineSeen(reachable=True, age_s=8.0),
            VenueSeen(True, (order(),)),
            Act.CANCEL,
            "the engine's quoting loop last ran 8.0 s ago",
        ),
        (ALIVE, VenueSeen(False, detail="timed out"), Act.CANCEL, "the exchange was not seen for 6.0 s: timed out"),
    ],
)
def test_the_sentinel_says_in_full_why_it_acts(engine: EngineSeen, venue: VenueSeen, act: Act, reason: str) -> None:
    made = decide(WATCHES, engine, venue, engine_unseen_s=4.0, venue_unseen_s=6.0)
    assert made == Decision(act, reason)


@pytest.mark.parametrize(("age", "act"), [(10.0, Act.WATCH), (10.1, Act.HALT)])
def test_two_epochs_are_two_engines_once_the_hand_over_has_had_its_time(age: float, act: Act) -> None:
    venue = VenueSeen(True, (order(7, age), order(6)))
    made = decide(SentinelRules(takeover_s=10), ALIVE, venue, engine_unseen_s=0.0, venue_unseen_s=0.0)
    assert made.act is act
