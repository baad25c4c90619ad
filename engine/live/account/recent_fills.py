"""The last fills, newest first, a page at a time: a page never moves because new fills have come meanwhile."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from engine.kernel.account.pnl import HORIZON_NAMES
from engine.live.account.books import Booked
from engine.telemetry.moments import moment_of
from engine.trade import Instrument

FILLS_KEPT: Final = 5_000
MOST_ON_A_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class FillQuestion:
    """What of the fills is wanted. ``before``: the cursor of the page before, 0 for the newest page.

    ``since_ns``: booked at or after this, ns since 1970.
    """

    limit: int = 100
    before: int = 0
    symbol: str = ""
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class FillPage:
    """Fills newest first. ``cursor`` asks for the page after this one, 0 where nothing older is kept that fits.

    ``complete``: no fill that fits is missing between the newest and the oldest of this page and what was asked for.
    """

    fills: tuple[Mapping[str, Any], ...]
    cursor: int
    complete: bool


class RecentFills:
    """The last ``FILLS_KEPT`` fills. Each has a number of its own that only grows: the time it was booked, ns.

    A number names a fill also after a restart, since it is kept with the fill: a cursor never points elsewhere.
    """

    def __init__(self, most: int = FILLS_KEPT) -> None:
        self._fills: deque[tuple[int, dict[str, Any]]] = deque(maxlen=most)
        self._forgotten = False

    def __len__(self) -> int:
        return len(self._fills)

    def add(self, booked_ns: int, fill: dict[str, Any]) -> int:
        """Keep one more; returns its number."""
        number = max(booked_ns, self._fills[-1][0] + 1) if self._fills else booked_ns
        self._forgotten = self._forgotten or len(self._fills) == self._fills.maxlen
        self._fills.append((number, fill))
        return number

    def earlier(self, fills: list[tuple[int, dict[str, Any]]], *, whole: bool) -> None:
        """What the journal holds from before this engine led, oldest first. ``whole``: it holds no other."""
        for booked_ns, fill in fills:
            self.add(booked_ns, fill)
        self._forgotten = self._forgotten or not whole

    def page(self, question: FillQuestion) -> FillPage:
        """One page; at most ``MOST_ON_A_PAGE``."""
        end = len(self._fills)
        if question.before:
            end = bisect_left(self._fills, question.before, key=lambda entry: entry[0])
        limit = min(question.limit, MOST_ON_A_PAGE)
        found: list[tuple[int, dict[str, Any]]] = []
        more = False
        for number, fill in islice(reversed(self._fills), len(self._fills) - end, None):
            if number < question.since_ns:
                break
            if question.symbol and fill["symbol"] != question.symbol:
                continue
            if len(found) == limit:
                more = True
                break
            found.append((number, fill))
        oldest = self._fills[0][0] if self._fills else 0
        reaches = more or not self._forgotten or (bool(oldest) and question.since_ns >= oldest)
        return FillPage(tuple(fill for _, fill in found), found[-1][0] if more else 0, reaches)


def fill_entry(booked: Booked, instrument: Instrument, markouts: Mapping[str, float | None]) -> dict[str, Any]:
    """One fill as /api/fills shows it: money, prices and ids as text, so that no digit is lost.

    ``markouts`` (seconds -> bps) is kept as it is: what falls due later is shown as well.
    """
    fill = booked.fill
    return {
        "symbol": fill.symbol,
        "trade_id": str(fill.trade_id),
        "client_id": fill.client_id,
        "venue_id": fill.venue_id,
        "side": fill.side.name.lower(),
        "price": f"{instrument.price(fill.ticks):f}",
        "quantity": f"{instrument.quantity(fill.lots):f}",
        "maker": fill.maker,
        "fee": f"{fill.fee:f}",
        "fee_asset": fill.fee_asset,
        "fee_quote": f"{booked.fee_quote:f}",
        "position": f"{instrument.quantity(booked.position_lots):f}",
        **moment_of("exchange", fill.exchange_ms * 1_000_000),
        **moment_of("booked", booked.booked_ns),
        "markouts_bps": markouts,
    }


def earlier_entry(row: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """When it was booked (ns) and, as ``fill_entry``, a fill of the journal (a row of ``trades``), from before this
    engine led. What the row does not say is None."""
    booked_ns = int(row["booked_ns"])
    return booked_ns, {
        "symbol": str(row["symbol"]),
        "trade_id": str(row["trade_id"]),
        "client_id": str(row["client_id"]),
        "venue_id": str(row["venue_id"]),
        "side": "buy" if int(row["side"]) > 0 else "sell",
        "price": _plain(row["price"]),
        "quantity": _plain(row["quantity"]),
        "maker": bool(row["maker"]),
        "fee": _plain(row["fee"]),
        "fee_asset": str(row["fee_asset"]),
        "fee_quote": None,
        "position": None,
        **moment_of("exchange", int(row["exchange_ms"]) * 1_000_000),
        **moment_of("booked", booked_ns),
        "markouts_bps": dict.fromkeys(HORIZON_NAMES),
    }


def _plain(amount: Decimal) -> str:
    """Exact text without the idle zeros that PostgreSQL adds, and never with an exponent."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
