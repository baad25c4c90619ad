"""Bodies that were packed come back byte for byte, whatever they were, and what was not packed is refused."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmctl.tui.recording.bodies import Bodies, pack
from mmctl.tui.recording.packed import WINDOW, compressor
from tests.ui import samples


def kept(bodies: list[bytes]) -> list[bytes]:
    head, numbers = pack({"one": bodies, "other": bodies[:1]})
    read = Bodies(head, numbers)
    assert (read.names(), read.count("one"), read.body("other", 0)) == (["one", "other"], len(bodies), bodies[0])
    return [read.body("one", index) for index in range(len(bodies))]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()), min_size=1, max_size=12))
def test_any_bodies_come_back_byte_for_byte(bodies: list[bytes]) -> None:
    assert kept(bodies) == bodies


NUMBERS = ["0", "-0", "1", "-5", "01", "+1", "1.0", "1e5", "1E5", "2.50", "-0.0", "NaN", "Infinity", "1e-07", "1e-7"]
NUMBERS += ["null", "9223372036854775807", "1" * 30, "0.1", "123456789.123456789", "5e-324", "1.7976931348623157e308"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(NUMBERS) | st.floats(allow_nan=False).map(repr), min_size=2, max_size=30))
def test_every_way_to_write_a_number_comes_back_as_it_was_written(written: list[str]) -> None:
    bodies = [b'{"a":{"b":%s,"b":"x%s"},"c":[%s,1]}' % ((text.encode(),) * 3) for text in written]
    assert kept(bodies) == bodies
    pages = [b'# HELP m of it\nm{le="0.5"} %s\nm %s' % ((text.encode(),) * 2) for text in written]
    assert kept(pages) == pages


def test_documents_a_second_apart_take_a_small_part_of_their_length() -> None:
    chance = random.Random(7)
    price, bodies = 2450.1, []
    for second in range(120):
        price = round(price + chance.choice((-0.1, 0.0, 0.1)), 1)
        state = samples.state(symbols__ETHUSDT__book__bid=price, as_of_ns=1_723_118_500_000_000_000 + second * 10**9)
        bodies.append(json.dumps(state).encode())
    sizes = [len(compressor(15).compress(part)) for part in pack({"state": bodies})]
    assert kept(bodies) == bodies
    assert sum(sizes) < sum(map(len, bodies)) / 100


def test_a_list_that_moves_on_takes_little_more_than_what_is_new_in_it() -> None:
    chance = random.Random(7)
    rows = [f'{{"seq":{number},"evidence":{{"{chance.getrandbits(60):x}":1}}}}' for number in range(300)]
    bodies = [("[" + ",".join(rows[start : start + 100]) + "]").encode() for start in range(0, 200, 2)]
    sizes = [len(compressor(15, b"", WINDOW).compress(part)) for part in pack({"events": bodies})]
    assert kept(bodies) == bodies
    assert sum(sizes) < 300 * 15 * 2, "the texts of all rows, of which each stood in fifty bodies"


@pytest.mark.parametrize("cut", [(0, 1), (2, 0), (0, 8)])
def test_what_is_cut_off_is_refused(cut: tuple[int, int]) -> None:
    head, numbers = pack({"one": [b'{"a":%d,"b":2.5}' % number for number in range(40)]})
    with pytest.raises((ValueError, KeyError, IndexError)):
        Bodies(head[: len(head) - cut[0]], numbers[: len(numbers) - cut[1]]).body("one", 1)
