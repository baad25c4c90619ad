"""A whole session without sockets: real kernel, desk, books, risk and gate; the exchange is a list of what was sent."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.config.load import load_text
from engine.config.schema import Config
from engine.live.memory import Memory
from engine.live.rules import risk_rules
from engine.live.session.assembly import Markets, build_session
from engine.live.session.session import Session
from engine.live.session.storage import Storage
from engine.live.strategy.arrays import strategy_of
from engine.risk.centre import RiskCentre
from engine.store.records import Record
from engine.telemetry.latency import Latencies
from engine.trade import (
    Account,
    Answer,
    Instrument,
    Market,
    Outcome,
    PlaceRequest,
    VenueFill,
    VenueOrder,
    VenueOrderStatus,
)
from engine.venue.binance.outcome import cause_of

SYMBOL = "ETHUSDT"
CONFIG = """
environment: sandbox
data_dir: {folder}
exchange: {{api_key: k, api_secret: s, account: test}}
venue: {{rest: "http://x", stream: "ws://x", ws_api: "ws://x"}}
strategy: {{symbol: ETHUSDT, base_spread: 0.001, base_size: 0.1, max_inventory: 0.5{strategy}}}
risk: {{daily_loss_limit: 100, max_drawdown_limit: 0.1, max_position: 1{risk}}}
"""
INSTRUMENT = Instrument(
    SYMBOL,
    Market.SPOT,
    "ETH",
    "USDT",
    Decimal("0.01"),
    Decimal("0.001"),
    min_lots=1,
    max_lots=1_000_000,
    min_notional=Decimal(5),
    min_ticks=1,
    max_ticks=10**9,
    max_open_orders=200,
)


class Exchange:
    """Takes orders and answers when the test says so. ``placed`` and ``cancelled`` are client ids in order."""

    def __init__(self) -> None:
        self.requests: dict[str, PlaceRequest] = {}
        self.placed: list[str] = []
        self.cancelled: list[str] = []
        self.waiting: list[Any] = []
        self.listed: list[VenueOrder] = []
        self.fills: list[VenueFill] = []
        self.market = Market.SPOT
        self.recorded = None  # the wall clock, not a recording's
        self.orders_connected = self.user_connected = True
        self.cancels = asyncio.Event()  # set by every cancel; a test clears it
        self.holds = Account({"ETH": (Decimal(10), Decimal(0)), "USDT": (Decimal(50_000), Decimal(0))}, can_trade=True)

    def send_place(self, request: PlaceRequest, on_answer: Any) -> Answer | None:
        self.requests[request.client_id] = request
        self.placed.append(request.client_id)
        self.waiting.append((on_answer, request.client_id))
        return None

    def send_cancel(self, symbol: str, client_id: str, on_answer: Any) -> Answer | None:
        self.cancelled.append(client_id)
        self.cancels.set()
        self.waiting.append((on_answer, client_id))
        return None

    def answer(self, outcome: Outcome = Outcome.ACCEPTED, code: int = 0, message: str = "") -> None:
        """Answer everything that waits, in order."""
        waiting, self.waiting = self.waiting, []
        for on_answer, client_id in waiting:
            cause = cause_of(code, message) if outcome is Outcome.REJECTED else None
            on_answer(Answer(outcome, client_id, f"v{client_id}", code, message, 1_000_000, 2_000_000, cause=cause))

    def word(self, client_id: str, status: VenueOrderStatus, filled: int = 0, ms: int = 1) -> VenueOrder:
        request = self.requests[client_id]
        return VenueOrder(
            SYMBOL, client_id, f"v{client_id}", request.side, request.ticks, request.lots, filled, status, ms
        )

    async def open_orders(self, symbol: str) -> list[VenueOrder]:
        return list(self.listed)

    async def fills_since(self, symbol: str, after_trade_id: int) -> list[VenueFill]:
        return [fill for fill in self.fills if fill.trade_id > after_trade_id]

    async def account(self) -> Account:
        return self.holds

    async def depth_snapshot(self, symbol: str) -> bytes:
        return snapshot(100)


class Journal:
    """Books at once; ``say`` is its trouble."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.say: str | None = None

    def put(self, record: Record) -> bool:
        self.records.append(record)
        return True

    def book(self, record: Record) -> "Future[str]":
        self.records.append(record)
        done: Future[str] = Future()
        done.set_result("journal")
        return done

    def trouble(self) -> str | None:
        return self.say


