"""One symbol as the session holds it: its market, its decisions, its account book."""

from dataclasses import dataclass, field

from engine.kernel.account.pnl import Pnl, new_pnl
from engine.live.account.books import AccountBook
from engine.live.tick.feed import Feed
from engine.live.tick.quoter import Quoter
from engine.orders.manager import OrderManager
from engine.risk.limits import Exposure
from engine.trade import Instrument


@dataclass(slots=True)
class Pair:
    """One symbol: its market, what decides on it, and the account's book of it."""

    instrument: Instrument
    feed: Feed
    account_book: AccountBook
    quoter: Quoter
    marks: Pnl = field(default_factory=new_pnl)  # the kernel's own row: markouts of our fills

    @property
    def symbol(self) -> str:
        """The exchange's own name of it."""
        return self.instrument.symbol

    def mid(self) -> float:
        """Mid price in quote currency; the ledger's last mark while there is no book."""
        mid2 = self.feed.mid2 or self.account_book.ledger.mid2
        return mid2 / 2 * float(self.instrument.tick_size)

    def exposure(self, manager: OrderManager) -> Exposure:
        """Worst case in base currency: what is held, and what every order that may be live can add."""
        lot, at = float(self.instrument.lot_size), manager.exposure(self.symbol)
        position = float(self.account_book.ledger.lots) * lot
        known = at.orders - at.unknown
        return Exposure(self.symbol, position, at.buy_lots * lot, at.sell_lots * lot, self.mid(), known, at.unknown)
