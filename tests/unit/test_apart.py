"""A user's strategy where it can be killed: whatever it does to its process is told with file and line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import engine.isolation.process
from engine.backtest.isolated import run
from engine.backtest.settings import Simulation
from engine.config.load import load_text
from engine.isolation.process import apart, described
from engine.strategy.parameters import StrategyError
from engine.trade import Market
from tests.sandbox import recordings

QUOTE = """
import numpy as np
from engine.strategy.parameters import Parameter
PARAMETERS = [Parameter("half", 5.0, 0.0, 200.0, "ticks", "half spread")]


def quote(now_ns, view, signals, params, out):
    m = (view[0] + view[2]) // 2
    BODY
    out[0], out[1], out[2], out[3] = m - 5, 10, m + 5, 10
    return 0
"""
BODY_LINE = 9
CONFIG = """
exchange: {{name: binance, market: usdm, testnet: true, api_key: key, api_secret: "s3cr3t"}}
strategy: {{name: mine, file: {file}, symbol: ETHUSDT, base_size: 0.05, max_inventory: 0.1}}
risk: {{daily_loss_limit: 1000, max_drawdown_limit: 0.5, max_position: 0.1}}
"""
FOREVER = "np.random.hypergeometric(10**15, 10**15, 10**14 if view[4] else 1)"  # a loop that is not the file's own


def written(folder: Path, before: str = "", body: str = "pass") -> Path:
    file = folder / "mine.py"
    file.write_text(before + QUOTE.replace("BODY", body))
    return file


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    return recordings.write(folder / "eth.gz", recordings.lines(Market.USDM, "ETHUSDT", 4000))


def test_a_good_file_comes_back_with_its_parameters(tmp_path: Path) -> None:
    assert [parameter.name for parameter in described(written(tmp_path), "mine")] == ["half"]


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        ("import os\nos._exit(3)\n", "1: the process that ran it ended itself with exit code 3"),
        ("import os\nos.kill(os.getpid(), 11)\n", "2: the process that ran it was ended by SIGSEGV"),
        ("import os\nos.kill(os.getpid(), 9)\n", "1: the process that ran it was ended by SIGKILL"),
        ("raise SystemExit(0)\n", "1: SystemExit: 0"),
        ("import ctypes\nctypes.string_at(0)\n", "2: the process that ran it was ended by SIGSEGV"),
    ],
)
def test_a_file_that_ends_its_process_is_told(tmp_path: Path, before: str, cause: str) -> None:
    with pytest.raises(StrategyError) as caught:
        described(written(tmp_path, before), "mine")
    assert str(caught.value).startswith(f"{tmp_path / 'mine.py'}:{cause}")


def test_a_file_that_is_never_loaded_is_told_with_the_line_it_is_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.isolation.process, "LOAD_S", 15.0)
    with pytest.raises(StrategyError, match=r"mine.py:2: it was not loaded and tried within 15 s"):
        described(written(tmp_path, "x = 0\nwhile True: x += 1\n"), "mine")


def test_a_decision_that_does_not_return_is_told_with_its_line(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.isolation.process, "STUCK_S", 3.0)
    config = load_text(CONFIG.format(file=written(tmp_path, body=FOREVER)))
    with pytest.raises(StrategyError, match=rf"mine.py:{BODY_LINE}: a decision did not return within 3 s"):
        run([recording], config, Simulation())


def test_no_secret_goes_to_the_other_process(tmp_path: Path) -> None:
    from engine.backtest.isolated import without_secrets

    config = without_secrets(load_text(CONFIG.format(file=written(tmp_path))))
    assert config.exchange.api_key is None
    assert config.exchange.api_secret is None
    assert config.exchange.market == "usdm"


def test_what_it_raises_arrives_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        apart(divmod, 1, 0, file=tmp_path)


def _children(marker: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = process.info["cmdline"] or []
        if "engine.isolation.process" in line and marker in line[-1]:
            found.append(process.info["pid"])
    return found


@pytest.mark.parametrize(("how", "code"), [("deadline", 8), ("interrupt", 130), ("kill", -9)])
def test_nothing_is_left_running_after_a_deadline_ctrl_c_or_kill(
    tmp_path: Path, recording: Path, how: str, code: int
) -> None:
    (config := tmp_path / "c.yaml").write_text(CONFIG.format(file=written(tmp_path, body=FOREVER)))
    own = tmp_path / "own-temp"
    own.mkdir()
    command = [sys.executable, "-m", "mmctl", "backtest", "run", "--config", str(config), "--data", str(recording)]
    command += ["--deadline", "12s"] if how == "deadline" else []
    asked = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(own)}, stderr=subprocess.PIPE, text=True)
    try:
        while not _children(str(own)) and asked.poll() is None:
            time.sleep(0.05)
        if how != "deadline":
            asked.send_signal(signal.SIGINT if how == "interrupt" else signal.SIGKILL)
        _, said = asked.communicate(timeout=120)
    finally:
        asked.kill()
    assert asked.returncode == code, said
    end = time.monotonic() + 60
    while _children(str(own)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _children(str(own))
