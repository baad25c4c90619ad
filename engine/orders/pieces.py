"""How much of a position one market order may close: the pieces every filter lets through, and the dust none does.

Pure, and exact decimals throughout. Quantities are base currency, prices and notionals quote currency.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from typing import Final, NamedTuple

from engine.trade import Instrument, Market

ZERO: Final = Decimal(0)
MOVE: Final = Decimal("1.02")  # the exchange values a market order at an average of some minutes, and we at the mid now


@dataclass(frozen=True, slots=True)
class Piece:
    """A quantity to trade now."""

    quantity: Decimal


class Bound(Enum):
    """What a rule of the exchange bounds."""

    ORDER = "an order"
    MARKET_ORDER = "a market order"
    OWNED = "what the account may own"


@dataclass(frozen=True, slots=True)
class Dust:
    """What cannot be traded: how much, the rule that does not let it in words, and what that rule bounds."""

    quantity: Decimal
    rule: str
    bound: Bound = Bound.ORDER

    @property
    def final(self) -> bool:
        """Whether no order of any kind may be so small, so that nothing can close it. Else it is still a position:
        only market orders are refused, or the account may own no more."""
        return self.bound is Bound.ORDER


class _Floor(NamedTuple):
    """The least quantity that a rule lets through, and the rule in words."""

    least: Decimal
    rule: str
    bound: Bound
    moves: bool = False  # with the price: the rule asks for a value


def step_of(instrument: Instrument) -> Decimal:
    """The least quantity that is a multiple of both the lot and the market order's own step."""
    lot, step = instrument.lot_size, instrument.market_rules.step
    if not step:
        return lot
    unit = min(lot.as_tuple().exponent, step.as_tuple().exponent)
    assert isinstance(unit, int)  # sizes are finite
    return Decimal(math.lcm(int(lot.scaleb(-unit)), int(step.scaleb(-unit)))).scaleb(unit)


def next_piece(instrument: Instrument, left: Decimal, price: Decimal, *, owned: Decimal | None = None) -> Piece | Dust:
    """What to trade of ``left`` (above zero) with the next market order at about ``price`` (0: not known).

    ``owned``: base currency on the account, where it is bought on spot: the largest position is bounded there. What
    one order leaves is never so little that the next could not trade it.
    """
    step = step_of(instrument)
    floors = _floors(instrument, price)
    least = max([step, *(_up(floor.least, step) for floor in floors)])
    most = _most(instrument, price, owned)
    piece = _down(min(left, most), step)
    if piece < least:
        return _dust(instrument, left, step, floors, most)
    rest = left - piece
    comfortable = max([step, *(_up(floor.least * (MOVE if floor.moves else 1), step) for floor in floors)])
    if ZERO < rest < comfortable and rest >= step and piece - (comfortable - rest) >= comfortable:
        piece = _down(piece - (comfortable - rest), step)
    return Piece(piece)


def _floors(instrument: Instrument, price: Decimal) -> list[_Floor]:
    """Least quantities of a market order, each with the rule that asks for it."""
    rules, lots = instrument.market_rules, instrument.quantity(instrument.min_lots)
    floors = [_Floor(lots, f"the smallest quantity of an order, {lots}", Bound.ORDER)]
    if rules.min_quantity:
        words = f"the smallest quantity of a market order, {rules.min_quantity}"
        floors.append(_Floor(rules.min_quantity, words, Bound.MARKET_ORDER))
    # a futures position is closed with reduceOnly, which the notional does not bind
    if rules.min_notional and price and instrument.market is Market.SPOT:
        words = f"the smallest value of an order, {rules.min_notional} {instrument.quote}"
        floors.append(_Floor(rules.min_notional / price, words, Bound.ORDER, moves=True))
    return floors


def _most(instrument: Instrument, price: Decimal, owned: Decimal | None) -> Decimal:
    rules = instrument.market_rules
    ceilings = [Decimal("Infinity")]
    if instrument.max_lots:
        ceilings.append(instrument.quantity(instrument.max_lots))
    if rules.max_quantity:
        ceilings.append(rules.max_quantity)
    if rules.max_notional and price:
        ceilings.append(rules.max_notional / (price * MOVE))
    if rules.max_position and owned is not None:
        ceilings.append(max(rules.max_position - owned, ZERO))
    return min(ceilings)


def _dust(instrument: Instrument, left: Decimal, step: Decimal, floors: list[_Floor], most: Decimal) -> Dust:
    """``left`` as dust, with the first rule that it falls short of."""
    short = next((floor for floor in floors if left < floor.least), None)
    if short is not None:
        return Dust(left, f"less than {short.rule}", short.bound)
    stepped = Bound.MARKET_ORDER if step != instrument.lot_size else Bound.ORDER
    if left < step:
        return Dust(left, f"less than the step of {stepped.value}, {step}", stepped)
    if most < left and instrument.market_rules.max_position:
        return Dust(left, "the account may own no more of it", Bound.OWNED)
    if most < left:
        return Dust(left, f"above the largest market order, {most}")
    return Dust(left, f"no multiple of the step of {stepped.value}, {step}, is large enough", stepped)


def _down(amount: Decimal, step: Decimal) -> Decimal:
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def _up(amount: Decimal, step: Decimal) -> Decimal:
    return -((-amount / step).to_integral_value(ROUND_FLOOR) * step)
