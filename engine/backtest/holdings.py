"""What the account of a backtest opens with (``paper.balances``): one purse a symbol, and what is told of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from engine.backtest.settings import Simulation
from engine.config.schema import Config
from engine.kernel.account.purse import FEE_ASSET, MARGIN, SPOT, UNBOUNDED, new_purse
from engine.kernel.sim.lane import I64
from engine.market.columns import Columns

QUOTES: Final = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "BNB", "BTC", "ETH", "EUR", "TRY", "USD")
MOST_E8: Final = 10**18  # ten thousand million whole units: more binds nothing, and counts without overflow


def assets_of(symbol: str, named: Sequence[str]) -> tuple[str, str]:
    """Base and quote currency of a symbol's name; assets that are ``named`` come before the usual ones."""
    name = symbol.partition("_")[0]
    endings = [asset for asset in (*named, *QUOTES) if name.endswith(asset) and name != asset]
    quote = next((one for one in endings if name.removesuffix(one) in named), max(endings, key=len, default=""))
    return name.removesuffix(quote), quote


def _split(symbols: Sequence[str], balances: dict[str, Decimal]) -> dict[str, tuple[Decimal, Decimal]]:
    """Per symbol, its base and its quote currency. What several symbols use is divided evenly between them."""
    used = {symbol: assets_of(symbol, tuple(balances)) for symbol in symbols}
    users: dict[str, int] = {}
    for pair in used.values():
        for asset in pair:
            users[asset] = users.get(asset, 0) + 1
    return {
        symbol: (balances.get(base, Decimal(0)) / users[base], balances.get(quote, Decimal(0)) / users[quote])
        for symbol, (base, quote) in used.items()
    }


def purses(symbols: Sequence[Columns], config: Config, simulation: Simulation) -> list[I64]:
    """One purse a symbol; without ``paper.balances`` they bind nothing."""
    balances = dict(config.paper.balances)
    if not balances:
        return [new_purse(UNBOUNDED) for _ in symbols]
    shares = _split([columns.symbol for columns in symbols], balances)
    spot, made = config.exchange.market == "spot", []
    for columns in symbols:
        base, quote = shares[columns.symbol]
        made.append(
            new_purse(
                SPOT if spot else MARGIN,
                _e8(base),
                _e8(quote),
                tick_e8=columns.tick_e8,
                lot_e8=columns.lot_e8,
                maker_fee=simulation.maker_fee,
                taker_fee=simulation.taker_fee,
                fee_on_base=assets_of(columns.symbol, tuple(balances))[0] == FEE_ASSET,
                leverage=config.exchange.leverage,
            )
        )
    return made


def _e8(amount: Decimal) -> int:
    return min(int(amount * 10**8), MOST_E8)


def balance_notes(symbols: Sequence[Columns], config: Config) -> list[str]:
    """What the run's account held at its start, or that nothing of the kind bound it."""
    if not config.paper.balances:
        return ["no balances given (paper.balances): the account could pay for every order"]
    names = [columns.symbol for columns in symbols]
    shares, spot = _split(names, dict(config.paper.balances)), config.exchange.market == "spot"
    notes = []
    for symbol in names:
        base, quote = assets_of(symbol, tuple(config.paper.balances))
        held = [f"{shares[symbol][0]:f} {base}"] if spot else []
        what = " and ".join([*held, f"{shares[symbol][1]:f} {quote}"])
        times = "" if spot else f" at leverage {config.exchange.leverage}"
        notes.append(f"{symbol}: the account opens with {what}{times}, and orders are no larger than it pays for")
    return notes
