"""What a schedule's account holds, and the person who uses it beside the engine: deposits, withdrawals, own orders.

Each time the person takes something away it is numbered; every word on a balance says how many takings it knows of. So
it is known of each order refused for want of balance whether its engine could have been told by then.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from engine.sandbox.admin.history import add_trade, change_filters
from engine.sandbox.decimals import e8_text
from engine.sandbox.matching.ledger import free_margin
from engine.sandbox.matching.orders import ExchangeOrder, OrderRequest
from engine.trade import Market

if TYPE_CHECKING:
    from tests.sandbox.hostile.venue import Venue

ACTS_A_STEP: Final = 0.03
LEAST: Final = 2_500_000_000  # 25: an account that holds nothing is not traded with at all
FAR: Final = 0.05  # of the price: no trade of a schedule reaches a person's order


@dataclass(frozen=True, slots=True)
class Means:
    """Opening balances: mostly so little that they bind the engine's quotes of 0.02 ETH, and its inventory of 0.1."""

    spot: Mapping[str, str]
    usdm: Mapping[str, str]

    @classmethod
    def drawn(cls, dice: random.Random, market: Market) -> "Means":
        rich = dice.random() < 0.2
        if market is Market.USDM:
            wallet = "5000" if rich else dice.choice(("60", "90", "130", "250"))
            return cls({}, {"USDT": wallet})
        base = "5" if rich else dice.choice(("0", "0", "0.0007", "0.0101", "0.03500007", "0.08"))
        quote = "20000" if rich else dice.choice(("0", "3", "30", "75", "140", "300"))
        if base in ("0", "0.0007") and quote in ("0", "3"):
            quote = "110"
        return cls({"ETH": base, "USDT": quote}, {})


@dataclass(frozen=True, slots=True)
class Unpaid:
    """An order the account could not pay for. ``taken``: what was taken away without its engine being told of it."""

    order: ExchangeOrder
    asset: str
    taken: int
    code: int


GROWN: Final = 10  # times the tick and the lot of before


class Past:
    """What an account has behind it: trades of years whose ticks and lots were finer, and a grid that grows once."""

    def __init__(self, venue: "Venue", dice: random.Random) -> None:
        self._venue, self._dice = venue, dice
        self.grows_after_s = dice.uniform(0.5, 5.0) if dice.random() < 0.35 else float("inf")
        if dice.random() < 0.4:
            for _ in range(dice.randint(1, 4)):
                self._trade()

    def _trade(self) -> None:
        dice, spec = self._dice, self._venue.spec
        told = {
            "market": spec.market.value,
            "symbol": spec.symbol,
            "side": dice.choice(("BUY", "SELL")),
            "price": f"{dice.randint(1500, 4000)}.{dice.randint(0, 99_999_999):08d}",
            "quantity": f"0.0{dice.randint(1, 9_999_999):07d}",
            "commission": "0.00001234",
            "commission_asset": "BNB",
            "days": dice.choice((1, 6, 20, 400)),
        }
        add_trade(self._venue.core.exchange, told)

    def grow(self) -> None:
        """The exchange asks for coarser orders from now on; its market moves on to that grid, as it does there."""
        venue, spec, dice = self._venue, self._venue.spec, self._dice
        told = {"market": spec.market.value, "symbol": spec.symbol}
        ticks, lots = dice.choice(((1, GROWN), (GROWN, 1), (GROWN, GROWN)))
        venue.told("filters", f"{ticks} {lots}".encode())
        sizes = {"tick": e8_text(spec.tick_e8 * ticks), "step": e8_text(spec.lot_e8 * lots)}
        least = {"min_quantity": sizes["step"], "min_notional": dice.choice(("5", "20", "60"))}
        change_filters(venue.core.exchange, told | sizes | least)
        venue.tape.coarsen(ticks, lots)


