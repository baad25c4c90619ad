"""Counts of times: percentiles within the stated error of numpy's, and sums that lose nothing in whatever order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.histogram import (
    HIGHEST_NS,
    NONE,
    RELATIVE_ERROR,
    SIZE,
    TimeCounter,
    TimeCounts,
    bucket,
    from_list,
    highest_in,
    merged,
)

TIMES = st.lists(
    st.one_of(st.integers(0, 1_000), st.integers(0, 10_000_000), st.integers(0, HIGHEST_NS)), min_size=1, max_size=300
)
SHARES = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6)


def counted(times: list[int]) -> TimeCounts:
    counter = TimeCounter()
    for ns in times:
        counter.record(ns)
    return counter.counted()


def same(one: TimeCounts, other: TimeCounts) -> bool:
    return one.as_list() == other.as_list() and (one.most_ns, one.waited) == (other.most_ns, other.waited)


@given(st.integers(0, HIGHEST_NS))
def test_a_time_is_counted_at_most_the_stated_error_too_high(ns: int) -> None:
    index = bucket(ns)
    assert 0 <= index < SIZE
    assert ns <= highest_in(index) <= ns * (1 + RELATIVE_ERROR)


@given(st.integers(0, HIGHEST_NS - 1))
def test_a_longer_time_never_has_a_lower_bucket(ns: int) -> None:
    assert bucket(ns) <= bucket(ns + 1) <= bucket(ns) + 1


@given(TIMES, SHARES)
def test_percentiles_are_numpys_within_the_stated_error(times: list[int], shares: list[float]) -> None:
    exact = np.quantile(np.array(times), shares, method="inverted_cdf").tolist()
    for share, true, found in zip(shares, exact, counted(times).percentiles(shares), strict=True):
        assert found is not None
        assert true <= found <= true * (1 + RELATIVE_ERROR), share


@given(TIMES, TIMES, TIMES)
def test_merging_is_exact_associative_and_in_any_order_the_same(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = counted(a), counted(b), counted(c)
    left, right = merged([merged([one, two]), three]), merged([one, merged([two, three])])
    assert same(left, right)
    assert same(left, merged([three, one, two]))
    assert same(left, counted(a + b + c))
    assert same(merged([one, NONE]), one)


@given(TIMES)
def test_what_a_journal_keeps_is_read_back_whole_and_a_drawing_loses_no_count(times: list[int]) -> None:
    one = counted(times)
    assert same(from_list(one.as_list(), one.most_ns, one.waited), one)
    coarse = one.coarse()
    assert sum(count for _, count in coarse) == len(times)
    for end, _ in coarse:
        assert sum(n for upto, n in coarse if upto <= end) == sum(highest_in(bucket(ns)) <= end for ns in times)


def test_a_counter_that_was_cleared_has_counted_nothing() -> None:
    counter = TimeCounter()
    counter.record(5_000)
    counter.clear()
    assert same(counter.counted(), NONE)
    assert NONE.percentiles((0.5,)) == [None]


@pytest.mark.parametrize("numbers", [[1], [-1, 2], [SIZE, 1], [[1, 2]]])
def test_what_is_no_list_of_counts_is_refused(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="no counts of times"):
        from_list(numbers, 1)
