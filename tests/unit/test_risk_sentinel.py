"""What the sentinel does with what it sees, cell by cell; what it cannot see counts against the engine."""

import math

import pytest

from engine.risk.sentinel import Act, EngineSeen, OrderSeen, SentinelRules, VenueSeen, decide

RULES = SentinelRules(engine_stale_s=3, unseen_s=5, position=1.0, open_orders=4, takeover_s=10)
ALIVE = EngineSeen(reachable=True, age_s=0.1, epoch=7)
GONE = EngineSeen(reachable=False, detail="connection refused")


def order(epoch: int | None = 7, age: float = 60.0, name: str = "mm-7-1") -> OrderSeen:
    return OrderSeen("ETHUSDT", name, epoch, age)


def look(
    engine: EngineSeen = ALIVE, venue: VenueSeen | None = None, *, engine_unseen: float = 0.0, venue_unseen: float = 0.0
) -> tuple[Act, str]:
    seen = venue if venue is not None else VenueSeen(reachable=True, orders=(order(),))
    made = decide(RULES, engine, seen, engine_unseen_s=engine_unseen, venue_unseen_s=venue_unseen)
    return made.act, made.reason


def test_a_working_engine_is_only_watched() -> None:
    assert look() == (Act.WATCH, "engine and exchange seen")


@pytest.mark.parametrize(("unseen", "act"), [(3.0, Act.WATCH), (3.1, Act.CANCEL)])
def test_an_engine_that_does_not_answer_is_dead_after_its_time(unseen: float, act: Act) -> None:
    assert look(GONE, engine_unseen=unseen)[0] is act


@pytest.mark.parametrize(
    ("age", "act"), [(3.0, Act.WATCH), (3.1, Act.CANCEL), (None, Act.CANCEL), (math.nan, Act.CANCEL)]
)
def test_an_engine_that_answers_but_does_not_beat_is_frozen(age: float | None, act: Act) -> None:
    assert look(EngineSeen(reachable=True, age_s=age))[0] is act


def test_a_dead_engine_without_orders_needs_nothing() -> None:
    act, reason = look(GONE, VenueSeen(reachable=True, orders=(order(None, name="by-hand"),)), engine_unseen=60)
    assert act is Act.WATCH
    assert "no open orders of ours" in reason


def test_a_dead_engine_and_an_exchange_it_cannot_see_means_cancel() -> None:
    assert look(GONE, VenueSeen(reachable=False), engine_unseen=60, venue_unseen=0.1)[0] is Act.CANCEL


def test_a_stopped_engine_that_left_orders_is_cleaned_up_after() -> None:
    stopped = EngineSeen(reachable=False, stopped_cleanly=True)
    assert look(stopped)[0] is Act.CANCEL
    assert look(stopped, VenueSeen(reachable=True))[0] is Act.WATCH


@pytest.mark.parametrize(("unseen", "act"), [(5.0, Act.WATCH), (5.1, Act.CANCEL)])
def test_an_exchange_not_seen_for_too_long_means_cancel_even_with_a_live_engine(unseen: float, act: Act) -> None:
    assert look(venue=VenueSeen(reachable=False, detail="timed out"), venue_unseen=unseen)[0] is act


def test_orders_of_two_epochs_at_once_mean_two_engines_and_halt() -> None:
    act, reason = look(venue=VenueSeen(True, (order(7), order(6, name="mm-6-9"))))
    assert act is Act.HALT
    assert "2 epochs" in reason


def test_at_a_hand_over_two_epochs_overlap_for_a_moment() -> None:
    assert look(venue=VenueSeen(True, (order(7, age=9.0), order(6))))[0] is Act.WATCH
    assert look(venue=VenueSeen(True, (order(8, age=1.0), order(7), order(6))))[0] is Act.WATCH


def test_orders_that_are_not_ours_are_nobodys_second_engine() -> None:
    assert look(venue=VenueSeen(True, (order(7), order(None, name="by-hand"))))[0] is Act.WATCH


@pytest.mark.parametrize(("position", "act"), [(1.0, Act.WATCH), (1.01, Act.HALT), (-1.01, Act.HALT)])
def test_a_position_over_the_limit_halts(position: float, act: Act) -> None:
    assert look(venue=VenueSeen(True, (), (("ETHUSDT", position),)))[0] is act


def test_a_position_that_is_not_a_number_halts() -> None:
    assert look(venue=VenueSeen(True, (), (("ETHUSDT", math.nan),)))[0] is Act.HALT


def test_too_many_open_orders_of_ours_halt_and_others_do_not_count() -> None:
    ours = tuple(order(7, name=f"mm-7-{n}") for n in range(5))
    assert look(venue=VenueSeen(True, ours))[0] is Act.HALT
    assert look(venue=VenueSeen(True, (*ours[:4], order(None, name="x"))))[0] is Act.WATCH


def test_limits_are_checked_before_a_dead_engine_is_only_cancelled() -> None:
    venue = VenueSeen(True, (order(),), (("ETHUSDT", 5.0),))
    assert look(GONE, venue, engine_unseen=60)[0] is Act.HALT


def test_without_configured_limits_only_sight_and_epochs_count() -> None:
    venue = VenueSeen(True, tuple(order(7, name=f"mm-7-{n}") for n in range(50)), (("ETHUSDT", 500.0),))
    made = decide(SentinelRules(), ALIVE, venue, engine_unseen_s=0, venue_unseen_s=0)
    assert made.act is Act.WATCH


@pytest.mark.parametrize("age", [0.0, 60.0])
def test_two_leases_that_gave_one_epoch_are_two_engines_at_once(age: float) -> None:
    """No hand-over gives an epoch twice, so none is waited for."""
    twins = tuple(OrderSeen("ETHUSDT", f"mm-1-{n}", 1, age, nonce=n) for n in (11, 12))
    act, reason = look(venue=VenueSeen(reachable=True, orders=twins))
    assert act is Act.HALT
    assert "epoch 1 and 2 leases are open at once: two engines are quoting" in reason


@pytest.mark.parametrize(
    ("epoch", "nonce", "age", "act"),
    [
        (7, 11, 0.0, Act.WATCH),
        (7, 12, 0.0, Act.HALT),
        (7, 0, 0.0, Act.HALT),
        (8, 12, 60.0, Act.HALT),
        (8, 12, 1.0, Act.WATCH),
        (6, 12, 60.0, Act.WATCH),
    ],
)
def test_orders_of_another_lease_than_this_hosts_are_another_engines(
    epoch: int, nonce: int, age: float, act: Act
) -> None:
    venue = VenueSeen(reachable=True, orders=(OrderSeen("ETHUSDT", "mm-x-1", epoch, age, nonce),))
    made = decide(RULES, ALIVE, venue, engine_unseen_s=0.0, venue_unseen_s=0.0, lead=(7, 11))
    assert made.act is act