class Person:
    """Somebody with the same account. ``takings``: (asset, 1e-8) of everything that was taken from what is free."""

    def __init__(self, venue: "Venue", dice: random.Random) -> None:
        self._venue, self._dice = venue, dice
        self.takings: list[tuple[str, int]] = []
        self._orders: list[ExchangeOrder] = []
        self._cancelled: set[int] = set()

    def taken_since(self, asset: str, number: int) -> int:
        return sum(amount for name, amount in self.takings[number:] if name == asset)

    def act(self) -> None:
        """Perhaps one of: a deposit, a withdrawal, an order far from the market, its cancel."""
        dice = self._dice
        if dice.random() >= ACTS_A_STEP:
            return
        acts = (self._pay_in, self._pay_out) if self._venue.market is Market.USDM else (
            self._pay_in, self._pay_out, self._order, self._order, self._cancel
        )  # fmt: skip
        dice.choice(acts)()

    def watch(self, event: Mapping[str, Any]) -> None:
        """A trade of an order that was cancelled before is paid for out of what is free."""
        spot = self._venue.market is Market.SPOT
        body = event if spot else event.get("o", {})
        if body.get("x") == "CANCELED":
            self._cancelled.add(body["i"])
        traded = event.get("x") == "TRADE" if spot else event["e"] == "TRADE_LITE"  # before the word on the wallet
        if traded and event["i"] in self._cancelled:
            spec, selling = self._venue.spec, spot and event["S"] == "SELL"
            lots, ticks = spec.lots(event["l"]), spec.ticks(event["L"])
            amount = lots * spec.lot_e8 if selling else spec.notional_e8(ticks, lots)
            self._take(spec.base if selling else spec.quote, amount)

    def _pay_in(self) -> None:
        venue = self._venue
        amount = self._dice.choice((1_000_000_000, 5_000_000_000))
        venue.core.exchange.deposit(venue.account, venue.market, venue.spec.quote, amount)

    def _pay_out(self) -> None:
        venue, asset = self._venue, self._venue.spec.quote
        spot = venue.market is Market.SPOT
        free = venue.account.balance(asset).free if spot else free_margin(venue.account, asset)
        amount = int(free * self._dice.choice((0.1, 0.5, 1.0)))
        if amount > 0 and self._worth() - amount > LEAST:
            self._take(asset, amount)
            venue.core.exchange.deposit(venue.account, venue.market, asset, -amount)

    def _worth(self) -> int:
        """Of the account, in 1e-8 of the quote currency."""
        venue, spec = self._venue, self._venue.spec
        if venue.market is Market.USDM:
            return venue.account.wallet[spec.quote]
        base, quote = venue.account.balance(spec.base), venue.account.balance(spec.quote)
        price = venue.core.exchange.markets[spec.key].mark_ticks * spec.tick_e8
        return (base.free + base.locked) * price // 10**8 + quote.free + quote.locked

    def _order(self) -> None:
        venue, dice, spec = self._venue, self._dice, self._venue.spec
        side = dice.choice((1, -1))
        mid = venue.core.exchange.markets[spec.key].mark_ticks
        ticks = int(mid * (1 - side * FAR))
        asset = spec.quote if side > 0 else spec.base
        free = int(venue.account.balance(asset).free * dice.choice((0.2, 0.6, 1.0)))
        lots = free // (spec.notional_e8(ticks, 1) if side > 0 else spec.lot_e8)
        if lots <= 0 or spec.notional_e8(ticks, lots) < spec.min_notional_e8:
            return
        self._take(asset, lots * spec.lot_e8 if side < 0 else spec.notional_e8(ticks, lots))
        request = OrderRequest(spec, f"web_{len(self.takings)}", side, "LIMIT", "GTC", ticks, lots)
        self._orders.append(venue.core.exchange.place(venue.account, request))

    def _cancel(self) -> None:
        live = [order for order in self._orders if order.is_live]
        if live:
            self._venue.core.exchange.cancel(self._venue.account, self._dice.choice(live))

    def _take(self, asset: str, amount: int) -> None:
        self.takings.append((asset, amount))
