"""What a recorder needs to know of a raw frame: which stream it is of, and the ids that say whether one is missing.

Pure. The rest of a frame is nobody's business here: it is written as it came.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

Payload = memoryview | bytes

_DEPTH: Final = re.compile(rb'"U":(\d{1,18}),"u":(\d{1,18})(?:[^\[]*?"pu":(\d{1,18}))?')
_TICKER: Final = re.compile(rb'"u":(\d{1,18})')
_TRADE: Final = re.compile(rb'"t":(\d{1,18})')
_SNAPSHOT: Final = re.compile(rb'"lastUpdateId":\s*(\d{1,18})')
_HEAD: Final = len(b'{"stream":"')
_LOOKED_THROUGH: Final = 256  # bytes at a frame's begin that hold its ids


class Kind(Enum):
    """What a recorded line is."""

    DEPTH = "depth"
    TRADE = "trades"
    TICKER = "book_tickers"
    SNAPSHOT = "snapshots"
    OTHER = "other"


class FrameIds(NamedTuple):
    """``first`` and ``last`` update id of a diff, otherwise twice the frame's id; ``prev`` is pu, -1 without one.

    -1 throughout: the frame has no id that could be read.
    """

    kind: Kind
    first: int = -1
    last: int = -1
    prev: int = -1


def ids_of(payload: Payload, symbol: str) -> FrameIds:
    """The ids of a combined stream's frame of ``symbol``."""
    at = _HEAD + len(symbol) + 1
    head = bytes(payload[at : at + _LOOKED_THROUGH])
    letter = head[:1]
    if letter == b"d":
        found = _DEPTH.search(head)
        if found is None:
            return FrameIds(Kind.DEPTH)
        first, last, prev = found.groups()
        return FrameIds(Kind.DEPTH, int(first), int(last), -1 if prev is None else int(prev))
    if letter in (b"t", b"b"):
        kind, pattern = (Kind.TRADE, _TRADE) if letter == b"t" else (Kind.TICKER, _TICKER)
        found = pattern.search(head)
        if found is None:
            return FrameIds(kind)
        number = int(found[1])
        return FrameIds(kind, number, number)
    return FrameIds(Kind.OTHER)


def line_ids(frame: bytes, symbol: str) -> FrameIds:
    """The ids of a recorded line's frame, which may be a depth snapshot as well."""
    if frame.startswith(b'{"stream":"'):
        return ids_of(frame, symbol)
    number = snapshot_id(frame)
    return FrameIds(Kind.OTHER) if number < 0 else FrameIds(Kind.SNAPSHOT, number, number)


def snapshot_id(body: bytes) -> int:
    """lastUpdateId of a depth snapshot as REST answers it, -1 where it is none."""
    found = _SNAPSHOT.search(body[:_LOOKED_THROUGH]) or _SNAPSHOT.search(body[-_LOOKED_THROUGH:])
    whole = b'"bids"' in body and b'"asks"' in body and body.rstrip().endswith(b"}")
    return int(found[1]) if found is not None and whole else -1


def one_line(body: bytes) -> bytes:
    """A REST answer as it stands in one line of a recording."""
    return body.strip().replace(b"\r", b"").replace(b"\n", b" ")
