"""The book against a plain dictionary, under random levels, jumps of the market and tiny windows and far tables."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.book import order_book as b
from engine.kernel.book.levels import BOOK_FULL, follow, recentre, set_level, set_levels

LEVEL = st.tuples(st.sampled_from([1, -1]), st.integers(1, 3000), st.sampled_from([0, 0, 1, 5, 9]))
STEP = st.one_of(
    st.tuples(st.just("levels"), st.lists(LEVEL, max_size=40)),
    st.tuples(st.just("centre"), st.integers(1, 3000)),
)


def agree(book: b.Book, model: dict[int, dict[int, int]]) -> None:
    out = np.zeros((4000, 2), dtype=np.int64)
    for side, levels in model.items():
        count = b.top(book, side, out)
        assert [tuple(row) for row in out[:count].tolist()] == sorted(levels.items(), reverse=side == 1)
    bid, ask = max(model[1], default=0), min(model[-1], default=0)
    assert b.best(book) == (bid, model[1].get(bid, 0), ask, model[-1].get(ask, 0))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=25), st.booleans())
def test_every_level_and_the_best_equal_a_dictionarys(steps: list[tuple[str, object]], one_by_one: bool) -> None:
    book = b.new_book(window_bits=6, far_bits=13)
    model: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for what, detail in steps:
        match what, detail:
            case "levels", list(rows):
                if one_by_one:
                    for row in rows:
                        set_level(book, *row)
                else:
                    set_levels(book, np.array(rows, dtype=np.int64).reshape(-1, 3), len(rows))
                for side, ticks, lots in rows:
                    model[side].pop(ticks, None)
                    if lots:
                        model[side][ticks] = lots
                follow(book)
            case "centre", int(middle):
                recentre(book, middle)
        agree(book, model)
    assert book.meta[BOOK_FULL] == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_crowded_far_table_loses_and_invents_nothing(seed: int) -> None:
    random = Random(seed)
    book = b.new_book(window_bits=6, far_bits=6)
    prices = random.sample(range(1, random.choice([400, 100_000])), 50)
    model: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for _ in range(400):
        ticks, lots = random.choice(prices), random.choice([0, 0, 1, 2])
        set_level(book, 1, ticks, lots)
        model[1].pop(ticks, None)
        if lots:
            model[1][ticks] = lots
        if random.random() < 0.05:
            recentre(book, random.choice(prices))
            agree(book, model)
    agree(book, model)
    assert book.meta[BOOK_FULL] == 0


@given(st.lists(st.integers(1, 1 << 40), min_size=20, max_size=40, unique=True))
@settings(max_examples=30, deadline=None)
def test_a_far_table_that_overflows_says_so_instead_of_forgetting(prices: list[int]) -> None:
    book = b.new_book(window_bits=6, far_bits=4)
    recentre(book, 1 << 50)
    for ticks in prices:
        set_level(book, 1, ticks, 1)
    assert book.meta[BOOK_FULL] == 1
