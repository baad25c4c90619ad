"""The engine as a process against the exchange over real sockets: it quotes, books, stops with proof, and recovers."""

import contextlib
import signal
import sqlite3
import time
import urllib.request
from decimal import Decimal
from typing import Any

from engine.sandbox.settings import DEFAULT_ACCOUNTS
from mmctl.client.metrics import parse
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "5", "--speed", "4", "--no-limits", "--quiet")


def traded(engine: Engine) -> int:
    return int(engine.journal("SELECT count(*) FROM trades")[0][0])


def base_held(venue: Venue) -> Decimal:
    balance = venue.account()["spot"]["ETH"]
    return Decimal(balance["free"]) + Decimal(balance["locked"])


def ledger_equals_the_exchanges(engine: Engine, venue: Venue) -> None:
    """Every fill the exchange made for us is in the journal once, and the position is what it holds more of."""
    filled = [o for o in venue.orders() if Decimal(o["executedQty"]) > 0 and o["clientOrderId"].startswith("mm-")]
    bought = sum(Decimal(o["executedQty"]) for o in filled if o["side"] == "BUY")
    sold = sum(Decimal(o["executedQty"]) for o in filled if o["side"] == "SELL")
    rows: list[tuple[Any, ...]] = engine.journal("SELECT side, quantity, fee, fee_asset FROM trades")
    assert sum(Decimal(quantity) for side, quantity, *_ in rows if side > 0) == bought
    assert sum(Decimal(quantity) for side, quantity, *_ in rows if side < 0) == sold
    assert len(rows) == venue.account()["fills"]
    position = Decimal(engine.journal("SELECT quantity FROM positions")[0][0])
    assert position == bought - sold
    base_fees = sum(Decimal(fee) for _, _, fee, asset in rows if asset == "ETH")
    assert base_held(venue) == Decimal(DEFAULT_ACCOUNTS[0].spot["ETH"]) + bought - sold - base_fees


def test_it_quotes_books_every_fill_and_a_stop_leaves_nothing_open(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    assert until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    until(lambda: traded(engine) >= 3, "three fills are in the journal")
    state = engine.get("/api/state")
    pnl = state["pnl"]
    assert abs(pnl["spread"] + pnl["inventory"] - pnl["fees"] + pnl["funding"] - pnl["total"]) < 1e-8
    assert engine.get("/health")["status"] == "ok"
    assert engine.get("/readiness")["ready"] is True
    assert engine.stop() == 0
    assert venue.open_orders() == []
    assert "proved by the exchange" in engine.log
    ledger_equals_the_exchanges(engine, venue)
    open_rows = engine.journal("SELECT count(*) FROM orders WHERE state IN ('ACCEPTED', 'SUBMITTED', 'UNKNOWN')")
    assert open_rows == [(0,)]


def today(engine: Engine) -> dict[str, float]:
    """Orders of the day by outcome, as the metrics page has them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics?group=key", timeout=5) as answer:
        return parse(answer.read().decode()).by("mm_orders_day", "outcome")


def test_after_a_kill_the_next_start_cancels_what_was_left_and_books_what_was_missed(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    until(lambda: traded(engine) >= 1, "a fill is in the journal")
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    first, day = engine.engine()["epoch"], time.time() // 86_400
    before = today(engine)
    engine.stop(signal.SIGKILL)
    left = {order["clientOrderId"] for order in venue.open_orders()}
    engine.start().quoting()
    assert engine.engine()["epoch"] > first
    after = today(engine)
    if time.time() // 86_400 == day:  # at midnight it begins with nothing
        assert before["placed"] >= 2
        assert after["placed"] >= before["placed"]
        assert after["filled"] >= before["filled"]
        until(lambda: today(engine)["placed"] <= engine.journal("SELECT count(*) FROM orders")[0][0], "none twice")
    until(lambda: not left & {o["clientOrderId"] for o in venue.open_orders()}, "the leftovers are gone")
    assert engine.stop() == 0
    assert venue.open_orders() == []
    ledger_equals_the_exchanges(engine, venue)


def never_arrived(engine: Engine, client_id: str) -> None:
    """What a journal holds of an order whose engine was killed before the exchange refused it: sent, and no word."""
    names = "account, client_id, venue_id, symbol, side, price, quantity, filled, state, reason, epoch"
    values = ("sandbox", client_id, "", "ETHUSDT", 1, "2000", "0.02", "0", "SUBMITTED", "", 1)
    with contextlib.closing(sqlite3.connect(f"{engine.data}/journal.db")) as database:
        database.execute(
            f"INSERT INTO orders ({names}, created_ns, updated_ns, timestamp) VALUES ({'?, ' * 13}?)",
            (*values, time.time_ns(), time.time_ns(), "2026-01-01T00:00:00+00:00"),
        )
        database.commit()


def test_a_stop_right_after_a_start_waits_for_the_proof_of_an_order_that_never_arrived(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    engine.stop(signal.SIGKILL)
    never_arrived(engine, "mm-1-zzz")
    engine.start().quoting()
    assert engine.stop() == 0, engine.log
    assert venue.open_orders() == []
    assert engine.journal("SELECT state FROM orders WHERE client_id = 'mm-1-zzz'") == [("REJECTED",)]


def test_an_engine_that_waits_for_its_first_book_longer_than_its_lease_lasts_keeps_the_lease(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    engine.config.write_text(engine.config.read_text() + "lease: {ttl: 2s}\n")
    venue.fault(kind="slow", operation="depth", ms=5000)
    engine.start()
    roles = []

    def quotes() -> bool:
        state = engine.engine()
        roles.append(state.get("role"))
        return bool(state.get("quoting"))

    until(quotes, "the engine quotes")
    assert "primary" in roles[:-1]
    assert "standby" not in roles[roles.index("primary") :]
    assert engine.stop() == 0


def test_a_gap_stops_quoting_cancels_and_a_snapshot_brings_it_back(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    before = {order["clientOrderId"] for order in venue.open_orders()}
    venue.fault(kind="slow", operation="depth", ms=1500)
    venue.fault(kind="gap")
    until(
        lambda: any("the book is gap" in e["message"] for e in engine.get("/api/events?since=0")["events"]),
        "the gap is reported",
    )
    until(lambda: not before & {o["clientOrderId"] for o in venue.open_orders()}, "its orders are cancelled")
    engine.quoting()
    reasons = [entry["reason"] for entry in engine.get("/api/why")["why"]]
    assert "BOOK_NOT_LIVE" in reasons
    assert engine.stop() == 0


def test_on_futures_the_dead_mans_switch_is_armed_while_it_quotes_and_disarmed_by_a_clean_stop(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(
        start_sandbox_process("--symbols", "usdm:ETHUSDT", "--seed", "5", "--speed", "4", "--no-limits", "--quiet")
    )
    engine = engine_on(venue.port, market="usdm").start().quoting()
    from tests.sandbox.engines import get

    assert get(venue.port, "/sandbox/state")["armed"] == ["sandbox:usdm:ETHUSDT"]
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    until(lambda: traded(engine) >= 1, "a fill is in the journal")
    assert engine.stop() == 0
    assert venue.open_orders() == []
    assert get(venue.port, "/sandbox/state")["armed"] == []
    position = Decimal(engine.journal("SELECT quantity FROM positions")[0][0])
    assert position == Decimal(venue.account()["positions"].get("ETHUSDT", "0"))
