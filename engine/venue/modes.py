"""How a futures account keeps positions and margin, asked at start: what this engine does not trade is refused by name.

It holds one net position a symbol on cross margin of the symbol's own quote currency. On any other account its orders
are refused (-4061), or its sums of margin and of what may be lost are wrong.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AccountModes:
    """None: the exchange has no such mode, or its client cannot ask."""

    hedge: bool | None = None
    isolated: bool | None = None
    multi_assets: bool | None = None
    portfolio: bool | None = None

    def refusal(self, symbol: str) -> str | None:
        """Why the engine must not start on this account, with the next step; None where it may."""
        if self.portfolio:
            return (
                "the account is a portfolio margin account, which this engine does not trade: "
                "use an account (or sub-account) with classic futures margin, and start again"
            )
        if self.hedge:
            return (
                "the futures account is in hedge mode, where every order must name a position side: with no position "
                "and no open order left, switch it to one-way mode (Futures, preferences, position mode), and start "
                "again"
            )
        if self.multi_assets:
            return (
                "the futures account is in multi-assets mode, where other assets are margin as well: "
                "switch it to single-asset mode (Futures, preferences, asset mode), and start again"
            )
        if self.isolated:
            return (
                f"{symbol} is on isolated margin: with no position and no open order on it left, "
                "switch it to cross margin (Futures, the symbol's margin mode), and start again"
            )
        return None


def flag(value: Any) -> bool | None:
    """A truth value as Binance writes it, some endpoints as text; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower())
