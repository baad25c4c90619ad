"""Journals made by hand, written by the engine's own backend, and the target that they are read through."""

import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.histogram import TimeCounter
from engine.store.records import ConfigChangeRecord, FillRecord, OrderRecord, PnlRecord, Record, RiskEventRecord
from engine.store.sqlite import SqliteBackend
from engine.store.trace_records import FillTraceRecord, LatencyRecord

ACCOUNT = "desk"
CONFIG = """
environment: sandbox
exchange: {name: binance, api_key: k, api_secret: s, account: desk}
venue: {rest: "http://127.0.0.1:1", stream: "ws://127.0.0.1:1", ws_api: "ws://127.0.0.1:1"}
strategy: {name: basic, symbol: ETHUSDC, base_spread: 0.001, base_size: 0.01, max_inventory: 0.03}
risk: {daily_loss_limit: 50, max_drawdown_limit: 0.02, max_position: 0.03}
logging: {format: json, outputs: [file], file_path: app.log}
"""
ZERO = Decimal(0)


def at(text: str, zone: str = "UTC") -> int:
    """``2026-03-05 12:00:00`` in ``zone``, as ns since 1970."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000


def sample(ns: int, total: str | Decimal, **parts: str | Decimal) -> PnlRecord:
    """A sample with equity 1000 + total; parts that are not given are zero, but for ``inventory``, which fits."""
    whole = Decimal(total)
    named = {name: Decimal(parts.get(name, ZERO)) for name in ("fees", "funding", "hedge", "spread")}
    rest = whole + named["fees"] - named["funding"] - named["hedge"]
    inventory = Decimal(parts.get("inventory", rest - named["spread"]))
    equity = Decimal(1000) + whole
    day = datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d")
    return PnlRecord(
        ns=ns, day=day, total=whole, realized=rest, unrealized=ZERO, inventory=inventory, **named,
        day_total=Decimal(parts.get("day_total", whole)), equity=equity,
        peak_equity=Decimal(parts.get("peak_equity", max(equity, Decimal(1000)))), currency="USDC",
    )  # fmt: skip


def order(
    number: int,
    side: int,
    price: str,
    begin_ns: int,
    end_ns: int,
    state: str = "CANCELED",
    *,
    epoch: int = 1,
    filled: str = "0",
    reason: str = "",
    symbol: str = "ETHUSDC",
) -> OrderRecord:
    size = Decimal("0.01")
    return OrderRecord(
        f"mm-{epoch}-{number}", symbol, side, Decimal(price), size, Decimal(filled), state, end_ns, begin_ns, epoch,
        str(number), reason,
    )  # fmt: skip


def fill(
    number: int,
    side: int,
    price: str,
    ns: int,
    *,
    quantity: str = "0.01",
    fee: str = "0",
    asset: str = "USDC",
    booked_ns: int = 0,
    symbol: str = "ETHUSDC",
) -> FillRecord:
    return FillRecord(
        symbol, number, f"mm-1-{number}", side, Decimal(price), Decimal(quantity), True, Decimal(fee), asset,
        ns // 1_000_000, booked_ns or ns + 5_000_000, str(number),
    )  # fmt: skip


def event(
    number: int, ns: int, kind: str, severity: str, message: str, *, epoch: int = 1, **evidence: object
) -> Record:
    return RiskEventRecord(f"{epoch}-{number}", ns, kind, severity, message, dict(evidence))


def tripped(number: int, ns: int, cause: str, after: str = "OPEN", epoch: int = 1) -> Record:
    severity = "critical" if after == "HALTED" else "warning"
    message = f"breaker closed -> {after.lower()}: {cause} was seen"
    return event(number, ns, "breaker", severity, message, epoch=epoch, cause=cause, before="CLOSED", after=after)


def change(ns: int, path: str) -> ConfigChangeRecord:
    return ConfigChangeRecord(f"c-{ns}", ns, "ann", "wider", "a", "b", ({"path": path, "old": "1", "new": "2"},))


def traced(number: int, ns: int, markouts: dict[str, float | None]) -> FillTraceRecord:
    return FillTraceRecord("ETHUSDC", number, f"mm-1-{number}", ns, ns, Decimal("2500"), markouts, ns)


def answered(ns: int, times: Sequence[int]) -> LatencyRecord:
    """A minute of the exchange's answers, ns each."""
    counter = TimeCounter()
    for time in times:
        counter.record(time)
    return LatencyRecord(1, "ack", ns, counter.counted())


def every(begin_ns: int, end_ns: int, seconds: int = 10) -> Iterable[int]:
    """Moments ``seconds`` apart from begin up to, not including, end."""
    return range(begin_ns, end_ns, seconds * 1_000_000_000)


