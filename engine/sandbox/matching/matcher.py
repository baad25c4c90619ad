"""Where our clients' orders meet the market's flow: the seam to the kernel's simulated exchange, one a symbol.

Queue position, partial fills and crossing are the kernel's (``engine.kernel.sim.match``), the same that backtests use.
Own orders never change the market's book.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.kernel.sim import exchange as sim
from engine.kernel.sim import match as kernel
from engine.kernel.sim.queue import MODELS
from engine.sandbox.errors import ApiError, SandboxError
from engine.sandbox.market.book import DepthBook, Level
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.matching.orders import ExchangeOrder

MAX_RESTING = 1024  # orders of all accounts on one symbol
_TIFS = {"GTC": sim.GTC, "GTX": sim.POST_ONLY, "IOC": sim.IOC, "FOK": sim.FOK}


@cache
def warm() -> None:
    """Have every kernel function compiled, or loaded from its cache, so that no request waits for it."""
    scratch = sim.new_exchange(1, max_orders=4)
    sim.set_rules(scratch, 0, lot_size=1.0, partial_fills=True)
    kernel.on_reset(scratch, 0)
    kernel.on_levels(scratch, 0, 0, np.array([(1, 10, 5), (-1, 12, 5)], dtype=np.int64), 2)
    kernel.on_bbo(scratch, 0, 0, 10, 5, 12, 5)
    kernel.submit(scratch, 0, 0, 1, 1, 10, 3, sim.GTC)
    kernel.replace(scratch, 0, 1, 10, 2, sim.GTC)
    sim.lots_ahead(scratch, 1)
    kernel.on_trade(scratch, 0, 0, -1, 10, 1)
    kernel.cancel(scratch, 1)
    sim.best_bid(scratch, 0)
    sim.best_ask(scratch, 0)
    sim.drain(scratch)


@dataclass(frozen=True, slots=True)
class Match:
    """A fill to be booked."""

    order: ExchangeOrder
    ticks: int
    lots: int
    maker: bool


@dataclass(slots=True)
class _Place:
    """An order in the kernel. ``done`` is what had been filled when it was (re)submitted."""

    order: ExchangeOrder
    done: int


class Matcher:
    """The resting orders of all accounts on one symbol, and the flow that fills them."""

    def __init__(self, spec: SymbolSpec, book: DepthBook, queue_model: str) -> None:
        model = MODELS.get(queue_model.replace("-", "_"))
        if model is None:
            raise SandboxError(f"unknown queue model {queue_model!r} (known: {', '.join(MODELS)})")
        self._book = book
        self._exchange = sim.new_exchange(1, max_orders=MAX_RESTING)
        sim.set_rules(self._exchange, 0, lot_size=spec.lot_e8 / 1e8, queue_model=model, partial_fills=True)
        self._places: dict[int, _Place] = {}
        self.live = True  # False until the kernel is compiled: flow is not matched, and there are no orders yet

    def load(self, now_ns: int, bids: list[Level], asks: list[Level]) -> None:
        """Start from a whole book; resting orders stay."""
        if not self.live:
            return
        kernel.on_reset(self._exchange, 0)
        self.on_levels(now_ns, [(1, t, q) for t, q in bids] + [(-1, t, q) for t, q in asks])

    def crosses(self, side: int, ticks: int) -> bool:
        """Whether a limit order at ``ticks`` would take from the book now."""
        if side > 0:
            return bool(ticks >= sim.best_ask(self._exchange, 0) > 0)
        return bool(ticks <= sim.best_bid(self._exchange, 0))

    def takes(self, side: int, limit_ticks: int, lots: int) -> list[Level]:
        """(ticks, lots) an order would take now from the opposite side up to its limit; limit 0 is no limit."""
        taken: list[Level] = []
        levels = self._book.asks if side > 0 else self._book.bids
        edge = sim.best_ask(self._exchange, 0) if side > 0 else sim.best_bid(self._exchange, 0)
        for ticks in levels.ticks if side > 0 else reversed(levels.ticks):
            if lots <= 0 or (limit_ticks and ticks * side > limit_ticks * side):
                break
            if ticks * side < edge * side:
                continue  # a newer best quote has passed this level
            part = min(lots, levels.lots[ticks])
            taken.append((ticks, part))
            lots -= part
        return taken

    def submit(self, order: ExchangeOrder, now_ns: int) -> list[Match]:
        """Taker fills of a new or amended order; what is left rests if its time in force lets it."""
        tif = sim.MARKET if order.type == "MARKET" else _TIFS[order.tif]
        self._places[order.order_id] = _Place(order, order.filled)
        status = kernel.submit(self._exchange, 0, now_ns, order.order_id, order.side, order.ticks, order.left, tif)
        if status == sim.REJECTED_FULL:
            del self._places[order.order_id]
            raise ApiError(-1008, "Server is currently overloaded with other requests. Please try again later.")
        matches = self._drain()
        if status not in (sim.NEW, sim.PARTIAL):
            self._places.pop(order.order_id, None)
        return matches

    def remove(self, order: ExchangeOrder) -> None:
        """Take a cancelled or amended order out of its queue."""
        if self._places.pop(order.order_id, None) is not None:
            kernel.cancel(self._exchange, order.order_id)

    def shrink(self, order: ExchangeOrder, now_ns: int) -> None:
        """The order's quantity became smaller: it keeps its place."""
        place = self._places.get(order.order_id)
        if place is not None:
            kernel.replace(self._exchange, now_ns, order.order_id, order.ticks, order.lots - place.done, sim.GTC)

    def lots_ahead(self, order: ExchangeOrder) -> float:
        """Estimated lots before the order in its queue, -1 where it does not rest."""
        return float(sim.lots_ahead(self._exchange, order.order_id))

    def on_levels(self, now_ns: int, rows: list[tuple[int, int, int]]) -> list[Match]:
        """A depth frame: (side, ticks, lots) of every level that changed."""
        if not rows or not self.live:
            return []
        waiting = kernel.on_levels(self._exchange, 0, now_ns, np.array(rows, dtype=np.int64), len(rows))
        return self._drain() if waiting else []

    def on_best(self, now_ns: int, bid: int, bid_lots: int, ask: int, ask_lots: int) -> list[Match]:
        """Trades that a new best bid and ask (ticks, lots) make of our clients' orders.

        None before the first snapshot.
        """
        if not self.live:
            return []
        waiting = kernel.on_bbo(self._exchange, 0, now_ns, bid, bid_lots, ask, ask_lots)
        return self._drain() if waiting else []

    def on_trade(self, now_ns: int, taker_side: int, ticks: int, lots: int) -> list[Match]:
        """Trades of our clients' orders that a market trade of ``lots`` at ``ticks`` reaches in the queue."""
        if not self.live:
            return []
        waiting = kernel.on_trade(self._exchange, 0, now_ns, taker_side, ticks, lots)
        return self._drain() if waiting else []

    def _drain(self) -> list[Match]:
        found: list[Match] = []
        for row in sim.drain(self._exchange).tolist():
            place = self._places[row[sim.FILL_ID]]
            found.append(Match(place.order, row[sim.FILL_TICKS], row[sim.FILL_LOTS], bool(row[sim.FILL_MAKER])))
        return found
