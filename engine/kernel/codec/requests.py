"""A tick's orders and cancels as the bytes that go to the socket: JSON requests in masked WebSocket frames.

The texts around the values are given (``engine.venue.binance.socket_buffer`` writes them for the exchange); here the
numbers are set in, so that what a tick sends exists in one call and leaves in one write. Frames are those of RFC 6455
section 5.2. Where the session carries no key, each request is signed: HMAC-SHA256 over the same values as a query text.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernel.codec.hashing import PADS, SCRATCH, sign
from engine.kernel.jit import entry, inner, making
from engine.kernel.quoting.actions import (
    ACTION_ID,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_SIZE,
    ACTION_TICKS,
    CANCEL,
    PLACE,
)

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

# columns of an action that ``settle`` leaves free
ACTION_REQUEST: Final = 6  # the request's number
ACTION_CLIENT: Final = 7  # a placement's client id counter
assert ACTION_SIZE > ACTION_CLIENT

# texts, in this order: what stands before each value
TEXT_ID: Final = 0  # before the request's number, of either kind
TEXT_PLACE: Final = 1  # before a new client id's counter
TEXT_PRICE: Final = 2
TEXT_LOTS: Final = 3
TEXT_BUY: Final = 4  # before the timestamp of a buy
TEXT_SELL: Final = 5
TEXT_PLACE_END: Final = 6
TEXT_CANCEL: Final = 7  # before the client id of the order to cancel
TEXT_WINDOW: Final = 8  # before the timestamp of a cancel
TEXT_CANCEL_END: Final = 9
TEXT_CLOSE: Final = 10  # after a request's signature; empty: there are no signatures
SIGNED_PLACE: Final = 11  # and of the text that is signed: before a new client id's counter
SIGNED_PRICE: Final = 12
SIGNED_LOTS: Final = 13
SIGNED_BUY: Final = 14
SIGNED_SELL: Final = 15
SIGNED_PLACE_END: Final = 16
SIGNED_CANCEL: Final = 17
SIGNED_WINDOW: Final = 18
TEXTS: Final = 19

# numbers
NUMBER_REQUEST: Final = 0  # the next request's number; counted up
NUMBER_CLIENT: Final = 1  # the next client id's counter; counted up
NUMBER_TIME_MS: Final = 2  # exchange time of the requests
NUMBER_TICK_E8: Final = 3
NUMBER_LOT_E8: Final = 4
NUMBER_MASK: Final = 5  # state of the frames' masks, not 0
NUMBER_PLACES: Final = 6  # placements that may be written now
NUMBER_ROOM: Final = 7  # and requests, cancels included
_TEXT_CELLS: Final = 8  # cells that the texts take
NUMBER_PADS: Final = 10  # what signs, as ``hashing.absorb_pads`` leaves it; then room to work in
NUMBERS: Final = NUMBER_PADS + PADS + SCRATCH

_TEXTS_AT: Final = NUMBERS + 2 * TEXTS  # where they begin

CLIENT_BYTES: Final = 40  # of a client id: its length, then its text
FRAME_BYTES: Final = 1024  # no request is longer, nor the text that is signed
_SHORT: Final = 126  # payloads below this have their length in the header's second byte


class RequestParts(NamedTuple):
    """The parts of an order buffer's block, without a copy."""

    numbers: I64  # [NUMBERS]
    spans: I64  # [TEXTS, 2] where each text begins and ends
    texts: U8
    out: U8  # the frames written; its last FRAME_BYTES hold what is signed


def carve_requests(block: I64) -> RequestParts:
    """The parts of a block made by ``new_requests``, from Python."""
    end = _TEXTS_AT + block[_TEXT_CELLS]
    return RequestParts(
        block[:NUMBERS],
        block[NUMBERS:_TEXTS_AT].reshape((TEXTS, 2)),
        block[_TEXTS_AT:end].view(np.uint8),
        block[end:].view(np.uint8),
    )


#: ``request_parts(block)`` inside the kernel: its own views, spliced into the caller.
request_parts = making(carve_requests)


