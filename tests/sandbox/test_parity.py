"""What is backtested is what runs: the daemon over real sockets and the backtest take the same decisions."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.backtest.journalled import Journalled
from engine.backtest.replay import replay
from engine.backtest.settings import LatencySpec, Simulation
from engine.config.load import load
from engine.config.schema import PaperSection
from engine.sandbox import SandboxExchange, Settings
from engine.trade import Market
from tests.needs import DATA, ROOT
from tests.sandbox import recordings
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, get, post, until
from tests.sandbox.hostile.keys import ED25519_KEY, ED25519_PRIVATE, ED25519_PUBLIC

pytest_plugins = ("tests.sandbox.engines",)

HOLD_S = 2.0
LATENCY_MS = 10
CONFIG = """
environment: sandbox
data_dir: {data}
exchange: {{name: binance, api_key: {key}, api_secret: {secret}, market: {market}, account: sandbox}}
venue:
  rest: "http://127.0.0.1:{venue}"
  stream: "ws://127.0.0.1:{venue}"
  ws_api: "ws://127.0.0.1:{venue}"
  clock: recording
  order_timeout: 60s
  stream_timeout: 600s
strategy:
  name: {strategy}
  symbol: {symbol}
  base_spread: {spread}
  base_size: {size}
  max_inventory: {inventory}
  requote_tolerance: {tolerance}
risk:
  daily_loss_limit: 100000
  max_drawdown_limit: 0.9
  max_position: 100
  max_order_rate: 100
  reconcile_interval: 10m
  dead_man: 60s
  circuit_breaker: {{threshold: 1000, latency_p95: 600s, feed_timeout: 600s, price_move_sigmas: 1000, reject_rate: 1}}
monitoring: {{port: {port}, control_token: {token}, control_rate: 100}}
logging: {{format: text}}
"""
BOUNDLESS = {  # allowances run in real time, the recording much faster
    "spot_weight": 10**9,
    "usdm_weight": 10**9,
    "spot_orders_10s": 10**8,
    "usdm_orders_10s": 10**8,
    "usdm_orders_minute": 10**8,
}
FEES = {"spot": (0.001, 0.001), "usdm": (0.0002, 0.0005)}


def the_first(seconds: float, source: Path, target: Path) -> Path:
    """The recording's first ``seconds``."""
    kept: list[bytes] = []
    with gzip.open(source) as lines:
        for line in lines:
            local_ns = int(line.split(b" ", 1)[0])
            if kept and local_ns > int(kept[0].split(b" ", 1)[0]) + seconds * 1e9:
                break
            kept.append(line.rstrip())
    return recordings.write(target, kept)


def a_recording(market: Market, seconds: float, target: Path, symbol: str = "ETHUSDT") -> Path:
    """The real recording where it is, else a synthetic one."""
    source = DATA / f"binance/recordings-2024-08-08/{market.value}-{symbol.lower()}.gz"
    if source.exists():
        return the_first(seconds, source, target)
    return recordings.write(target, soon_after(recordings.lines(market, symbol, 1500)))


def soon_after(lines: list[bytes]) -> list[bytes]:
    """The lines, each received five milliseconds after the exchange sent it, in order."""
    made, latest = [], 0
    for line in lines:
        sent = re.search(rb'"E":(\d+)', line)
        local_ns = int(sent.group(1)) * 1_000_000 + 5_000_000 if sent else int(line.split(b" ", 1)[0])
        latest = max(latest + 1000, local_ns)
        made.append(b"%d %s" % (latest, line.split(b" ", 1)[1]))
    return made


def ed25519_key(venue: int) -> dict[str, str]:
    """A key that the exchange knows and lets log on, as the settings of an engine."""
    status, body = post(
        venue, "/sandbox/keys", {"account": "sandbox", "key": ED25519_KEY, "ed25519_public": ED25519_PUBLIC}
    )
    assert status == 200, body
    return {"key": ED25519_KEY, "secret": json.dumps(ED25519_PRIVATE)}


def lead_through(venue: int, engine: Engine, symbol: str = "ETHUSDT") -> None:
    """Hold the market until the engine's book has its snapshot, until it quotes, and let it run to its end."""
    until(lambda: _book(engine, symbol) == "SYNCING", "the engine has its snapshot")
    post(venue, "/sandbox/resume", {})
    until(lambda: get(venue, "/sandbox/state")["paused"], "the market stands at its hold")
    engine.quoting()
    post(venue, "/sandbox/resume", {})

    def ended() -> bool:
        state = get(venue, "/sandbox/state")
        assert not state["failure"], state
        return bool(state["ended"])

    until(ended, "the recording is played to its end", 240)


def _book(engine: Engine, symbol: str) -> Any:
    state = engine.get("/api/state") or {}
    return str(state.get("symbols", {}).get(symbol, {}).get("book", {}).get("state")).upper()


def decisions(engine: Engine) -> list[Journalled]:
    rows = engine.journal("SELECT ns, symbol, side, action, ticks, lots FROM decisions ORDER BY epoch, seq")
    return [(ns, symbol, side, action, ticks, lots) for ns, symbol, side, action, ticks, lots in rows]


