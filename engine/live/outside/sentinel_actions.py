"""The sentinel's hands and eyes: the exchange over REST alone, the engine over its HTTP listener, the halt mark."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from engine.config.schema import Config
from engine.lease import FileLease
from engine.live.account.books import AccountBook, restore_account_book, state_name
from engine.live.failures import Exit, StartError
from engine.live.memory import HaltMark, Memory, MemoryUnreadable
from engine.live.orders.closing import close_position
from engine.live.outside import rest
from engine.live.start.gateway import market_of, open_gateway, venue_failure
from engine.live.switch import ON, unreadable
from engine.orders.ids import is_ours, outside_id, parse
from engine.orders.reconcile import base_fees, net_lots, unattributed
from engine.risk.sentinel import EngineSeen, OrderSeen, VenueSeen
from engine.telemetry.sentinel_seen import HEADER
from engine.trade import Account, Instrument, Market, Outcome, VenueCause, VenueOrder
from engine.units import Units
from engine.venue.protocol import VenueError

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = logging.getLogger("sentinel")

READ_S: Final = 3.0
RETRY_S: Final = 0.1
ACCOUNT_EVERY_S: Final = 10.0  # reading the account weighs more than reading orders
PROVE_S: Final = 12.0
CLOSE_S: Final = 14.0  # closing the position, of which an order without any answer takes half until it is proved absent
HOLD_MAX_S: Final = 6.0
HISTORY_S: Final = 20.0  # every trade there ever was, where no journal is at hand


STILL_QUOTING: Final = (
    "an engine that reaches the exchange is quoting; stop its host, or delete its key on the exchange"
)


@dataclass(slots=True)
class SentinelReport:
    """What was done and what the exchange said afterwards; the JSON of ``--once``."""

    verb: str
    account: str
    proved: bool = False
    open_orders: int | None = None
    cancelled: int = 0
    positions: dict[str, str] = field(default_factory=dict)
    dust: dict[str, str] = field(default_factory=dict)  # of ``positions``: what no filter lets be traded
    message: str = ""
    halted: bool = False
    checked_ns: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it; positions in base currency."""
        return {
            "verb": self.verb,
            "account": self.account,
            "proved": self.proved,
            "open_orders": self.open_orders,
            "cancelled": self.cancelled,
            "positions": {symbol: {"base": base} for symbol, base in self.positions.items()},
            "dust": {symbol: {"base": base} for symbol, base in self.dust.items()},
            "message": self.message,
            "halted": self.halted,
            "checked_ns": self.checked_ns,
        }


