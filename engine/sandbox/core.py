"""The sandbox's parts in one place, without sockets: clock, exchange, keys, limits, listen keys, faults."""

import asyncio
from typing import TYPE_CHECKING

from engine.sandbox.admin.faults import Faults
from engine.sandbox.clock import Clock
from engine.sandbox.market.book import Level
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.market.tape import MarketState
from engine.sandbox.matching.exchange import Exchange
from engine.sandbox.matching.matcher import warm
from engine.sandbox.protocol.auth import KeyRing
from engine.sandbox.protocol.limits import RateCounters
from engine.sandbox.protocol.listen_keys import ListenKeys
from engine.sandbox.settings import Settings

if TYPE_CHECKING:
    from engine.sandbox.matching.simulated import Simulated


class Core:
    """What every skin (REST, WebSocket API, streams, admin) works on."""

    def __init__(self, settings: Settings, specs: list[SymbolSpec], clock: Clock) -> None:
        self.settings = settings
        self.fees = settings.fees
        self.clock = clock
        self.exchange = Exchange(specs, settings.opening, settings.fees, clock, settings.queue_model)
        for state in self.exchange.markets.values():
            state.matcher.live = False  # until prepare() has the kernel ready
        self.keys = KeyRing(settings.opening)
        self.limits = RateCounters(settings.limits, clock)
        self.listen_keys = ListenKeys(clock, settings.listen_key_ms, settings.seed)
        self.faults = Faults(settings.faults, settings.seed)
        self.simulated: Simulated | None = None  # set where a recording is played in its own time
        self.matching = asyncio.Event()  # set once orders can be matched

    async def prepare(self) -> None:
        """Have the matching kernel compiled in a thread while market data is served, then match.

        From the compiler's cache this takes a second; the very first time on a machine, tens of seconds.
        """
        if self.simulated is not None:
            self.matching.set()
            return
        await asyncio.to_thread(warm)
        for state in self.exchange.markets.values():
            state.go_live(self.clock.now_ms())
        self.matching.set()

    def snapshot(self, market: MarketState, limit: int) -> tuple[int, list[Level], list[Level]]:
        """(last update id, bids, asks) best first; an old one while the fault stale_snapshot is on."""
        if market.stale_snapshot is not None:
            update_id, bids, asks = market.stale_snapshot
            return update_id, bids[:limit], asks[:limit]
        book = market.book
        return book.last_update_id, book.bids.top(limit), book.asks.top(limit)
