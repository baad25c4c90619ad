"""What preflight asks the exchange from a host: answer, clock, key; no answer is never all right."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mmctl.release import exchange_probe
from mmctl.release.exchange import judge
from tests.needs import ROOT
from tests.ports import free_port
from tests.sandbox.conftest import StartProcess

SOURCE = Path(exchange_probe.__file__).read_text()


def ask(request: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, bool, str, int]]]:
    """The probe as a host runs it: its text, a bare python3, the request on stdin. Then what preflight makes of it."""
    command = [sys.executable, "-I", "-S", "-c", SOURCE]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    told = judge(found, 500.0, market=request["market"], key=bool(request["key"]))
    return found, [(f.name, f.ok, f.detail, f.exit_code) for f in told]


def asked(port: int, **more: Any) -> dict[str, Any]:
    rest = f"http://127.0.0.1:{port}"
    return {
        "market": "spot", "rest": rest, "account_rest": rest, "key": "${KEY:-sandbox-key}", "secret": "${SECRET}",
        "key_file": "", "env": {"SECRET": "sandbox-secret"}, "timeout": 5.0,
        "recv_window": 5000,
    } | more  # fmt: skip


@pytest.fixture
def venue(start_sandbox_process: StartProcess) -> int:
    return start_sandbox_process("--symbols", "spot:ETHUSDT", "--paused", "--quiet")


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_an_exchange_that_answers_a_right_clock_and_a_good_key_are_found(market: str, venue: int) -> None:
    _, told = ask(asked(venue, market=market))
    assert [(name, ok) for name, ok, _, _ in told] == [("exchange", True), ("API key", True)]
    assert "the host's clock is" in told[0][2]
    assert "may trade, cannot withdraw, NOT bound to an address" in told[1][2]


def test_no_answer_is_a_failed_check_with_the_code_of_an_unreachable_one() -> None:
    _, told = ask(asked(free_port()))
    assert [(name, ok, code) for name, ok, _, code in told] == [("exchange", False, 13)]
    assert "does not answer this host" in told[0][2]


def test_a_clock_that_is_off_is_told_by_how_much(venue: int) -> None:
    found, _ = ask(asked(venue))
    for offset, ok in ((300.0, True), (-300.0, True), (900.0, False), (-900.0, False)):
        told = judge(found | {"offset_ms": offset, "round_trip_ms": 2.0}, 500.0, market="spot", key=False)
        assert [finding.ok for finding in told] == [ok]
        assert f"the host's clock is {-offset:+.0f} ms from the exchange's" in told[0].detail


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"env": {"SECRET": "wrong"}}, "-1022"),
        ({"key": "nobody"}, "-20"),
        ({"env": {}}, "does not set SECRET"),
    ],
)
def test_a_key_that_is_refused_or_incomplete_is_a_failed_check(more: dict[str, Any], said: str, venue: int) -> None:
    _, told = ask(asked(venue, **more))
    assert [(name, ok) for name, ok, _, _ in told] == [("exchange", True), ("API key", False)]
    assert said in told[1][2]
    assert "wrong" not in told[1][2]


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        ({"enableSpotAndMarginTrading": True, "enableWithdrawals": True}, "can withdraw"),
        ({"enableSpotAndMarginTrading": False, "enableWithdrawals": False}, "cannot trade"),
        ({}, "may be able to withdraw"),
        (None, "is not known"),
    ],
)
def test_a_key_that_can_withdraw_cannot_trade_or_does_not_say_is_a_failed_check(scopes: Any, said: str) -> None:
    found = {"answers": True, "where": "x", "offset_ms": 0, "round_trip_ms": 1, "scopes": scopes, "key_error": ""}
    told = judge(found, 500.0, market="spot", key=True)[1]
    assert not told.ok
    assert said in told.detail


@pytest.mark.skipif(not os.path.exists("/usr/bin/openssl"), reason="no openssl here")
def test_an_ed25519_key_is_signed_with_by_the_hosts_openssl() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from engine.venue.binance.signing import Ed25519Signer

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert exchange_probe.signed(pem, b"a=1&b=2") == Ed25519Signer(pem).sign(b"a=1&b=2")


@pytest.mark.parametrize(
    ("up", "sentinel", "code"),
    [(True, "sandbox-sentinel-key", 0), (True, "gone-key", 12), (False, "sandbox-sentinel-key", 13)],
    ids=["answers", "refuses the sentinel's key", "does not answer"],
)
def test_preflight_is_right_only_where_the_exchange_answers_the_host_and_takes_both_keys(
    up: bool, sentinel: str, code: int, start_sandbox_process: StartProcess, tmp_path: Path
) -> None:
    port = start_sandbox_process("--symbols", "spot:ETHUSDT", "--paused", "--quiet") if up else free_port()
    text = (ROOT / "configs/config.yaml").read_text().replace("port: ${MM_PORT:-8080}", f"port: {free_port()}")
    (tmp_path / "config.yaml").write_text(text.replace(":8900", f":{port}"))
    (tmp_path / "keys.env").write_text(
        f"BINANCE_API_KEY=sandbox-key\nBINANCE_API_SECRET=sandbox-secret\nBINANCE_SENTINEL_API_KEY={sentinel}\n"
    )
    (tmp_path / "keys.env").chmod(0o600)
    (tmp_path / "fleet.yaml").write_text(
        "targets:\n  here: {transport: local, root: here, environment: sandbox, account: sandbox, "
        f"config: config.yaml, env_file: keys.env, api_port: {free_port()}}}\n"
    )
    command = [sys.executable, "-m", "mmctl", "--fleet", str(tmp_path / "fleet.yaml"), "preflight", "here", "--json"]
    environment = {**os.environ, "MMCTL_STATE": str(tmp_path / "state")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    checks = {e["name"]: e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "check"}
    assert checks["exchange"]["ok"] is up, checks
    assert done.returncode == code, done.stdout
    if up:
        assert "cannot withdraw" in checks["API key"]["detail"]
        assert checks["sentinel's key"]["ok"] is (code == 0)
    assert "sandbox-secret" not in done.stdout + done.stderr
