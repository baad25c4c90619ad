"""A step of the exchange's clock is found within three samples, is live in the metric, and opens the breaker."""

import urllib.request
from dataclasses import replace

import pytest

from engine.sandbox import SandboxExchange
from engine.sandbox.admin.faults import read_rule
from engine.trade import Market
from engine.venue.binance.gateway import BinanceSettings
from engine.venue.ccxt import gateway
from engine.venue.clock import EVERY_S
from mmctl.client.metrics import parse
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, engine_on, post, until
from tests.sandbox.gateways import bench_on, settings_for
from tests.sandbox.test_gateway_ccxt import ccxt_on

__all__ = ["engine_on"]

STEP_MS = 3_000  # a forward step the receive window hides: nothing is refused, only the samples tell


def test_three_samples_are_taken_within_ten_seconds() -> None:
    assert 3 * EVERY_S <= 10
    assert BinanceSettings.__dataclass_fields__["clock_every_s"].default == EVERY_S


@pytest.mark.parametrize("way", ["spot", "usdm", "ccxt"])
async def test_a_step_is_found_within_three_samples(
    sandbox: SandboxExchange, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "EVERY_S", 0.05)
    market = Market.SPOT if way == "spot" else Market.USDM
    settings = replace(settings_for(sandbox, market), clock_every_s=0.05)
    async with ccxt_on(sandbox, market) if way == "ccxt" else bench_on(sandbox, market, settings) as bench:
        clock = bench.gateway.clock
        await bench.until(lambda: clock.samples >= 15)
        assert abs(clock.skew_ms) < 500
        sandbox.pump.act(read_rule({"kind": "clock_step", "ms": STEP_MS}, 1))
        begun = clock.samples
        await bench.until(lambda: clock.steps)
        assert clock.samples - begun <= 4, "one may have been on its way"
        assert abs(clock.skew_ms - STEP_MS) < 500


def skew(engine: Engine) -> float | None:
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=5) as answer:
        return parse(answer.read().decode()).value("mm_clock_skew_seconds")


def test_a_running_engine_shows_the_step_in_its_metric_and_stops_quoting(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    port = start_sandbox_process("--symbols", "spot:ETHUSDT", "--no-limits")
    engine = engine_on(port, spread=0.01).start().quoting()
    until(lambda: skew(engine) is not None, "the skew is measured")
    assert skew(engine) != 0.0
    assert abs(skew(engine) or 9.0) < 1.0
    assert post(port, "/sandbox/faults", {"kind": "clock_step", "ms": STEP_MS})[0] == 200
    until(lambda: abs((skew(engine) or 0.0) + STEP_MS / 1e3) < 1.0, "the metric follows")
    until(lambda: "clock" in str(engine.engine().get("not_quoting_reason")), "the breaker opens by the clock")
    assert engine.stop() == 0
