"""HMAC-SHA256 of a text that lies in the kernel's own memory, so that a signed order needs no way through Python.

SHA-256 is that of FIPS 180-4, HMAC that of RFC 2104. The two states after the key's pads are given
(``absorb_pads``), so a signature costs one block for each 64 bytes and one more. Words are 32 bits in int64.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.jit import entry, inner, part

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

WORDS: Final = 8  # of a state
PADS: Final = 2 * WORDS  # states after the inner and the outer pad
SCRATCH: Final = WORDS + 64 + 16  # a state, a block's schedule, and a block to be filled
_STATE: Final = PADS
_SCHEDULE: Final = _STATE + WORDS
_BLOCK: Final = 64
_MASK: Final = 0xFFFFFFFF


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number: int, power: int) -> int:
    """The first 32 bits of the fraction of the square or cube root of ``number``."""
    scaled, low, high = number << (32 * power), 0, 1 << 40
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= scaled else (low, middle)
    return low & _MASK


_ROUNDS: Final = np.array([_root_bits(prime, 3) for prime in _primes(64)], np.int64)
_FIRST: Final = np.array([_root_bits(prime, 2) for prime in _primes(8)], np.int64)


@part
def _turned(word: int, places: int) -> int:
    return (word >> places | word << (32 - places)) & 0xFFFFFFFF


@inner
def _compress(work: I64) -> None:
    """Take the block whose 16 words begin the schedule into the state; both lie in ``work``."""
    for at in range(_SCHEDULE + 16, _SCHEDULE + 64):
        early, late = work[at - 15], work[at - 2]
        small = _turned(early, 7) ^ _turned(early, 18) ^ early >> 3
        large = _turned(late, 17) ^ _turned(late, 19) ^ late >> 10
        work[at] = (work[at - 16] + small + work[at - 7] + large) & 0xFFFFFFFF
    a, b, c, d = work[_STATE], work[_STATE + 1], work[_STATE + 2], work[_STATE + 3]
    e, f, g, h = work[_STATE + 4], work[_STATE + 5], work[_STATE + 6], work[_STATE + 7]
    for at in range(64):
        chosen = e & f ^ (e ^ 0xFFFFFFFF) & g
        first = h + (_turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)) + chosen + _ROUNDS[at] + work[_SCHEDULE + at]
        most = a & b ^ a & c ^ b & c
        second = (_turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)) + most
        h, g, f, e = g, f, e, (d + first) & 0xFFFFFFFF
        d, c, b, a = c, b, a, (first + second) & 0xFFFFFFFF
    work[_STATE] = (work[_STATE] + a) & 0xFFFFFFFF
    work[_STATE + 1] = (work[_STATE + 1] + b) & 0xFFFFFFFF
    work[_STATE + 2] = (work[_STATE + 2] + c) & 0xFFFFFFFF
    work[_STATE + 3] = (work[_STATE + 3] + d) & 0xFFFFFFFF
    work[_STATE + 4] = (work[_STATE + 4] + e) & 0xFFFFFFFF
    work[_STATE + 5] = (work[_STATE + 5] + f) & 0xFFFFFFFF
    work[_STATE + 6] = (work[_STATE + 6] + g) & 0xFFFFFFFF
    work[_STATE + 7] = (work[_STATE + 7] + h) & 0xFFFFFFFF


@inner
def _byte_at(text: U8, place: int, stop: int) -> int:
    """A byte of the padded message: the text, then 0x80, then zeros."""
    if place < stop:
        return int(text[place])
    return 0x80 if place == stop else 0


@inner
def _absorb(text: U8, start: int, stop: int, work: I64) -> None:
    """Take ``text[start:stop]`` and the end of the message into the state, which has one block behind it."""
    bits = (_BLOCK + stop - start) * 8
    at, ended = start, False
    while not ended:
        ended = at + _BLOCK - 8 > stop  # 0x80 and eight bytes of length still fit
        for word in range(16):
            place = at + 4 * word
            value = 0
            for byte in range(4):
                value = value << 8 | _byte_at(text, place + byte, stop)
            work[_SCHEDULE + word] = value
        if ended:
            work[_SCHEDULE + 14] = bits >> 32
            work[_SCHEDULE + 15] = bits & 0xFFFFFFFF
        _compress(work)
        at += _BLOCK


@inner
def sign(text: U8, start: int, stop: int, work: I64, at: int) -> int:
    """The signature of ``text[start:stop]`` as hexadecimal text at ``at`` of the same array; returns its end."""
    for word in range(WORDS):
        work[_STATE + word] = work[word]
    _absorb(text, start, stop, work)
    for word in range(WORDS):
        work[_SCHEDULE + word] = work[_STATE + word]
        work[_STATE + word] = work[WORDS + word]
    for word in range(WORDS, 16):
        work[_SCHEDULE + word] = 0
    work[_SCHEDULE + WORDS] = 0x80000000
    work[_SCHEDULE + 15] = (_BLOCK + 4 * WORDS) * 8
    _compress(work)
    for word in range(WORDS):
        for shift in range(28, -4, -4):
            digit = work[_STATE + word] >> shift & 15
            text[at] = 48 + digit if digit < 10 else 87 + digit
            at += 1
    return at


@entry
def absorb_pads(pads: U8, work: I64) -> None:
    """The states after the inner and the outer pad, 64 bytes each, at the start of ``work`` (PADS + SCRATCH words)."""
    for pad in range(2):
        for word in range(WORDS):
            work[_STATE + word] = _FIRST[word]
        for word in range(16):
            value = np.int64(0)
            for byte in range(4):
                value = value << 8 | np.int64(pads[_BLOCK * pad + 4 * word + byte])
            work[_SCHEDULE + word] = value
        _compress(work)
        for word in range(WORDS):
            work[WORDS * pad + word] = work[_STATE + word]


@entry
def signature(text: U8, size: int, work: I64) -> int:
    """As ``sign``, for the first ``size`` bytes, written behind them; returns where it ends."""
    return sign(text, np.int64(0), size, work, size)
