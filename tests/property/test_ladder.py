"""The ladder against a dictionary: the same levels and the same best, near and far, whatever the market does."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.book.ladder import (
    FAR_FULL,
    LADDER_BEST,
    NOTHING,
    WINDOW,
    Ladders,
    clear_from,
    lots_at,
    new_ladders,
    set_level,
)

LADDERS = new_ladders(1)


def fresh() -> Ladders:
    LADDERS.lots[:] = 0
    LADDERS.meta[:] = 0
    LADDERS.meta[0, :2] = NOTHING, 1 << 61
    LADDERS.far_key[:] = NOTHING
    LADDERS.far_lots[:] = 0
    return LADDERS


KEYS = st.one_of(
    st.integers(-30, 30), st.integers(-3 * WINDOW, 3 * WINDOW), st.sampled_from([-WINDOW, WINDOW, 10 * WINDOW])
)
STEPS = st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(-40, 40))
def test_levels_and_best_are_those_of_a_dictionary(steps: list[tuple[int, int]], cleared: int) -> None:
    ladders = fresh()
    truth: dict[int, int] = {}
    for number, (offset, lots) in enumerate(steps):
        key = 500_000 + offset
        assert set_level(ladders, 0, key, lots) == truth.get(key, 0)
        truth[key] = lots
        truth = {at: held for at, held in truth.items() if held}
        if number == len(steps) // 2:
            clear_from(ladders, 0, 500_000 + cleared)
            truth = {at: held for at, held in truth.items() if at < 500_000 + cleared}
        assert ladders.meta[0, LADDER_BEST] == max(truth, default=NOTHING)
    for key, held in truth.items():
        assert lots_at(ladders, 0, key) == held


def test_a_full_far_table_drops_and_counts_instead_of_running_over() -> None:
    ladders = fresh()
    set_level(ladders, 0, 10 * WINDOW, 1)
    for at in range(FAR_FULL + 5):
        set_level(ladders, 0, at, 1)
    assert int(ladders.meta[0, 4]) == 5
    assert int(np.count_nonzero(ladders.far_lots)) == FAR_FULL
