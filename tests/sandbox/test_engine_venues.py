"""The engine on paper and through ccxt: chosen by the configuration alone, on real sockets."""

import signal
from pathlib import Path

import pytest

from engine.venue.ccxt.urls import Elsewhere
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import CONFIG, Engine, StartEngine, Venue, until

pytest_plugins = ("tests.sandbox.engines",)

NO_KEY = "exchange: {{name: binance, market: {market}, account: sandbox}}\npaper: {{enabled: true, latency: 2ms}}"
KEY = "exchange: {{name: binance, api_key: {key}, api_secret: {secret}, market: {market}, account: sandbox}}"
THROUGH_CCXT = KEY.replace("account: sandbox", "account: sandbox, native: false, key_vouched_for: true")
BOTH = pytest.mark.parametrize("market", ["spot", "usdm"])


def _with(exchange: str) -> str:
    assert KEY in CONFIG
    return CONFIG.replace("environment: sandbox\n", "").replace(KEY, exchange)


def _fills(engine: Engine, least: int) -> list[tuple[str, int]]:
    def found() -> list[tuple[str, int]]:
        assert engine.process is not None
        assert engine.process.poll() is None, engine.log
        return [(str(i), t) for i, t in engine.journal("SELECT client_id, trade_id FROM trades ORDER BY trade_id")]

    until(lambda: len(found()) >= least, f"{least} fills are in the journal", 90)
    return found()


@BOTH
def test_an_engine_on_paper_trades_in_its_journal_and_sends_no_order(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch, market: str
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(NO_KEY))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits", "--speed", "3")
    engine = engine_on(port, market=market, spread=0.00002).start().quoting()
    fills = _fills(engine, 2)
    assert all(client_id.startswith("mm-") for client_id, _ in fills)
    assert (engine.engine()["mode"], engine.engine()["environment"]) == ("paper", "paper")
    health = engine.get("/health")
    assert health["mode"] == "paper"
    assert "no order leaves" in health["components"]["paper"]["message"]
    assert engine.get("/api/why")["mode"] == "paper"
    assert engine.stop() == 0, engine.log
    assert Venue(port).orders() == []


def test_a_paper_account_survives_a_crash_by_its_journal(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(NO_KEY))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits", "--speed", "3")
    engine = engine_on(port, market="usdm", spread=0.00002).start().quoting()
    _fills(engine, 2)
    assert engine.process is not None
    engine.stop(signal.SIGKILL)
    before = engine.journal("SELECT client_id, trade_id FROM trades ORDER BY trade_id")
    sentinel = engine.sentinel("--once", "status", "--json")
    assert sentinel.returncode == 0, sentinel.stderr
    engine.start().quoting()
    after = _fills(engine, len(before) + 1)
    assert after[: len(before)] == before
    assert len({trade for _, trade in after}) == len(after)
    state = engine.get("/api/state")
    assert state["reconciliation"]["state"] == "clean"
    assert "position" not in state["reconciliation"]["discrepancies"], state["reconciliation"]
    assert engine.stop() == 0, engine.log


def test_a_journal_never_mixes_paper_and_real_trades(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(NO_KEY))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits")
    paper = engine_on(port, "paper", market="usdm", data=tmp_path / "data").start().quoting()
    assert paper.stop() == 0, paper.log
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(KEY))
    real = engine_on(port, "real", market="usdm", data=tmp_path / "data").start()
    assert real.wait() == 10, real.log
    assert "holds paper trading and paper.enabled asks for real" in real.log
    assert Venue(port).orders() == []


@BOTH
def test_the_engine_trades_through_ccxt_alone(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch, market: str
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(THROUGH_CCXT))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits")
    venue = Venue(port)
    engine = engine_on(port, market=market, spread=0.00005).start().quoting()
    # Both at one moment is rare: so near to the market one of them is filled before the other is placed over REST.
    until(lambda: {order["side"] for order in venue.orders()} == {"BUY", "SELL"}, "both sides were quoted there")
    fills = _fills(engine, 1)
    known = {order["clientOrderId"] for order in venue.orders()}
    assert {client_id for client_id, _ in fills} <= known
    assert (engine.engine()["mode"], engine.engine()["environment"]) == ("live", "sandbox")
    assert engine.stop() == 0, engine.log
    assert venue.open_orders() == []


def test_the_sentinel_ends_what_an_engine_left_through_ccxt(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(THROUGH_CCXT))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits")
    venue = Venue(port)
    engine = engine_on(port, market="usdm", spread=0.00005).start().quoting()
    until(venue.open_orders, "an order is open")
    _fills(engine, 1)
    engine.stop(signal.SIGKILL)
    flattened = engine.sentinel("--once", "flatten", "--json")
    assert flattened.returncode == 0, flattened.stdout + flattened.stderr
    assert venue.open_orders() == []


def test_a_key_nobody_vouched_for_is_refused_through_ccxt(
    start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(THROUGH_CCXT.replace(", key_vouched_for: true", "")))
    port = start_sandbox_process("--symbols", "ETHUSDT", "--no-limits")
    engine = engine_on(port, market="usdm").start()
    assert engine.wait() == 7, engine.log
    assert "exchange.key_vouched_for" in engine.log


def test_hosts_are_replaced_and_paths_kept() -> None:
    there = Elsewhere("http://here:1", "ws://here:1", "ws://here:1")
    found = there.redirect(
        {
            "public": "https://api.binance.com/api/v3",
            "ws": {
                "spot": "wss://stream.binance.com:9443/ws",
                "linear": "wss://fstream.binance.com/ws",
                "ws-api": {"spot": "wss://ws-api.binance.com:443/ws-api/v3"},
            },
        }
    )
    assert found == {
        "public": "http://here:1/api/v3",
        "ws": {
            "spot": "ws://here:1/stream/ws",
            "linear": "ws://here:1/fstream/ws",
            "ws-api": {"spot": "ws://here:1/ws-api/v3"},
        },
    }
    with pytest.raises(ValueError, match="cannot be sent elsewhere"):
        there.redirect({"odd": "ftp://files.example"})
