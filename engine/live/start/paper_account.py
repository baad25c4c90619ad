"""Paper trading's account across restarts: the journal is its only record, and says whose trades it holds."""

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from engine.config.schema import Config
from engine.live.account.books import AccountBook
from engine.live.failures import Exit, StartError
from engine.orders.ids import is_ours
from engine.store.records import StateRecord
from engine.trade import Side, VenueOrder, VenueOrderStatus
from engine.units import units_of

if TYPE_CHECKING:
    from engine.venue.live_gateway import LiveGateway
    from engine.venue.paper.exchange import Earlier

MODE: Final = "mode"  # the journal's state of this name tells paper from real


def mode_record(config: Config) -> StateRecord:
    """To be kept at every start, so that the next one knows."""
    return StateRecord(MODE, {"paper": config.paper.enabled}, time.time_ns())


def check_mode(config: Config, stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ``StartError`` where the journal holds the other kind of trades: one ledger never mixes the two."""
    paper = config.paper.enabled
    before = bool(stored.get(MODE, {}).get("paper", False))
    traded = any(name.startswith("ledger:") for name in stored)
    if traded and before != paper:
        kinds = ("paper", "real") if before else ("real", "paper")
        text = f"the journal in {config.data_dir} holds {kinds[0]} trading and paper.enabled asks for {kinds[1]}"
        raise StartError(Exit.CONFIG, f"{text}: give each its own data_dir (or store.url)")


def resume(gateway: "LiveGateway", books: Iterable[AccountBook], rows: Iterable[Mapping[str, Any]], epoch: int) -> None:
    """Bring a paper gateway's account to where the journal says it was. ``rows``: orders not known to have ended."""
    from engine.venue.paper.gateway import PaperGateway

    if not isinstance(gateway, PaperGateway):
        raise StartError(Exit.FAILED, "paper.enabled is set and the gateway is a real one")
    left = list(rows)
    for book in books:
        gateway.exchange.resume(_earlier(book, [row for row in left if row["symbol"] == book.instrument.symbol]), epoch)


def _earlier(book: AccountBook, rows: list[Mapping[str, Any]]) -> "Earlier":
    from engine.venue.paper.exchange import Earlier

    at, ledger = book.instrument, book.ledger
    realized = ledger.realized * ledger.unit - ledger.fees + ledger.funding
    futures = at.market.value == "usdm"
    return Earlier(
        at.symbol,
        ledger.lots,
        ledger.average_ticks * at.tick_size,
        realized if futures else Decimal(ledger.cash) * ledger.unit - ledger.fees,
        Decimal(0) if futures else at.quantity(ledger.lots),
        max(book.beyond, default=max(book.proved, 0)),
        tuple(_order(book, row) for row in rows if is_ours(str(row["client_id"]))),
    )


def _order(book: AccountBook, row: Mapping[str, Any]) -> VenueOrder:
    at = book.instrument
    price, lots, filled = (
        units_of(Decimal(str(row[name])), size)
        for name, size in (("price", at.tick_size), ("quantity", at.lot_size), ("filled", at.lot_size))
    )
    side, ended = Side(int(row["side"])), VenueOrderStatus.CANCELED
    return VenueOrder(at.symbol, str(row["client_id"]), "", side, price, lots, filled, ended, time.time_ns() // 10**6)
