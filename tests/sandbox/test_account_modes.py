"""An account this engine does not trade is refused at the start, by name and with the next step, on both gateways."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from engine.sandbox import SandboxExchange, Settings
from engine.sandbox.settings import AccountSettings, KeySettings, RateLimits
from engine.trade import Market, Outcome, Side
from engine.venue.modes import AccountModes
from tests.sandbox.clients import Rest
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import StartEngine, Venue, engine_on, post, until
from tests.sandbox.gateways import SYMBOL, bench_on
from tests.sandbox.test_engine_venues import THROUGH_CCXT, _with
from tests.sandbox.test_gateway_ccxt import ccxt_on

__all__ = ["engine_on"]

MODES: dict[str, tuple[dict[str, Any], str, str]] = {
    "hedge": ({"hedge_mode": True}, "hedge mode", "one-way mode"),
    "isolated": ({"isolated": [SYMBOL]}, "isolated margin", "cross margin"),
    "multi_assets": ({"multi_assets": True}, "multi-assets mode", "single-asset mode"),
    "portfolio": ({"portfolio": True}, "portfolio margin account", "sub-account"),
}
KEY = {"key": "sandbox-key", "secret": "sandbox-secret"}


@pytest.mark.parametrize("mode", [*MODES, "none"])
@pytest.mark.parametrize("way", ["native", "ccxt"])
async def test_both_gateways_read_every_mode(mode: str, way: str) -> None:
    asked: dict[str, Any] = {**MODES[mode][0]} if mode != "none" else {}
    asked |= {name: tuple(value) for name, value in asked.items() if name == "isolated"}
    account = AccountSettings("sandbox", (KeySettings(KEY["key"], KEY["secret"]),), **asked)
    settings = Settings(symbols=(SYMBOL,), accounts=(account,), limits=RateLimits(enabled=False), paused=True)
    async with SandboxExchange(settings) as sandbox:
        await sandbox.core.matching.wait()
        async with bench_on(sandbox, Market.USDM) if way == "native" else ccxt_on(sandbox, Market.USDM) as bench:
            found = await bench.gateway.modes(SYMBOL)
            told = {name for name in MODES if getattr(found, name)}
            assert told == ({mode} if mode != "none" else set())
            assert found.refusal("BTCUSDT") is None or mode != "none"
            if mode == "hedge":
                order = await bench.place(side=Side.BUY)
                assert bench.place_answer.outcome is Outcome.REJECTED
                assert "position side does not match" in bench.place_answer.message
                assert not order.live


def test_what_an_exchange_does_not_tell_is_no_reason_to_refuse_and_each_mode_names_its_next_step() -> None:
    assert AccountModes().refusal(SYMBOL) is None
    for mode, (_, named, step) in MODES.items():
        said = AccountModes(**{mode: True}).refusal(SYMBOL)
        assert said is not None
        assert named in said
        assert step in said


@pytest.mark.parametrize(("mode", "path"), [("hedge", "native"), ("isolated", "native"), ("multi_assets", "ccxt")])
def test_an_engine_does_not_start_on_such_an_account(
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    path: str,
) -> None:
    if path == "ccxt":
        monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(THROUGH_CCXT))
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps({"sandbox": {"keys": [KEY], **MODES[mode][0]}}))
    port = start_sandbox_process("--symbols", f"usdm:{SYMBOL}", "--accounts", str(accounts), "--no-limits")
    engine = engine_on(port, market="usdm").start()
    assert engine.wait() == 7, engine.log
    assert MODES[mode][1] in engine.log
    assert MODES[mode][2] in engine.log
    assert Venue(port).orders() == []


def test_a_mode_changed_under_a_running_engine_is_told_in_the_exchanges_own_words(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    """The exchange refuses every order from then on; log, state, why and breaker say with which words."""
    port = start_sandbox_process("--symbols", f"usdm:{SYMBOL}", "--seed", "6", "--speed", "4", "--no-limits")
    words = "Order's position side does not match user's setting."
    engine = engine_on(port, market="usdm").start().quoting()
    refusing = {"kind": "error", "operation": "order.place", "code": -4061, "msg": words, "count": 0}
    assert post(port, "/sandbox/faults", refusing)[0] == 200
    until(lambda: engine.engine().get("not_quoting_reason"), "the breaker opens")
    said = f"-4061 {words}"
    assert said in engine.engine()["not_quoting_reason"]
    assert said in engine.get("/api/state")["risk"]["breaker"]["reason"]
    assert [one["words"] for one in engine.get("/api/state")["rejections"]] == [words]
    assert said in {one["detail"] for one in engine.get("/api/why")["why"] if one["reason"] == "EXCHANGE_REJECTED"}
    assert said in engine.log
    assert engine.stop(signal.SIGTERM) == 0


async def test_the_sandbox_changes_modes_as_binance_does(sandbox: SandboxExchange) -> None:
    async with Rest(sandbox) as rest:

        async def ask(method: str, path: str, **params: Any) -> Any:
            return (await rest.signed(method, f"/fapi/v1/{path}", **params))[1]

        assert (await ask("POST", "positionSide/dual", dualSidePosition="false"))["code"] == -4059
        assert (await ask("POST", "positionSide/dual", dualSidePosition="true"))["code"] == 200
        assert await ask("GET", "positionSide/dual") == {"dualSidePosition": True}
        order = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "0.1"}
        assert (await ask("POST", "order", **order))["code"] == -4061
        assert (await ask("POST", "positionSide/dual", dualSidePosition="false"))["code"] == 200
        assert (await ask("POST", "order", **order))["status"] in ("FILLED", "NEW")
        assert (await ask("POST", "positionSide/dual", dualSidePosition="true"))["code"] == -4068
        assert (await ask("POST", "marginType", symbol=SYMBOL, marginType="ISOLATED"))["code"] == -4048
        assert (await ask("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED"))["code"] == 200
        _, rows, _ = await rest.signed("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
        assert rows[0]["marginType"] == "isolated"
        assert (await ask("POST", "multiAssetsMargin", multiAssetsMargin="true"))["code"] == 200
        assert await ask("GET", "multiAssetsMargin") == {"multiAssetsMargin": True}
