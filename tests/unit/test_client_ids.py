"""Client order ids: ours are recognised, unique across epochs, in order, and short enough for the exchange."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.orders.ids import NONCES, ClientIds, base36, epoch_of, is_ours, outside_id, parse

numbers = st.integers(0, 2**63 - 1)


@settings(deadline=None)
@given(epoch=numbers, counter=numbers)
def test_an_id_tells_its_epoch_and_counter_and_fits_the_exchange(epoch: int, counter: int) -> None:
    client_id = ClientIds(epoch, counter).next()
    parsed = parse(client_id)
    assert parsed is not None
    assert (parsed.epoch, parsed.counter) == (epoch, counter)
    assert epoch_of(client_id) == epoch
    assert len(client_id) <= 36


@settings(deadline=None)
@given(number=numbers)
def test_base36_is_what_python_reads_back(number: int) -> None:
    assert int(base36(number), 36) == number


def test_base36_turns_at_thirty_six() -> None:
    assert [base36(number) for number in (0, 9, 10, 35, 36, 36**2 - 1, 36**2)] == [
        "0",
        "9",
        "a",
        "z",
        "10",
        "zz",
        "100",
    ]


def test_a_negative_number_has_no_id() -> None:
    with pytest.raises(ValueError, match=r"^a client id holds no negative number, got -1$"):
        base36(-1)


def test_ids_count_up_and_never_repeat() -> None:
    ids = ClientIds(7)
    made = [ids.next() for _ in range(100)]
    assert made[:2] == ["mm-7-1", "mm-7-2"]
    assert made[35] == "mm-7-10"
    assert len(set(made)) == 100


def test_ids_found_at_the_exchange_are_never_issued_again() -> None:
    ids = ClientIds(7)
    ids.beyond(40)
    ids.beyond(12)
    assert ids.upcoming == 41
    assert parse(ids.next()) == parse("mm-7-" + base36(41))
    ids.beyond(42)
    assert ids.next() == "mm-7-" + base36(43)


def test_a_counter_carries_its_nonce_and_fits_the_kernels_integers() -> None:
    ids = ClientIds(7, nonce=NONCES - 1)
    first = parse(ids.next())
    assert first is not None
    assert (first.epoch, first.nonce, first.outside) == (7, NONCES - 1, False)
    assert ids.upcoming + (1 << 31) < 2**62
    outside = parse(outside_id(7, NONCES - 1, 1_700_000_000_000_000_000))
    assert outside is not None
    assert (outside.nonce, outside.outside) == (NONCES - 1, True)
    assert len(outside_id(2**31, NONCES - 1, 1)) <= 36


@pytest.mark.parametrize(
    "foreign",
    ["", "mm-", "mm-1", "mm-1-", "mm--1", "mm-01-1", "mm-1-01", "MM-1-1", "mm-1-1 ", "x-mm-1-1", "web_12ab", "mm-1-A",
     "mm-1-1-1", "mm-" + "z" * 14 + "-1", "mm-١-1"],
)  # fmt: skip
def test_other_peoples_ids_are_not_ours(foreign: str) -> None:
    assert not is_ours(foreign)
    assert parse(foreign) is None
    assert epoch_of(foreign) is None
