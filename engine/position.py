"""What is held and what it cost: average cost, one value and one rule for live's ledger, paper trading and the sandbox.

A fill on the position's side adds its value to the cost. A fill against it closes lots at the average of the cost, and
what is left of a larger one opens the other side at its own price. ``engine.kernel.account.pnl`` follows the same rule
in an array of integers, because numba compiles no such value; a property test holds the two together.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from engine.units import Units, size_of, whole

Amount = TypeVar("Amount", int, Decimal)
"""Money in whatever unit the caller values fills in: integers (1e-8 of the quote currency) or decimals."""


@dataclass(frozen=True, slots=True)
class Position(Generic[Amount]):
    """``lots`` are signed (negative: short); ``cost`` has the sign of ``lots`` and the unit of the fills' values."""

    lots: Units
    cost: Amount

    def trade(self, lots: Units, value: Amount) -> tuple["Position[Amount]", Amount]:
        """The position after a fill, and the profit which the fill realised, in the unit of ``value``.

        ``lots``: signed, positive when bought; ``value``: price times ``lots``, signed alike. Fees are no part of it.
        """
        left, none = whole(self.lots + lots), type(value)(0)
        if self.lots * lots >= 0:
            return Position(left, self.cost + value), none
        held, traded = size_of(self.lots), size_of(lots)
        closing = min(held, traded)
        cost, proceeds = _part(self.cost, closing, held), _part(value, closing, traded)
        if not left:
            rest = none
        elif traded < held:
            rest = self.cost - cost
        else:
            rest = value - proceeds
        return Position(left, rest), -cost - proceeds


def _part(amount: Amount, part: Units, of: Units) -> Amount:
    """``amount * part / of``: a decimal to 28 digits, an integer cut toward zero (the rest stays with what is open)."""
    if part == of:
        return amount
    if isinstance(amount, int):
        size = int(abs(amount) * part // of)
        return size if amount > 0 else -size
    return amount / of * part
