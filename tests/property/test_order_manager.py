"""The order manager under hostile schedules: whatever is lost, late, repeated or shuffled, its promises hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property import hostile_orders


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), steps=st.integers(1, 120))
def test_no_schedule_breaks_a_promise_of_the_order_manager(seed: int, steps: int) -> None:
    hostile_orders.run(seed, steps)


def test_a_schedule_replays_exactly_from_its_seed() -> None:
    first, second = hostile_orders.run(77), hostile_orders.run(77)
    assert first.booked == second.booked
    assert [first.manager.get(i) for i in first.placed] == [second.manager.get(i) for i in second.placed]
    assert first.placed