def new_requests(texts: U8, spans: I64, room: int) -> I64:
    """One order buffer's block: the texts around a request's values, and room for ``room`` frames. No request may be
    written before ``NUMBER_PLACES`` and ``NUMBER_ROOM`` say so."""
    cells = -(-len(texts) // 8)
    block = np.zeros(_TEXTS_AT + cells + (room + 1) * FRAME_BYTES // 8, np.int64)
    block[_TEXT_CELLS] = cells
    parts = carve_requests(block)
    parts.spans[:], parts.texts[: len(texts)] = spans, texts
    return block


#: In the place of an order buffer: nothing may be written.
NO_BUFFER: Final = new_requests(np.zeros(0, np.uint8), np.zeros((TEXTS, 2), np.int64), 0)


@inner
def _text(texts: U8, spans: I64, which: int, out: U8, at: int) -> int:
    for place in range(spans[which, 0], spans[which, 1]):
        out[at] = texts[place]
        at += 1
    return at


@inner
def _digits(number: int, base: int, out: U8, at: int) -> int:
    """``number`` >= 0 in ``base`` up to 36, lower case."""
    size, rest = 1, number // base
    while rest > 0:
        size += 1
        rest //= base
    for place in range(at + size - 1, at - 1, -1):
        digit = number % base
        out[place] = 48 + digit if digit < 10 else 87 + digit
        number //= base
    return at + size


@inner
def _decimal(units: int, size_e8: int, out: U8, at: int) -> int:
    """``units`` of ``size_e8`` as plain decimal text without trailing zeros
    (``engine.venue.binance.order_texts.decimal_text``)."""
    scaled = units * size_e8
    at = _digits(scaled // 100_000_000, 10, out, at)
    fraction = scaled % 100_000_000
    if fraction == 0:
        return at
    out[at] = 46
    at += 1
    unit = 10_000_000
    while fraction > 0:
        out[at] = 48 + fraction // unit
        fraction %= unit
        unit //= 10
        at += 1
    return at


@inner
def _placement(actions: I64, row: int, texts: U8, spans: I64, numbers: I64, first: int, out: U8, at: int) -> int:
    """The values of a placement between texts ``first`` and on (``TEXT_PLACE`` or ``SIGNED_PLACE``)."""
    at = _text(texts, spans, first, out, at)
    at = _digits(actions[row, ACTION_CLIENT], 36, out, at)
    at = _text(texts, spans, first + 1, out, at)
    at = _decimal(actions[row, ACTION_TICKS], numbers[NUMBER_TICK_E8], out, at)
    at = _text(texts, spans, first + 2, out, at)
    at = _decimal(actions[row, ACTION_LOTS], numbers[NUMBER_LOT_E8], out, at)
    at = _text(texts, spans, first + 3 if actions[row, ACTION_SIDE] > 0 else first + 4, out, at)
    at = _digits(numbers[NUMBER_TIME_MS], 10, out, at)
    return int(_text(texts, spans, first + 5, out, at))


@inner
def _cancellation(client: U8, texts: U8, spans: I64, numbers: I64, first: int, out: U8, at: int) -> int:
    at = _text(texts, spans, first, out, at)
    for place in range(1, client[0] + 1):
        out[at] = client[place]
        at += 1
    at = _text(texts, spans, first + 1, out, at)
    return int(_digits(numbers[NUMBER_TIME_MS], 10, out, at))


@inner
def _frame(out: U8, start: int, end: int, mask: int) -> int:
    """Close the frame whose payload lies at ``start`` + 8 to ``end``: header, mask, masked payload. Returns its end."""
    length = end - start - 8
    first, shift = start + 8, 0
    out[start] = 0x81  # a whole text message
    if length < _SHORT:
        out[start + 1] = 0x80 | length
        shift = 2
    else:
        out[start + 1] = 0x80 | _SHORT
        out[start + 2] = length >> 8
        out[start + 3] = length & 255
    for place in range(4):
        out[start + 4 - shift + place] = (mask >> (8 * place)) & 255
    for place in range(length):
        out[first - shift + place] = out[first + place] ^ ((mask >> (8 * (place & 3))) & 255)
    return end - shift


@entry
def write_requests(actions: I64, count: int, clients: U8, texts: U8, spans: I64, numbers: I64, out: U8) -> int:
    """Write every placement and cancel of ``actions[:count]``, in order, as frames. Returns the bytes in ``out``.

    ``clients[ACTION_ID]`` is the client id of the order to cancel. The numbers used are noted in ``ACTION_REQUEST`` and
    ``ACTION_CLIENT``. ``out`` must hold ``FRAME_BYTES`` for each, and for one more: what is signed is written there.
    """
    end = 0
    signed, query = spans[TEXT_CLOSE, 1] > spans[TEXT_CLOSE, 0], out.shape[0] - FRAME_BYTES
    for row in range(count):
        kind = actions[row, ACTION_KIND]
        if kind != PLACE and kind != CANCEL:
            continue
        actions[row, ACTION_REQUEST] = numbers[NUMBER_REQUEST]
        at = _text(texts, spans, TEXT_ID, out, end + 8)
        at = _digits(numbers[NUMBER_REQUEST], 10, out, at)
        numbers[NUMBER_REQUEST] += 1
        if kind == PLACE:
            actions[row, ACTION_CLIENT] = numbers[NUMBER_CLIENT]
            numbers[NUMBER_CLIENT] += 1
            at = _placement(actions, row, texts, spans, numbers, TEXT_PLACE, out, at)
        else:
            at = _cancellation(clients[actions[row, ACTION_ID]], texts, spans, numbers, TEXT_CANCEL, out, at)
            at = _text(texts, spans, TEXT_CANCEL_END, out, at)
        if signed:
            if kind == PLACE:
                stop = _placement(actions, row, texts, spans, numbers, SIGNED_PLACE, out, query)
            else:
                stop = _cancellation(clients[actions[row, ACTION_ID]], texts, spans, numbers, SIGNED_CANCEL, out, query)
            at = sign(out, query, stop, numbers[NUMBER_PADS:], at)
            at = _text(texts, spans, TEXT_CLOSE, out, at)
        mask = numbers[NUMBER_MASK]  # xorshift64 (Marsaglia 2003)
        mask ^= mask << 13
        mask ^= (mask >> 7) & 0x01FFFFFFFFFFFFFF
        mask ^= mask << 17
        numbers[NUMBER_MASK] = mask
        end = _frame(out, end, at, mask & 0xFFFFFFFF)
    return end


def client_row(client_id: str) -> U8:
    """A client id as ``write_requests`` reads it."""
    text = client_id.encode()
    row = np.zeros(CLIENT_BYTES, np.uint8)
    row[0] = len(text)
    row[1 : 1 + len(text)] = np.frombuffer(text, np.uint8)
    return row
