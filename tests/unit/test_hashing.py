"""The kernel's HMAC-SHA256 against hashlib's, and against the vectors of its standards."""

import hashlib
import hmac

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.kernel.codec.hashing import _FIRST, _ROUNDS, PADS, SCRATCH, absorb_pads, signature
from engine.venue.binance.signing import HmacSigner


def signed(key: str, text: bytes) -> str:
    work, pads = np.zeros(PADS + SCRATCH, np.int64), HmacSigner(key).pads()
    absorb_pads(np.frombuffer(b"".join(pads), np.uint8).copy(), work)
    room = np.zeros(len(text) + 64, np.uint8)
    room[: len(text)] = np.frombuffer(text, np.uint8)
    found = []
    for _ in range(2):  # what is left in the scratch space is no matter
        assert signature(room, len(text), work) == len(text) + 64
        found.append(room[len(text) :].tobytes().decode())
    assert found[0] == found[1]
    assert room[: len(text)].tobytes() == text
    return found[0]


def test_the_constants_are_those_of_the_standard() -> None:
    assert [f"{word:08x}" for word in _ROUNDS[[0, 1, 62, 63]]] == ["428a2f98", "71374491", "bef9a3f7", "c67178f2"]
    assert [f"{word:08x}" for word in _FIRST[[0, 7]]] == ["6a09e667", "5be0cd19"]


@settings(max_examples=300, deadline=None)  # the first call compiles
@given(
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=130),
    text=st.binary(max_size=400),
)
@example(key="Jefe", text=b"what do ya want for nothing?")
@example(key="k", text=bytes(55))
@example(key="k", text=bytes(56))
@example(key="k", text=bytes(63))
@example(key="k", text=bytes(64))
@example(key="k", text=b"\xff" * 119)
@example(key="k", text=b"\xff" * 120)
def test_it_signs_as_hashlib_does(key: str, text: bytes) -> None:
    assert signed(key, text) == hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def test_the_vector_of_the_standard() -> None:
    """RFC 4231, test case 2."""
    wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signed("Jefe", b"what do ya want for nothing?") == wanted