@dataclass
class Desk:
    """A target whose journal is in a folder of the test's, read as an operator reads it."""

    folder: Path
    name: str = "desk"
    backend: SqliteBackend = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "root/shared/data").mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(CONFIG)
        target = {
            "transport": "local", "environment": "sandbox", "account": ACCOUNT, "config": "config.yaml", "root": "root",
            "api_port": 1,
        }  # fmt: skip
        self.fleet.write_text(json.dumps({"default": self.name, "targets": {self.name: target}}))
        self.backend = SqliteBackend(f"sqlite:///{self.journal}")
        self.backend.open()
        self.write([])

    @property
    def fleet(self) -> Path:
        return self.folder / "fleet.yaml"

    @property
    def journal(self) -> Path:
        return self.folder / "root/shared/data/journal.db"

    @property
    def log(self) -> Path:
        return self.folder / "root/shared/app.log"

    def write(self, records: Sequence[Record], account: str = ACCOUNT) -> "Desk":
        """Into the journal, as the engine's writer does."""
        for start in range(0, len(records), 2000):
            batch = [(record.table, [record.row(account)]) for record in records[start : start + 2000]]
            self.backend.write(batch, durable=True)
        return self


def eventful(begin_ns: int, hours: int = 24) -> list[Record]:
    """A day with everything in it: two epochs, a gap, trips, refusals, fees in two assets, a loss; prices of a seed."""
    hour, second = 3600 * 1_000_000_000, 1_000_000_000
    end, gap = begin_ns + hours * hour, (begin_ns + 9 * hour, begin_ns + 9 * hour + 95 * second)
    made: list[Record] = [sample(begin_ns - second, "0")]
    fees = spread = ZERO
    for at_ns in every(begin_ns, end, 10):
        if gap[0] < at_ns < gap[1]:
            continue
        t = (at_ns - begin_ns) / hour
        drift = Decimal(f"{0.55 * t - 6.5 * math.exp(-((t - 13) ** 2) / 2) + 0.8 * math.sin(2.1 * t):.6f}")
        spread, fees = Decimal(f"{0.9 * t:.6f}"), Decimal(f"{0.11 * t:.6f}")
        made.append(sample(at_ns, drift - fees, fees=fees, spread=spread, peak_equity=Decimal("1009")))
    number, position, drawn = 0, 0, random.Random(7)
    for at_ns in every(begin_ns, end, 120):
        if gap[0] <= at_ns < gap[1]:
            continue
        number += 1
        epoch = 1 if at_ns < gap[0] else 2
        t = (at_ns - begin_ns) / hour
        mid = 2500 + 12 * math.sin(t / 2.5) + 4 * math.sin(7 * t)
        bid, ask = f"{mid - 0.6:.2f}", f"{mid + 0.6:.2f}"
        buys = drawn.random() < 0.16 and position < 3
        sells = not buys and drawn.random() < 0.16 and position > -3
        ends = at_ns + 118 * second
        made.append(
            order(
                2 * number,
                1,
                bid,
                at_ns,
                ends,
                "FILLED" if buys else "CANCELED",
                epoch=epoch,
                filled="0.01" if buys else "0",
            )
        )
        made.append(
            order(
                2 * number + 1, -1, ask, at_ns, ends, "FILLED" if sells else "CANCELED", epoch=epoch,
                filled="0.01" if sells else "0",
            )
        )  # fmt: skip
        if buys:
            position += 1
            made.append(fill(number, 1, bid, ends, fee="0.0125"))
        if sells:
            position -= 1
            made.append(fill(number, -1, ask, ends, fee="0.00002", asset="BNB"))
    made += [
        order(
            900_001,
            1,
            "2500.10",
            begin_ns + 5 * hour,
            begin_ns + 5 * hour + second,
            "REJECTED",
            reason="-2010 no funds",
        ),
        order(900_002, 1, "2500.10", begin_ns + 5 * hour, begin_ns + 5 * hour + second, "EXPIRED"),
        event(1, begin_ns + 3 * hour, "rejected", "warning", "ETHUSDC buy order was refused: -2010 no funds"),
        tripped(2, begin_ns + 13 * hour, "loss_rate", epoch=2),
        event(
            3, begin_ns + 14 * hour, "reconcile:position-differs", "warning", "position 0.02, exchange 0.01", epoch=2
        ),
        tripped(4, begin_ns + 17 * hour, "loss_rate", epoch=2),
        change(begin_ns + 15 * hour, "strategy.base_spread"),
        *(traced(n, begin_ns + n * hour, {"1": 0.8 - 0.02 * n, "5": 0.5 - 0.05 * n, "60": None}) for n in range(20)),
        *(answered(begin_ns + n * 60 * second, [2_000_000] * 95 + [40_000_000] * 5) for n in range(60)),
    ]
    return made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose state and fleet the verbs of the test find."""
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    made = Desk(tmp_path)
    monkeypatch.setenv("MMCTL_FLEET", str(made.fleet))
    return made
