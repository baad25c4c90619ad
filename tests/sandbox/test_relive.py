"""A run in real time, on real sockets and with random latencies, taken again from its recorded inputs."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.backtest.journalled import Journalled
from engine.backtest.relive import compare, relive
from engine.backtest.tape import TapeError
from tests.needs import ROOT
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import CONFIG, Engine, StartEngine, until

pytest_plugins = ("tests.sandbox.engines",)

TROUBLE = [  # answers and events of random lateness, and books that must be read anew
    {"kind": "slow", "operation": "order.place", "ms": 40, "probability": 0.4, "count": 0},
    {"kind": "slow", "operation": "order.cancel", "ms": 25, "probability": 0.4, "count": 0},
    {"kind": "delay", "stream": "user", "ms": 30, "probability": 0.3, "count": 0},
    {"kind": "gap", "stream": "depth", "count": 2, "skip": 60},
]


def _inputs(engine: Engine) -> Path:
    (path,) = (engine.data / "inputs").glob("ETHUSDT-*.gz")
    return Path(path)


def _journalled(engine: Engine) -> list[Journalled]:
    rows = engine.journal("SELECT ns, symbol, side, action, ticks, lots FROM decisions ORDER BY epoch, seq")
    return [(ns, symbol, side, action, ticks, lots) for ns, symbol, side, action, ticks, lots in rows]


def _changed(target: Path, lines: Iterable[bytes]) -> Path:
    with gzip.open(target, "wb") as out:
        out.writelines(lines)
    return target


@pytest.mark.parametrize(("market", "strategy"), [("usdm", "basic"), ("spot", "glft")])
def test_every_journalled_decision_of_a_run_in_real_time_comes_out_again(
    tmp_path: Path,
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    monkeypatch: pytest.MonkeyPatch,
    market: str,
    strategy: str,
) -> None:
    config = CONFIG.replace("name: basic", f"name: {strategy}").replace(
        "requote_tolerance: 0.9", "min_quote_life: 20ms"
    )
    monkeypatch.setattr("tests.sandbox.engines.CONFIG", config + "store: {{inputs: true}}\n")
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps(TROUBLE))
    options = ["--symbols", "ETHUSDT", "--no-limits", "--speed", "2", "--faults", str(faults), "--latency-ms", "3", "2"]
    port = start_sandbox_process(*options)
    engine = engine_on(port, market=market, spread=0.00004).start().quoting()
    until(lambda: len(_journalled(engine)) > 120, "120 decisions are journalled", 90)
    until(lambda: engine.journal("SELECT COUNT(*) FROM trades")[0][0] > 0, "a fill is booked", 90)
    engine.control("halt", reason="told by the test", confirm="sandbox")
    assert engine.stop() in (0, 70), engine.log
    found = compare(relive(_inputs(engine)), _journalled(engine))
    assert found.same, found.first_difference
    assert found.live_decisions > 120
    assert found.complete
    assert (found.adopted, found.epoch) == (0, 1)
    assert found.ticks > found.live_decisions

    command = [sys.executable, "-m", "mmctl", "backtest", "replay", str(engine.data), "--inputs", str(_inputs(engine))]
    told = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1])["live_sha256"] == found.replayed_sha256

    with gzip.open(_inputs(engine)) as recorded:
        lines = recorded.readlines()
    led = next(at for at, line in enumerate(lines) if b'"mm":"lead"' in line)
    some = [line for line in lines[led : led + 1000] if b"depthUpdate" not in line]
    without = compare(
        relive(_changed(tmp_path / "without.gz", lines[:led] + some + lines[led + 1000 :])), _journalled(engine)
    )
    assert not without.same
    assert without.first_difference.startswith("decision ")
    command[-1] = str(tmp_path / "without.gz")
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 1
    assert "not reproduced: decision " in told.stderr


def test_what_is_not_the_inputs_of_a_run_is_named(tmp_path: Path) -> None:
    recording = _changed(tmp_path / "recording.gz", [b'1700000000000000000 {"stream":"ethusdt@trade"}\n'])
    with pytest.raises(TapeError, match=r"recording\.gz:1: a frame before the line that says what is recorded"):
        relive(recording)
    later = _changed(tmp_path / "later.gz", [b'1700000000000000000 {"mm":"begin","format":9}\n'])
    with pytest.raises(TapeError, match=r"later\.gz:1: inputs of format 9"):
        relive(later)
    begin = {
        "mm": "begin",
        "format": 1,
        "symbol": "ETHUSDT",
        "tick_e8": 1_000_000,
        "lot_e8": 10_000,
        "strategy": "basic",
        "strategy_file": "",
        "strategy_sha256": "",
    }
    head = b"1700000000000000000 " + json.dumps(begin).encode() + b"\n"
    odd = _changed(tmp_path / "odd.gz", [head, b'1700000000000000001 {"mm":"surprise"}\n'])
    with pytest.raises(TapeError, match=r"odd\.gz:2: .*surprise"):
        relive(odd)
    lame = _changed(tmp_path / "lame.gz", [head, b'1700000000000000001 {"mm":"set"}\n'])
    with pytest.raises(TapeError, match=r"lame\.gz:2: .*size_permille.* is missing"):
        relive(lame)
    missing = json.dumps({**begin, "strategy_file": "/nowhere/mine.py", "strategy_sha256": "00"}).encode()
    foreign = _changed(tmp_path / "foreign.gz", [b"1700000000000000000 " + missing + b"\n"])
    with pytest.raises(TapeError, match=r"mine\.py is not there"):
        relive(foreign)
