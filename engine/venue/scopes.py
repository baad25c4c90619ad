"""What the API key may do, checked at start: it must trade and must not be able to withdraw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.trade import Market


@dataclass(frozen=True, slots=True)
class KeyScopes:
    """None: the exchange did not say."""

    trade: bool | None
    withdraw: bool | None
    ip_restricted: bool | None = None

    def refusal(self) -> str | None:
        """Why the engine must not start with this key, or None. What the exchange did not say counts against it."""
        if self.withdraw is not False:
            known = "can withdraw" if self.withdraw else "may be able to withdraw (the exchange did not say)"
            return (
                f"the API key {known}. Switch withdrawals off for it on the exchange's API management page, "
                "or make a key without them, and start again"
            )
        if self.trade is not True:
            known = "cannot trade" if self.trade is False else "may not be able to trade (the exchange did not say)"
            return f"the API key {known}. Allow trading for it on the exchange's API management page and start again"
        return None


def binance_scopes(market: Market, word: Mapping[str, Any]) -> KeyScopes:
    """From the answer of ``sapi/v1/account/apiRestrictions``."""
    trade = word.get("enableSpotAndMarginTrading" if market is Market.SPOT else "enableFutures")
    return KeyScopes(_flag(trade), _flag(word.get("enableWithdrawals")), _flag(word.get("ipRestrict")))


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