@pytest.mark.parametrize(
    ("market", "strategy", "spread", "tolerance", "logs_on", "balances"),
    [
        (Market.USDM, "basic", 0.00004, 0.5, False, {}),
        (Market.SPOT, "basic", 0.00002, 0.5, True, {}),
        (Market.USDM, "glft", 0.00004, 0.5, True, {}),
        (Market.SPOT, "basic", 0.00002, 0.5, True, {"ETH": "0.0712", "USDT": "301.5"}),
        (Market.USDM, "basic", 0.00004, 0.5, False, {"USDT": "290.25"}),
    ],
    ids=[
        "usdm-basic",
        "spot-basic-ed25519",
        "usdm-glft-ed25519",
        "spot-basic-that-can-pay-little",
        "usdm-basic-little-margin",
    ],
)
def test_the_daemon_and_the_backtest_take_the_same_decisions(
    tmp_path: Path,
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    monkeypatch: pytest.MonkeyPatch,
    market: Market,
    strategy: str,
    spread: float,
    tolerance: float,
    logs_on: bool,
    balances: dict[str, str],
) -> None:
    """With balances that bind, too: then both quote no more than the account can pay for."""
    held = ", ".join(f"{asset}: {amount}" for asset, amount in balances.items())
    monkeypatch.setattr(
        "tests.sandbox.engines.CONFIG", CONFIG + (f"paper: {{{{balances: {{{{{held}}}}}}}}}\n" if held else "")
    )
    data = a_recording(market, 20.0, tmp_path / f"{market.value}.gz")
    SandboxExchange(Settings(data=(data,), simulate=True))  # compiles here, where no deadline runs
    options = ["--simulate", "--paused", "--hold", str(HOLD_S), "--latency-ms", str(LATENCY_MS), str(LATENCY_MS)]
    if balances:
        options += ["--balances", *(f"{market.value}:{asset}={amount}" for asset, amount in balances.items())]
    venue = start_sandbox_process(*options, "--whole-fills", "--no-limits", "--data", str(data))
    post(venue, "/sandbox/limits", BOUNDLESS)
    settings: dict[str, Any] = {"strategy": strategy, "spread": spread, "tolerance": tolerance, "symbol": "ETHUSDT"}
    settings |= {"size": 0.05, "inventory": 0.5}
    if logs_on:  # then the kernel writes the requests
        settings |= ed25519_key(venue)
    engine = engine_on(venue, market=market.value, **settings).start()
    lead_through(venue, engine)
    assert engine.stop() == 0, engine.log
    maker, taker = FEES[market.value]
    latency = LatencySpec(entry_ns=LATENCY_MS * 1_000_000, response_ns=LATENCY_MS * 1_000_000)
    simulation = Simulation(latency=latency, maker_fee=maker, taker_fee=taker)
    taken = decisions(engine)
    replayed = replay(taken, [data], load(engine.config), simulation)
    assert replayed.same, replayed.first_difference
    if balances:
        unbound = load(engine.config).model_copy(update={"paper": PaperSection()})
        assert not replay(taken, [data], unbound, simulation).same, "the balances bind nothing here"
    else:
        assert replayed.live_decisions > 50
    fills = engine.journal("SELECT side, price, quantity FROM trades ORDER BY trade_id")
    assert len(fills) > 0
    ours = [("buy" if side > 0 else "sell", float(price), float(quantity)) for side, price, quantity in fills]
    theirs = [(side, price, quantity) for _, _, side, price, quantity, _ in replayed.result.fills]
    assert ours == theirs
    if market is Market.USDM and strategy == "basic" and not balances:
        command = [sys.executable, "-m", "mmctl", "backtest", "replay", str(engine.data), "--data", str(data)]
        command += ["--config", str(engine.config), "--json"]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout.splitlines()[-1])["live_sha256"] == replayed.replayed_sha256


def test_two_symbols_at_once_under_random_latencies_take_the_backtests_decisions(
    tmp_path: Path, start_sandbox_process: StartProcess, engine_on: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", CONFIG)
    seed, drawn = 11, 0.8
    options = ["--simulate", "--paused", "--hold", str(HOLD_S), "--latency-ms", "12", "8"]
    options += ["--latency-spread", str(drawn), "--seed", str(seed), "--whole-fills", "--no-limits"]
    running, files = [], []
    for symbol in ("BTCUSDT", "ETHUSDT"):
        data = a_recording(Market.USDM, 12.0, tmp_path / f"{symbol}.gz", symbol)
        SandboxExchange(Settings(data=(data,), simulate=True))
        venue = start_sandbox_process(*options, "--data", str(data))
        post(venue, "/sandbox/limits", BOUNDLESS)
        settings: dict[str, Any] = {"strategy": "basic", "spread": 0.00004, "tolerance": 0.5, "symbol": symbol}
        engine = engine_on(venue, symbol, market="usdm", size=0.05, inventory=0.5, **settings).start()
        running.append((symbol, venue, engine))
        files.append(data)
    taken: list[Journalled] = []
    for symbol, venue, engine in running:
        lead_through(venue, engine, symbol)
        assert engine.stop() == 0, engine.log
        taken += decisions(engine)
    symbols = [symbol for symbol, _, _ in running]
    taken.sort(key=lambda row: (row[0], symbols.index(row[1])))
    latency = LatencySpec("lognormal", 12_000_000, 8_000_000, drawn, seed)
    maker, taker = FEES["usdm"]
    simulation = Simulation(latency=latency, maker_fee=maker, taker_fee=taker)
    replayed = replay(taken, files, load(running[0][2].config), simulation)
    assert replayed.same, replayed.first_difference
    assert {row[1] for row in taken} == set(symbols)
    assert replayed.live_decisions > 60
    other = replay(taken, files, load(running[0][2].config), Simulation(latency=LatencySpec(entry_ns=12_000_000)))
    assert not other.same  # the latencies matter in this comparison
