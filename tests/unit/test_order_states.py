"""The state table is the specification: what it must hold, and that its documentation is what is in docs."""

import itertools
from pathlib import Path

import pytest

from engine.orders.states import CANCELLABLE, LIVE, MEANING, TERMINAL, TRANSITIONS, OrderState, documentation, legal

S = OrderState
DOCS = Path(__file__).parents[2] / "docs" / "orders.md"


def test_docs_orders_md_is_what_the_table_writes() -> None:
    assert DOCS.read_text() == documentation(), "run: python -m engine.orders.states > docs/orders.md"


def test_every_state_has_a_row_and_a_meaning() -> None:
    assert set(TRANSITIONS) == set(MEANING) == set(S)
    assert len(S) == 11


def test_unknown_ends_only_in_states_the_exchange_or_the_gateway_can_prove() -> None:
    assert set(TRANSITIONS[S.UNKNOWN]) == {
        S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.DENIED,
    }  # fmt: skip


def test_a_fill_after_a_cancel_is_legal() -> None:
    assert legal(S.CANCELED, S.PARTIALLY_FILLED)
    assert legal(S.CANCELED, S.FILLED)


def test_filled_is_the_end_of_everything() -> None:
    assert not any(legal(S.FILLED, after) for after in S)


@pytest.mark.parametrize("state", sorted(TERMINAL - {S.FILLED}, key=lambda state: str(state)))
def test_an_ended_order_that_shows_up_live_becomes_unknown_and_never_silently_live(state: OrderState) -> None:
    assert legal(state, S.UNKNOWN)
    assert not legal(state, S.ACCEPTED)


def test_everything_in_flight_can_become_unknown() -> None:
    in_flight = {S.SUBMITTED, S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL}
    assert all(legal(state, S.UNKNOWN) for state in in_flight)


def test_terminal_and_live_split_the_states_and_only_live_ones_are_cancellable() -> None:
    assert set(S) == TERMINAL | LIVE
    assert not TERMINAL & LIVE
    assert CANCELLABLE <= LIVE


def test_every_state_is_reachable_from_the_first() -> None:
    reached = {S.INITIALIZED}
    for _ in S:
        reached |= {after for before, after in itertools.product(reached, S) if legal(before, after)}
    assert reached == set(S)
