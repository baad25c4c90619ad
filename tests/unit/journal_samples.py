"""Records for journal tests, and a backend that fails when told."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.histogram import from_list
from engine.store.backend import Backend, Restart
from engine.store.journal import Journal
from engine.store.read import query
from engine.store.records import (
    ConfigChangeRecord,
    DecisionRecord,
    FillRecord,
    OrderRecord,
    PnlRecord,
    PositionRecord,
    Record,
    RiskEventRecord,
    Row,
    StateRecord,
)
from engine.store.spill import SpillFile
from engine.store.sqlite import SqliteBackend
from engine.store.tables import Table
from engine.store.trace_records import FillTraceRecord, LatencyRecord, OrderTraceRecord

NS = 1_723_100_000_123_456_789
DAY = "2024-08-08"


def fill(trade_id: int = 1, *, price: str = "2500.01", symbol: str = "ETHUSDC") -> FillRecord:
    return FillRecord(
        symbol, trade_id, f"mm-1-{trade_id}", 1, Decimal(price), Decimal("0.01"), True, Decimal("0.00002"), "BNB",
        NS // 1_000_000, NS,
    )  # fmt: skip


def order(client_id: str = "mm-1-1", *, state: str = "ACCEPTED", updated_ns: int = NS, epoch: int = 1) -> OrderRecord:
    price, size = Decimal("2500.01"), Decimal("0.01")
    return OrderRecord(client_id, "ETHUSDC", 1, price, size, Decimal(0), state, updated_ns, NS, epoch)


def pnl(ns: int = NS, *, day: str = DAY, day_total: str = "-1.5") -> PnlRecord:
    zero = Decimal(0)
    total = Decimal(day_total)
    return PnlRecord(
        ns, day, total, total, zero, zero, zero, zero, zero, zero, total, Decimal(1000), Decimal(1001), "USDC"
    )


def event(event_id: str = "1-1") -> RiskEventRecord:
    return RiskEventRecord(
        event_id, NS, "breaker", "critical", "it's open", {"value": Decimal("0.1"), "window": [1, 2]}
    )


def position(quantity: str = "0.02", *, updated_ns: int = NS) -> PositionRecord:
    return PositionRecord("ETHUSDC", Decimal(quantity), Decimal("2500.005"), Decimal("-0.1"), 7, updated_ns)


def decision(seq: int, epoch: int = 1, wall_ns: int = 0) -> DecisionRecord:
    return DecisionRecord(epoch, seq, NS + seq, "ETHUSDC", -1, "place", 250_001, 10, wall_ns)


def state(name: str = "breaker", value: str = "OPEN", *, updated_ns: int = NS) -> StateRecord:
    return StateRecord(name, {"state": value}, updated_ns)


def change(event_id: str = "1-2") -> ConfigChangeRecord:
    changed = {"path": "risk.max_position", "old": "0.1", "new": "0.2"}
    return ConfigChangeRecord(event_id, NS, "ann", "wider", "aaaa", "bbbb", (changed,))


def order_trace(client_id: str = "mm-1-1", updated_ns: int = NS) -> OrderTraceRecord:
    return OrderTraceRecord(client_id, "ETHUSDC", 1, "frame", updated_ns, inputs={"mid": "2500.01", "position": "0"})


def fill_trace(trade_id: int = 1, client_id: str = "mm-1-1") -> FillTraceRecord:
    return FillTraceRecord("ETHUSDC", trade_id, client_id, NS, NS + 1, Decimal("2500.015"), {"1": 0.5, "60": None}, NS)


def latencies(ns: int = NS) -> LatencyRecord:
    return LatencyRecord(1, "ack", ns, from_list([100, 2, 300, 1], 400))


def one_of_each() -> list[Record]:
    ledger: list[Record] = [fill(), order(), pnl(), event(), position(), decision(1), state(), change()]
    return [*ledger, order_trace(), fill_trace(), latencies()]


class Flaky:
    """A backend in front of a real one: ``before`` and ``after`` a write may raise what the test wants."""

    def __init__(self, real: Backend) -> None:
        self.real = real
        self.before: Callable[[list[Row]], None] = lambda rows: None
        self.after: Callable[[list[Row]], None] = lambda rows: None
        self.opening: Callable[[], None] = lambda: None

    def open(self) -> None:
        self.opening()
        self.real.open()

    def write(self, batch: Sequence[tuple[Table, list[Row]]], *, durable: bool) -> None:
        rows = [row for _, part in batch for row in part]
        self.before(rows)
        self.real.write(batch, durable=durable)
        self.after(rows)

    def restart(self, account: str) -> Restart:
        return self.real.restart(account)

    def check(self) -> None:
        self.real.check()

    def prune(self, account: str, before_ns: int, most: int) -> int:
        return self.real.prune(account, before_ns, most)

    def close(self) -> None:
        self.real.close()


class Forgetful(Flaky):
    """A database that keeps what was not flushed in memory, as PostgreSQL may, and forgets it when it crashes."""

    def __init__(self, real: Backend) -> None:
        super().__init__(real)
        self.unflushed: list[tuple[Table, list[Row]]] = []

    def write(self, batch: Sequence[tuple[Table, list[Row]]], *, durable: bool) -> None:
        self.before([row for _, part in batch for row in part])
        self.unflushed += batch
        if durable:
            self.real.write(self.unflushed, durable=True)
            self.unflushed = []

    def crash(self) -> int:
        """Forget; how many records were lost."""
        lost, self.unflushed = sum(len(part) for _, part in self.unflushed), []
        return lost


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


def journal_in(
    folder: Path,
    backend: Backend | None = None,
    *,
    queue: int = 20_000,
    max_lag_s: float = 5.0,
    on_trouble: Callable[[str | None], None] | None = None,
    reserved: int = 1 << 16,
    kept_s: float = 1e9,
) -> Journal:
    """A journal on SQLite in ``folder`` with its spill file beside it."""
    used = backend or SqliteBackend(sqlite_url(folder))
    spill = SpillFile(folder / "spill", "main", reserved=reserved)
    return Journal(
        used, spill, "main", queue=queue, max_lag_s=max_lag_s, flush_s=0.005, kept_s=kept_s, on_trouble=on_trouble
    )


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a query of the journal in ``folder`` finds."""
    return list(query(sqlite_url(folder), sql).rows)
