"""Properties of the risk system that must hold for every sequence of events, not only for the ones we thought of."""

from hypothesis import given
from hypothesis import strategies as st

from engine.kernel.quoting.checks import (
    LIMIT_NOTIONAL,
    LIMIT_OPEN_ORDERS,
    LIMIT_POSITION_LOTS,
    Reason,
    no_limits,
    refuse_place,
)
from engine.risk.breaker import HALTING, NS, Breaker, BreakerRules, BreakerState, Cause, Trip
from engine.risk.limits import Equity as EquityNow
from engine.risk.limits import Exposure, Limits, uses

events = st.lists(
    st.tuples(
        st.sampled_from(["trip", "halt", "tick", "probe", "accepted", "restart"]),
        st.integers(min_value=0, max_value=4000),
    ),
    max_size=60,
)
RULES = BreakerRules(timeout_s=100, max_timeout_s=1600, probes=3, quiet_s=10, max_opens=6, opens_window_s=5000)


@given(events)
def test_halted_never_ends_without_a_reset_and_open_never_before_its_timeout(
    sequence: list[tuple[str, int]],
) -> None:
    now, breaker = 0, Breaker(RULES, 0)
    halted = False
    for what, seconds in sequence:
        now += seconds * NS
        before, since, timeout = breaker.state, breaker.since_ns, breaker.timeout_s
        match what:
            case "trip":
                breaker.trip(now, Trip(Cause.FEED, "feed"))
            case "halt":
                breaker.trip(now, Trip(Cause.OPERATOR, "stop"))
            case "tick":
                breaker.tick(now)
            case "probe":
                breaker.probe()
            case "accepted":
                breaker.accepted()
            case _:
                breaker = Breaker.restore(RULES, now, breaker.to_dict())
        halted = halted or breaker.state is BreakerState.HALTED
        assert not halted or breaker.state is BreakerState.HALTED
        if before is BreakerState.OPEN and breaker.may_quote:
            assert now - since >= timeout * NS
        if before is not BreakerState.CLOSED and breaker.state is BreakerState.CLOSED:
            assert before is BreakerState.HALF_OPEN, "the only way back to normal leads through probing"
        assert RULES.timeout_s <= breaker.timeout_s <= RULES.max_timeout_s
        assert breaker.may_quote == (breaker.size_permille > 0)


@given(st.sampled_from(list(Cause)), st.sampled_from(list(BreakerState)[1:]))
def test_every_trip_leaves_the_breaker_not_quoting(cause: Cause, start: BreakerState) -> None:
    breaker = Breaker(RULES, 0)
    breaker.trip(0, Trip(Cause.FEED, "feed"))
    if start is BreakerState.HALF_OPEN:
        breaker.tick(100 * NS)
    if start is BreakerState.HALTED:
        breaker.trip(0, Trip(Cause.OPERATOR, "stop"))
    breaker.trip(101 * NS, Trip(cause, "again"))
    assert not breaker.may_quote
    assert (breaker.state is BreakerState.HALTED) == (cause in HALTING or start is BreakerState.HALTED)


LOT, TICK = 0.01, 1.0
sizes = st.integers(min_value=1, max_value=400)
orders = st.lists(st.tuples(st.sampled_from([1, -1]), sizes, st.booleans(), st.booleans()), max_size=40)


@given(orders)
def test_accepted_orders_never_take_the_worst_case_past_a_limit(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Orders the kernel lets through are filled or left working in any order; whatever fills, no limit is passed."""
    limits = Limits(position=5.0, notional=12_000, open_orders=8)
    row, mark = no_limits(), 2000
    row[LIMIT_POSITION_LOTS], row[LIMIT_NOTIONAL], row[LIMIT_OPEN_ORDERS] = 500, 1_200_000, 8
    position, working = 0, list[int]()
    for side, lots, fill, cancel in steps:
        pending = sum(abs(work) for work in working if work * side > 0)
        if refuse_place(row, side, mark, lots, position, pending, len(working)) == Reason.NONE:
            working.append(side * lots)
        if fill and working:
            position += working.pop(0)
        if cancel and working:
            working.pop()
        buys = sum(work for work in working if work > 0) * LOT
        sells = -sum(work for work in working if work < 0) * LOT
        now = Exposure("X", position * LOT, buys, sells, mark * TICK, len(working))
        over = [use for use in uses(limits, [now], EquityNow(0, 1, 1), 0.0) if use.use > use.limit + 1e-9]
        assert over == []