class SentinelActions:
    """One account seen from outside. Touches only orders whose client id is ours.

    ``direct``: from another machine than the engine's, which may be out of reach and quoting. Its files can be neither
    read nor written; and zero open orders is proved only when none has come back for as long as an engine may take.
    """

    def __init__(self, config: Config, *, direct: bool = False) -> None:
        self.config, self.direct = config, direct
        self.hold_s = min(config.strategy.tick_interval.seconds + 1.0, HOLD_MAX_S) if direct else 0.0
        self.account_name = config.exchange.account
        self.symbol = config.strategy.symbol
        self.memory = Memory(config.data_dir, self.account_name)
        self.gateway = open_gateway(config, sentinel=True)
        self.instrument: Instrument | None = None
        self._account: Account | None = None
        self._account_at = 0.0
        self._why_unread = ""
        self.key_said = ""  # why the sentinel's own key is not the one that is used
        self.base_fees = Decimal(0)  # spot: paid in base currency, so no longer on the account
        self._http: ClientSession | None = None

    async def open(self, deadline_s: float = PROVE_S) -> None:
        """Ready the REST side; keeps trying until ``deadline_s``. Raises ``StartError``."""
        await self.gateway.open_reads()
        end = time.monotonic() + deadline_s
        while True:
            try:
                await asyncio.wait_for(self.gateway.server_time_ms(), READ_S)
                found = await asyncio.wait_for(self.gateway.instruments([self.symbol]), READ_S)
                break
            except (VenueError, TimeoutError) as error:
                failure = venue_failure("asking for time and instrument", error)
                if failure.code is not Exit.UNREACHABLE or time.monotonic() > end:
                    raise failure from None
                await asyncio.sleep(RETRY_S)
        if self.symbol not in found:
            raise StartError(Exit.CONFIG, f"strategy.symbol {self.symbol} is not traded on {market_of(self.config)}")
        self.instrument = found[self.symbol]
        try:
            await asyncio.wait_for(self.gateway.open_orders(self.symbol), READ_S)
        except VenueError as error:
            await self._other_key(error)
        except TimeoutError:
            pass  # whoever looks or acts next asks again

    async def _other_key(self, refused: VenueError) -> bool:
        """Go on with the engine's key where the exchange refuses the sentinel's own; False where that is no way out."""
        own = self.config.sentinel
        auth = refused.cause is VenueCause.NOT_AUTHORISED
        if not auth or self.key_said or not (own.api_key and own.api_secret) or self.config.paper.enabled:
            return False
        try:
            other = open_gateway(self.config)
        except StartError:  # there is no other key on this machine
            return False
        try:
            await other.open_reads()
            await asyncio.wait_for(other.instruments([self.symbol]), READ_S)
        except (VenueError, TimeoutError):
            await other.close_reads()
            return False
        self.gateway, old = other, self.gateway
        await old.close_reads()
        self.key_said = (
            f"the exchange refuses the sentinel's own key (sentinel.api_key: {refused}); the engine's is used"
        )
        log.critical(self.key_said)
        return True

    async def close(self) -> None:
        """Close what it asks the engine and the exchange with."""
        if self._http is not None:
            await self._http.close()
        await self.gateway.close_reads()

    # --- eyes ---

    async def see_engine(self, blind_s: float | None = None) -> EngineSeen:
        """One question to the engine's listener, bounded by a second. A sentinel that watches says for how many seconds
        it has not seen the exchange: by that the engine knows that it is guarded."""
        from aiohttp import ClientError, ClientSession, ClientTimeout

        from engine.venue.bounded import BoundedResponse

        if self._http is None:
            self._http = ClientSession(timeout=ClientTimeout(total=1.0), response_class=BoundedResponse)
        monitoring = self.config.monitoring
        host = "127.0.0.1" if monitoring.host in ("0.0.0.0", "::") else monitoring.host  # noqa: S104 - compared only
        stopped = self.memory.stopped_cleanly()
        try:
            told = {} if blind_s is None else {HEADER: f"{blind_s:.1f}"}
            async with self._http.get(f"http://{host}:{monitoring.port}/health", headers=told) as answer:
                body = await answer.json()
                age = body.get("heartbeat_age_s")
        except (ClientError, TimeoutError, ValueError, OSError, RecursionError, AttributeError) as error:
            return EngineSeen(False, stopped_cleanly=stopped, detail=str(error) or type(error).__name__)
        digest = body.get("config_sha256")
        age_s = float(age) if isinstance(age, int | float) else None
        return EngineSeen(True, age_s, config_sha256=digest if isinstance(digest, str) else "")

    async def see_venue(self) -> VenueSeen:
        """Our open orders, and every ten seconds the position. Never raises: not seeing is an observation."""
        try:
            orders = await asyncio.wait_for(self.gateway.open_orders(self.symbol), READ_S)
            if time.monotonic() - self._account_at > ACCOUNT_EVERY_S:
                self._account = await asyncio.wait_for(self.gateway.account(), READ_S)
                self._account_at = time.monotonic()
        except (VenueError, TimeoutError) as error:
            if isinstance(error, VenueError) and await self._other_key(error):
                return await self.see_venue()
            return VenueSeen(False, detail=str(error) or "no answer in time")
        now_ms = time.time() * 1000 + self.gateway.clock.skew_ms
        seen = tuple(order_seen(o.symbol, o.client_id, max(now_ms - o.update_ms, 0.0) / 1e3) for o in orders)
        return VenueSeen(True, seen, self._positions())

    def _positions(self) -> tuple[tuple[str, float], ...]:
        """Futures positions; on spot the account's holdings are not the engine's position alone, so none."""
        account, instrument = self._account, self.instrument
        if account is None or instrument is None or instrument.market is Market.SPOT:
            return ()
        position = account.positions.get(self.symbol)
        return ((self.symbol, float(instrument.quantity(position.lots)) if position is not None else 0.0),)

    def lead(self) -> tuple[int, int] | None:
        """Epoch and nonce that this host's lease last gave; None from another machine, or where it cannot be read."""
        lease = FileLease.peek(self.config.lease_path())
        return None if self.direct or not lease.epoch or not lease.nonce else (lease.epoch, lease.nonce)

    # --- hands ---

    async def cancel(self, verb: str = "cancel", deadline_s: float = PROVE_S) -> SentinelReport:
        """Cancel every order of ours until the exchange lists none, and say so only then."""
        report = SentinelReport(verb, self.account_name)
        end, empty_since, again = time.monotonic() + deadline_s + self.hold_s, 0.0, 0
        while True:
            try:
                orders = await asyncio.wait_for(self.gateway.open_orders(self.symbol), READ_S)
                ours = [order for order in orders if is_ours(order.client_id)]
                report.open_orders, report.checked_ns = len(ours), time.time_ns()
                if not ours:
                    empty_since = empty_since or time.monotonic()
                    if time.monotonic() - empty_since >= self.hold_s:
                        report.proved = True
                        report.message = f"the exchange lists no open order of ours ({report.cancelled} cancelled)"
                        return report
                else:
                    again, empty_since = again + bool(empty_since), 0.0
                    report.cancelled += await self._cancel(ours, everything=len(ours) == len(orders))
                    report.message = f"{len(ours)} orders were still listed after their cancel"
                if again:
                    report.message = f"orders came back {again} times: {STILL_QUOTING}"
            except (VenueError, TimeoutError) as error:
                if isinstance(error, VenueError) and await self._other_key(error):
                    continue
                report.open_orders = None
                report.message = f"the exchange did not answer: {str(error) or 'no answer in time'}"
            if time.monotonic() > end:
                return report
            await asyncio.sleep(RETRY_S)

    async def _cancel(self, ours: list[VenueOrder], *, everything: bool) -> int:
        """How many cancels the exchange took. One request where nobody else has orders on the symbol."""
        if everything:
            answer = await self.gateway.cancel_all(self.symbol)
            return len(ours) if answer.outcome is Outcome.ACCEPTED else 0
        answers = await asyncio.gather(*(self.gateway.cancel(o.symbol, o.client_id) for o in ours))
        return sum(answer.outcome is Outcome.ACCEPTED for answer in answers)

    def mark_halt(self, reason: str, actor: str) -> str:
        """Write the mark the engine looks for. Returns why it could not be written, empty when it stands."""
        if self.direct:
            return "; the halt itself could not be left on the engine's host"
        try:
            self.memory.set_halt(HaltMark(time.time_ns(), actor, reason))
        except OSError as error:
            return f"; the halt mark could not be written: {error.strerror}"
        return ""

    def mark_off(self, verb: str, reason: str, actor: str) -> str:
        """Turn the operator's switch off for the engine's next start. Returns why that could not be done."""
        if self.direct:
            return ""
        try:
            was = self.memory.switch() or ON
        except MemoryUnreadable as error:
            was = unreadable(str(error))
        try:
            self.memory.set_switch(was.after(verb, actor, reason))
        except OSError as error:
            return f"; that quoting stays off could not be kept: {error.strerror}"
        return ""

    async def status(self) -> SentinelReport:
        """What is seen, changing nothing; proved when the exchange answered."""
        report, venue = SentinelReport("status", self.account_name), await self.see_venue()
        ours = [order for order in venue.orders if order.epoch is not None]
        report.proved, report.open_orders = venue.reachable, len(ours) if venue.reachable else None
        if self.direct:  # on this machine neither the engine's port nor its files are the engine's
            report.message = venue.detail or f"{len(ours)} open orders of ours"
            return report
        engine = await self.see_engine()
        report.halted = self.memory.halt_mark() is not None
        seen = f"beat {engine.age_s:.1f} s ago" if engine.age_s is not None else engine.detail or "no heartbeat"
        report.message = f"engine: {seen}; exchange: {venue.detail or f'{len(ours)} open orders of ours'}"
        return report

    async def halt(self, reason: str, actor: str) -> SentinelReport:
        """Leave the mark that keeps the engine from quoting, then cancel and prove."""
        marked = self.mark_halt(reason, actor)
        report = await self.cancel("halt")
        report.halted = not marked
        report.proved = report.proved and not marked
        report.message += marked
        return report

    async def flatten(self) -> SentinelReport:
        """Cancel, prove, and close the engine's position with market orders; proved only when it is closed."""
        report = await self.cancel("flatten")
        if not report.proved or self.instrument is None:
            return report
        lots = await self.position_lots()
        if lots is None:
            report.proved, report.message = False, f"no order is left, but {self._unread()}"
            return report
        instrument, end = self.instrument, time.monotonic() + CLOSE_S
        hands = rest.RestCloser(self.gateway, instrument, instrument.quantity(lots), self.base_fees, self.next_id)
        closed = await close_position(hands, instrument, end)
        report.positions = {self.symbol: str(closed.left)}
        report.proved = closed.flat
        if closed.dust:
            report.dust = {self.symbol: str(closed.left)}
        report.message = closed.words or "no open orders of ours, and the position is closed"
        if closed.flat and closed.dust:
            report.message += f" but for what cannot be: {closed.dust}"
        return report

    def _unread(self) -> str:
        return self._why_unread or "the position could not be read"

    async def position_lots(self) -> Units | None:
        """The engine's position, signed lots; None if unknown.

        Futures: the exchange's. Spot, where the account may hold more than ours: the journal's ledger, and every
        trade of ours the exchange has made since. On a machine that does not have that journal: all trades of ours.
        """
        instrument = self.instrument
        if instrument is None:
            return None
        try:
            if instrument.market is Market.USDM and not self.config.paper.enabled:
                account = await asyncio.wait_for(self.gateway.account(), READ_S)
                position = account.positions.get(self.symbol)
                return position.lots if position is not None else 0
            if self.direct and self.config.journal_url().reveal().startswith("sqlite"):
                return await self._traded_lots()  # the file is on the engine's host
            book = await asyncio.to_thread(stored_account_book, self.config, instrument)
            self.base_fees = book.base_fees
            fills = await asyncio.wait_for(self.gateway.fills_since(self.symbol, book.proved), READ_S)
        except (VenueError, TimeoutError, StartError):
            return None
        new = [fill for fill in fills if is_ours(fill.client_id) and not book.holds(fill.trade_id)]
        self.base_fees += sum((fill.fee for fill in new if fill.fee_asset == instrument.base), Decimal(0))
        return book.ledger.lots + sum(fill.lots * int(fill.side) for fill in new)

    async def _traded_lots(self) -> Units | None:
        """Spot without the journal: what every trade of ours that the exchange lists adds up to.

        None, and why in ``_why_unread``, where a trade names no order: it may be ours. What a person sold of it by hand
        is not in it: no more is sold than is free.
        """
        instrument, by_hand = self.instrument, "close it on the exchange by hand"
        assert instrument is not None
        if self.config.paper.enabled:
            self._why_unread = "trading is on paper: its position stands in the journal on its host alone"
            return None
        try:
            fills = await asyncio.wait_for(self.gateway.fills_since(self.symbol, 0), HISTORY_S)
        except TimeoutError:
            self._why_unread = f"the account's trades could not be read within {HISTORY_S:g} s: {by_hand}"
            return None
        unnamed = unattributed(fills)
        if unnamed:
            self._why_unread = f"{unnamed} trades since our first one name no order, so the position is not known"
            self._why_unread += f": {by_hand}"
            return None
        self.base_fees = base_fees(fills, instrument.base)
        return net_lots(fills)

    def next_id(self) -> str:
        """A client id of the epoch that leads, not used before."""
        lease = FileLease.peek(self.config.lease_path())
        return outside_id(lease.epoch, lease.nonce, time.time_ns())


def order_seen(symbol: str, client_id: str, age_s: float) -> OrderSeen:
    """An open order, with whose it is by its name."""
    parsed = parse(client_id)
    if parsed is None:
        return OrderSeen(symbol, client_id, None, age_s)
    return OrderSeen(symbol, client_id, parsed.epoch, age_s, parsed.nonce)


def stored_account_book(config: Config, instrument: Instrument) -> AccountBook:
    """The ledger as the journal holds it, read beside the engine. Raises ``StartError`` when it cannot be read."""
    from engine.store.backend import StoreError
    from engine.store.read import query

    url, name = config.journal_url().reveal(), state_name(instrument.symbol)
    mark = "?" if url.startswith("sqlite") else "%s"
    sql = f"SELECT value FROM engine_state WHERE account = {mark} AND name = {mark}"  # noqa: S608 - placeholders only
    try:
        found = query(url, sql, (config.exchange.account, name))
        value = found.rows[0][0] if found.rows else None
        return restore_account_book(instrument, json.loads(value) if isinstance(value, str) else value)
    except (StoreError, ValueError) as error:
        raise StartError(Exit.FAILED, f"the journal's ledger cannot be read: {error}") from None
