"""How much of a position one market order may close: the pieces every filter lets through, and the dust none does.

Pure, and exact decimals throughout. Quantities are base currency, prices and notionals quote currency.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from engine.trade import Instrument, Market

ZERO: Final = Decimal(0)
MOVE: Final = Decimal("1.02")  # the exchange values a market order at an average of some minutes, and we at the mid now


@dataclass(frozen=True, slots=True)
class Piece:
    """A quantity to trade now."""

    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Dust:
    """What cannot be traded: how much, and the filter that does not let it.

    ``final``: no order at all may be so small. Else only market orders are refused, or the account may own no more:
    then it is a position, and not dust.
    """

    quantity: Decimal
    rule: str

    @property
    def final(self) -> bool:
        """Whether no order of any kind may be so small, so that nothing can close it."""
        return "MARKET_LOT_SIZE" not in self.rule and "MAX_POSITION" not in self.rule


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
    least = max([step, *(_up(amount, step) for amount, _ in floors)])
    most = _most(instrument, price, owned)
    piece = _down(min(left, most), step)
    if piece < least:
        return Dust(left, _why(instrument, left, step, floors, most))
    rest = left - piece
    comfortable = max([step, *(_up(amount * MOVE if "NOTIONAL" in why else amount, step) for amount, why in floors)])
    if ZERO < rest < comfortable and rest >= step and piece - (comfortable - rest) >= comfortable:
        piece = _down(piece - (comfortable - rest), step)
    return Piece(piece)


def _floors(instrument: Instrument, price: Decimal) -> list[tuple[Decimal, str]]:
    """Least quantities of a market order, each with the filter that asks for it, in words."""
    rules = instrument.market_rules
    floors = [(instrument.quantity(instrument.min_lots), "LOT_SIZE's smallest quantity {}")]
    if rules.min_quantity:
        floors.append((rules.min_quantity, "MARKET_LOT_SIZE's smallest quantity {}"))
    # a futures position is closed with reduceOnly, which the notional does not bind
    if rules.min_notional and price and instrument.market is Market.SPOT:
        floors.append(
            (rules.min_notional / price, f"NOTIONAL's smallest value {rules.min_notional} {instrument.quote}")
        )
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


def _why(instrument: Instrument, left: Decimal, step: Decimal, floors: list[tuple[Decimal, str]], most: Decimal) -> str:
    """The first rule that ``left`` falls short of, by name."""
    for least, why in floors:
        if left < least:
            return "less than " + why.format(least)
    if left < step:
        return f"less than {_step_name(instrument)}'s step {step}"
    if most < left:
        return "MAX_POSITION lets no more be owned" if instrument.market_rules.max_position else f"above {most}"
    return f"no multiple of {_step_name(instrument)}'s step {step} is large enough"


def _step_name(instrument: Instrument) -> str:
    return "MARKET_LOT_SIZE" if step_of(instrument) != instrument.lot_size else "LOT_SIZE"


def _down(amount: Decimal, step: Decimal) -> Decimal:
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def _up(amount: Decimal, step: Decimal) -> Decimal:
    return -((-amount / step).to_integral_value(ROUND_FLOOR) * step)
