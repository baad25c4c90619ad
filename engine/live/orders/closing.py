"""Closing a position at the market, piece by piece, until it is flat, only dust is left, or the exchange says no.

The same loop for the engine (over its desk) and for the sentinel (over REST). One piece is settled before the next is
sent: what a piece without an answer did is looked up at the exchange first, so that no more is ever sold than was held.
"""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from engine.orders.pieces import ZERO, Dust, next_piece
from engine.trade import Instrument, Market

MAX_PIECES: Final = 60
IDLE_PIECES: Final = 3  # in a row that traded nothing: the book holds nothing to trade with
MARGIN: Final = Decimal("1.01")  # what a purchase at the market is reckoned to cost above the present price


@dataclass(frozen=True, slots=True)
class ToClose:
    """What is to be closed, signed base currency, and what the account can pay for it with (spot only).

    ``fees``: base currency the ledger counts as held and the exchange took as fees. ``price``: about now, 0 unknown.
    """

    position: Decimal
    price: Decimal = ZERO
    free_base: Decimal | None = None
    locked_base: Decimal = ZERO
    free_quote: Decimal | None = None
    fees: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Traded:
    """What became of one piece; ``words``: why the rest did not trade, empty for want of a counterpart."""

    filled: Decimal
    words: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of it. ``flat``: nothing is left but what ``dust`` says; ``words``: why not, or what was left."""

    flat: bool
    left: Decimal
    words: str = ""
    dust: str = ""
    pieces: int = 0


class Closer(Protocol):
    """Whoever trades. ``holding`` and ``trade`` end by ``end`` (monotonic seconds)."""

    async def holding(self, end: float) -> ToClose | str:
        """What is held now, every settled piece counted; or why that cannot be said."""
        ...

    async def trade(self, quantity: Decimal, end: float) -> Traded | str:
        """Trade signed ``quantity`` and settle it; text where what it did is not known: nothing more may be sent."""
        ...


async def close_position(hands: Closer, instrument: Instrument, end: float) -> Closed:
    """Close it by ``end`` (monotonic seconds), in at most ``MAX_PIECES`` orders."""
    idle, left, base = 0, ZERO, instrument.base
    for pieces in range(MAX_PIECES):
        held = await hands.holding(end)
        if isinstance(held, str):
            return Closed(False, left, held, pieces=pieces)
        left = held.position
        if not left:
            return Closed(True, left, pieces=pieces)
        found = _wanted(instrument, held)
        if isinstance(found, Closed):
            return Closed(found.flat, left, found.words, found.dust, pieces)
        if time.monotonic() >= end:
            return Closed(False, left, f"time was up after {pieces} orders with {left} {base} left", pieces=pieces)
        told = await hands.trade(found if left < 0 else -found, end)
        if isinstance(told, str):
            return Closed(False, left, told, pieces=pieces + 1)
        if told.words and not told.filled:
            return Closed(False, left, told.words, pieces=pieces + 1)
        idle = 0 if told.filled else idle + 1
        if idle >= IDLE_PIECES:
            words = f"{idle} market orders traded nothing: the book has no counterpart for {left} {base}"
            return Closed(False, left, words, pieces=pieces + 1)
    return Closed(False, left, f"{MAX_PIECES} orders did not close it: {left} {base} are left", pieces=MAX_PIECES)


def _wanted(instrument: Instrument, held: ToClose) -> Decimal | Closed:
    """The next piece, or the end: only dust, or not enough on the account."""
    left, size, base = held.position, abs(held.position), instrument.base
    if instrument.market is Market.USDM:
        found = next_piece(instrument, size, held.price)
        return _left_over(found, left, base) if isinstance(found, Dust) else found.quantity
    if left > 0:
        return _sale(instrument, held, size)
    owned = None if held.free_base is None else held.free_base + held.locked_base
    can_pay = size
    if held.free_quote is not None and held.price:
        can_pay = min(size, held.free_quote / (held.price * MARGIN))
    found = next_piece(instrument, can_pay, held.price, owned=owned) if can_pay else Dust(size, "")
    if isinstance(found, Dust):
        if can_pay < size:
            free = f"{held.free_quote} {instrument.quote} are free, too little to buy back {size} {base}"
            return Closed(False, left, free)
        return _left_over(found, left, base)
    return found.quantity


def _sale(instrument: Instrument, held: ToClose, size: Decimal) -> Decimal | Closed:
    """Never above the free balance: fees taken in the base currency leave less than the fills add up to."""
    base = instrument.base
    can_sell = size if held.free_base is None else min(size, held.free_base)
    found = next_piece(instrument, can_sell, held.price) if can_sell > 0 else Dust(ZERO, "")
    if not isinstance(found, Dust):
        return found.quantity
    missing = size - can_sell
    if missing > held.fees or held.locked_base:
        words = (
            f"{missing} {base} of the position are not free on the account "
            f"(free {held.free_base}, locked {held.locked_base}, paid as fees {held.fees})"
        )
        return Closed(False, held.position, words)
    told = [_named(found, base)] if found.quantity else []
    if found.quantity and not found.final:
        return _left_over(found, held.position, base)
    if missing:
        told.append(f"{missing} {base} were paid as fees in {base} and are not on the account")
    return Closed(True, held.position, dust="; ".join(told))


def _left_over(dust: Dust, left: Decimal, base: str) -> Closed:
    named = _named(dust, base)
    if dust.final:
        return Closed(True, left, dust=named)
    return Closed(False, left, f"{named}: what a market order may not, a limit order placed by hand may")


def _named(dust: Dust, base: str) -> str:
    return f"{dust.quantity} {base} cannot be traded, {dust.rule}"
