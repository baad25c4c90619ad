"""The daily review of a real engine on the sandbox, killed and started again: its figures by SQL of the test's own."""

import io
import json
import os
import signal
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mmctl.cli.app import run
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, engine_on, until

__all__ = ["engine_on"]


@pytest.fixture
def traded(
    engine_on: StartEngine, start_sandbox_process: StartProcess, tmp_path: Path
) -> tuple[Engine, dict[str, str]]:
    """An engine that has traded, was killed, and quotes again; and the environment that its reports are asked in."""
    root = tmp_path / "root"
    engine = engine_on(start_sandbox_process("--seed", "7"), "root/shared", data=root / "shared/data")
    fills = "SELECT count(*) FROM trades"
    engine.start().quoting()
    until(lambda: engine.journal(fills)[0][0] >= 5, "five fills")
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    before = engine.journal(fills)[0][0]
    engine.start().quoting()
    until(lambda: engine.journal(fills)[0][0] >= before + 5, "five more")
    target = {
        "transport": "local", "environment": "sandbox", "account": "sandbox", "config": str(engine.config),
        "root": str(root), "api_port": engine.port,
    }  # fmt: skip
    (tmp_path / "fleet.yaml").write_text(json.dumps({"default": "desk", "targets": {"desk": target}}))
    return engine, {"MMCTL_STATE": str(tmp_path / "state"), "MMCTL_FLEET": str(tmp_path / "fleet.yaml")}


def mmctl(own: dict[str, str], *words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, own), redirect_stdout(out), redirect_stderr(err):
        code = run(list(words))
    assert code == 0, err.getvalue()
    return out.getvalue()


def values(document: dict[str, Any]) -> dict[str, Any]:
    return {f["key"]: f for section in document["sections"].values() for f in section["figures"]}


def test_a_running_engines_day_is_what_its_journal_says(traded: tuple[Engine, dict[str, str]]) -> None:
    engine, own = traded
    if datetime.now(UTC).hour == 23 and datetime.now(UTC).minute >= 58:
        time.sleep(150)  # the run began on another day
    live = json.loads(mmctl(own, "report", "daily", "--zone", "UTC", "--format", "json"))
    found = values(live)
    assert found["latency_ack_mean"]["value"] is not None
    assert found["memory"]["value"] > 1 << 20, "of the engine that runs"
    assert found["starts"]["value"] == 2
    assert found["crashes"]["value"] == 1
    engine.stop()
    page = values(json.loads(mmctl(own, "report", "daily", "--zone", "UTC", "--format", "json")))
    first, last = (
        engine.journal(f"SELECT total, spread, fees, equity FROM pnl ORDER BY ns {way} LIMIT 1")[0]
        for way in ("ASC", "DESC")
    )
    assert Decimal(page["day_pnl"]["value"]) == Decimal(last[0]) - Decimal(first[0])
    assert Decimal(page["cumulative_pnl"]["value"]) == Decimal(last[0])
    assert Decimal(page["pnl_spread"]["value"]) == Decimal(last[1]) - Decimal(first[1])
    assert Decimal(page["pnl_fees"]["value"]) == Decimal(first[2]) - Decimal(last[2])
    assert Decimal(page["day_return"]["value"]) == pytest.approx(
        (Decimal(last[0]) - Decimal(first[0])) / Decimal(first[3])
    )
    states = dict(engine.journal("SELECT state, count(*) FROM orders GROUP BY state"))
    assert page["orders"]["value"] == sum(states.values())
    assert page["orders_full"]["value"] == states["FILLED"]
    assert page["orders_cancelled"]["value"] == states["CANCELED"]
    [(count, value)] = engine.journal("SELECT count(*), sum(price * quantity) FROM trades")
    assert page["fills"]["value"] == count
    assert float(page["turnover"]["value"]) == pytest.approx(value)
    [(deepest,)] = engine.journal(
        "SELECT max(peak - CAST(equity AS REAL)) FROM (SELECT equity, (SELECT max(CAST(b.equity AS REAL)) FROM pnl b "
        "WHERE b.ns <= a.ns) AS peak FROM pnl a)"
    )
    assert float(page["max_drawdown_quote"]["value"]) == pytest.approx(deepest, abs=1e-9)
    assert page["crashes"]["value"] == 1, "the second end was told"
    [(differences,)] = engine.journal("SELECT count(*) FROM risk_events WHERE kind LIKE 'reconcile:%'")
    assert page["reconciliation"]["value"] == differences
