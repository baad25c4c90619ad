"""The modes of a futures account as far as ccxt can ask an exchange for them."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from engine.venue.modes import AccountModes, flag
from engine.venue.protocol import VenueError

_BINANCE: Final = frozenset({"binance", "binanceusdm"})


async def read_modes(
    call: Callable[..., Awaitable[Any]], has: dict[str, Any], exchange: str, name: str
) -> AccountModes:
    """``call`` asks ccxt by method name; ``name`` is ccxt's of the symbol. What cannot be asked is None.

    Raises ``VenueError`` where what can be asked is not answered.
    """
    hedge = isolated = multi = portfolio = None
    if has.get("fetchPositionMode"):
        hedge = flag((await call("fetch_position_mode", name, urgent=True)).get("hedged"))
    if has.get("fetchMarginMode"):
        isolated = (await call("fetch_margin_mode", name, urgent=True)).get("marginMode") == "isolated"
    if exchange in _BINANCE:
        multi = flag((await call("fapiPrivateGetMultiAssetsMargin", urgent=True)).get("multiAssetsMargin"))
        try:
            portfolio = flag((await call("sapiGetAccountInfo", urgent=True)).get("isPortfolioMarginRetailEnabled"))
        except VenueError as failure:  # the test network has no such address
            if not failure.known:
                raise
    return AccountModes(hedge, isolated, multi, portfolio)