class Lease:
    epoch = 7
    nonce = 0

    def __init__(self) -> None:
        self.mine = True
        self.doubt = ""

    def trouble(self) -> str:
        return self.doubt

    def held(self) -> bool:
        return self.mine

    def prove(self) -> bool:
        return self.mine


def snapshot(last_id: int, bid: str = "2000.00", ask: str = "2000.10") -> bytes:
    return f'{{"lastUpdateId":{last_id},"bids":[["{bid}","5.000"]],"asks":[["{ask}","5.000"]]}}'.encode()


def diff(first: int, last: int, bids: str = "", asks: str = "") -> bytes:
    head = f'"e":"depthUpdate","E":1700000000000,"s":"{SYMBOL}","U":{first},"u":{last}'
    return f'{{{head},"b":[{bids}],"a":[{asks}]}}'.encode()


class Rig:
    """A leading session with its parts at hand; ``live()`` brings the book up and opens the gate."""

    def __init__(
        self,
        folder: Path,
        strategy: str = "",
        risk: str = "",
        exchange: Exchange | None = None,
        config: Config | None = None,
    ) -> None:
        self.config: Config = config or load_text(CONFIG.format(folder=folder, strategy=strategy, risk=risk))
        self.exchange, self.journal, self.lease = exchange or Exchange(), Journal(), Lease()
        self.disk = ThreadPoolExecutor(1)
        self.memory = Memory(folder, "test")
        chosen: Any = strategy_of(self.config)
        gateway: Any = self.exchange
        lease: Any = self.lease
        journal: Any = self.journal
        self.markets = Markets({SYMBOL: INSTRUMENT}, gateway, int(self.config.risk.circuit_breaker.feed_timeout))
        self.risk = RiskCentre(risk_rules(self.config), [SYMBOL], 0, 50_000.0)
        self.session: Session = build_session(
            self.config,
            lease,
            Storage(journal, self.memory, self.disk),
            {},
            gateway,
            self.markets,
            chosen,
            self.risk,
            Latencies(),
        )
        self.markets.lead(self.session)
        self.pair = self.session.pairs[SYMBOL]
        self.feed = self.pair.feed
        self.last_id = 100
        self.now = 4_000_000_000_000_000_000  # later than any clock here: what a tick tells is the newest

    def live(self) -> "Rig":
        """Book LIVE, everything well, quoting on: the first tick quotes both sides."""
        facts, funds = self.session.facts, self.session.parts.account_books.funds[SYMBOL]
        funds.account(self.exchange.holds, funds.at)
        self.session.rebound()
        facts.leader = facts.reconciled = facts.orders_up = facts.user_up = True
        self.session.quoting_on()
        self.frame(snapshot(self.last_id))
        self.tick()
        return self

    def frame(self, payload: bytes, wait_ms: int = 100) -> None:
        self.now += wait_ms * 1_000_000
        self.session.heartbeat_ns = self.now
        self.feed.on_frame(payload, self.now)

    def tick(self, bids: str = "", asks: str = "") -> None:
        """The next diff in sequence."""
        self.last_id += 1
        self.frame(diff(self.last_id, self.last_id, bids, asks))

    def gap(self) -> None:
        self.last_id += 10
        self.tick()

    def working(self) -> list[str]:
        return [order.client_id for order in self.session.parts.desk.manager.live(SYMBOL)]

    def close(self) -> None:
        self.disk.shutdown()
