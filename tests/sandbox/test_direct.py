"""The operator's machine against the exchange itself, with the engine's host out of reach: real sockets."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.needs import ROOT
from tests.ports import free_port
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

WIDE = 0.004  # orders stand until somebody cancels them
SPOT = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")
USDM = ("--symbols", "usdm:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")
KEYS = {"FAR_KEY": "sandbox-key", "FAR_SECRET": "sandbox-secret"}


class Operator:
    """A machine with the fleet file and the target's configuration; the target's only host does not answer."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        folder.mkdir()
        text = engine.config.read_text()
        text = text.replace("sandbox-key", '"${FAR_KEY}"').replace("sandbox-secret", '"${FAR_SECRET}"')
        (folder / "config.yaml").write_text(text.replace(str(engine.data), str(folder / "data")))
        self.folder, self.fleet = folder, folder / "fleet.yaml"
        place = "environment: sandbox, account: sandbox, config: config.yaml"
        host = f"{{name: mm1, address: 127.0.0.1, port: {free_port()}, fingerprint: SHA256:{'A' * 43}}}"
        self.fleet.write_text(f"default: far\ntargets:\n  far: {{{place}, hosts: [{host}]}}\n")

    def mmctl(self, *words: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, events and what was said; the keys stand in the environment unless ``environment`` is given."""
        run = subprocess.run(
            [sys.executable, "-m", "mmctl", "--fleet", str(self.fleet), *words, "--json"],
            cwd=ROOT,
            env={**os.environ, "MMCTL_STATE": str(self.folder / "state"), **(environment or KEYS)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "sandbox-secret" not in run.stdout + run.stderr
        return run.returncode, [json.loads(line) for line in run.stdout.splitlines()], run.stdout + run.stderr


LeftBehind = tuple[Venue, Operator]


@pytest.fixture
def left_behind(start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path) -> LeftBehind:
    """An engine killed with its orders at the exchange, on a host that cannot be reached."""
    venue = Venue(start_sandbox_process(*SPOT))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    engine.stop(signal.SIGKILL)
    return venue, Operator(tmp_path / "operator", engine)


def test_a_cancel_goes_straight_to_the_exchange_when_the_host_cannot_be_reached(left_behind: LeftBehind) -> None:
    venue, operator = left_behind
    assert venue.open_orders()
    code, events, said = operator.mmctl("cancel", "--confirm", "sandbox")
    assert code == 0, said
    assert venue.open_orders() == []
    done = next(event for event in events if event["event"] == "done")
    assert (done["way"], done["answer"]["open_orders"], done["answer"]["proved"]) == ("exchange", 0, True)
    assert "acting from this machine" in said
    trail = (operator.folder / "state/audit.jsonl").read_text()
    assert '"way": "direct"' in trail
    assert '"phase": "done"' in trail


def test_a_direct_halt_empties_the_exchange_and_says_that_the_host_was_not_told(left_behind: LeftBehind) -> None:
    venue, operator = left_behind
    code, _, said = operator.mmctl("halt", "--confirm", "sandbox", "--direct")
    assert code == 5, said
    assert venue.open_orders() == [], said
    assert "half done" in said
    assert "mm1 could not be told to stay stopped" in said


def test_without_the_keys_nothing_is_done_and_it_says_which_are_missing(left_behind: LeftBehind) -> None:
    venue, operator = left_behind
    before = venue.open_orders()
    code, _, said = operator.mmctl("cancel", "--confirm", "sandbox", "--direct", FAR_KEY="sandbox-key")
    assert code == 10, said
    assert "FAR_SECRET" in said
    assert operator.mmctl("cancel", "--confirm", "another", "--direct")[0] == 7
    assert venue.open_orders() == before
    (operator.folder / "far.env").write_text("FAR_KEY=sandbox-key\nFAR_SECRET=sandbox-secret\n")
    operator.fleet.write_text(operator.fleet.read_text().replace("account:", "env_file: far.env, account:"))
    code, _, said = operator.mmctl("cancel", "--confirm", "sandbox", "--direct", NOTHING="1")
    assert code == 0, said
    assert venue.open_orders() == []


def test_an_engine_that_goes_on_quoting_behind_a_partition_is_found_and_never_called_stopped(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*SPOT))
    engine = engine_on(venue.port, spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "both sides stand at the exchange")
    code, _, said = Operator(tmp_path / "operator", engine).mmctl("cancel", "--confirm", "sandbox", "--direct")
    assert code == 5, said
    assert "came back" in said
    assert "delete its key" in said


def test_a_direct_flatten_closes_the_position_on_futures(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*USDM))
    engine = engine_on(venue.port, market="usdm").start().quoting()
    until(lambda: float(venue.account()["positions"].get("ETHUSDT", "0")) != 0, "a position at the exchange")
    os.kill(engine.pid, signal.SIGSTOP)
    code, events, said = Operator(tmp_path / "operator", engine).mmctl("flatten", "--confirm", "sandbox")
    assert code == 0, said
    assert venue.open_orders() == []
    assert float(venue.account()["positions"].get("ETHUSDT", "0")) == 0
    done = next(event for event in events if event["event"] == "done")
    assert float(done["answer"]["positions"]["ETHUSDT"]["base"]) == 0


def test_a_direct_flatten_on_spot_closes_what_the_exchanges_own_list_of_our_trades_adds_up_to(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    """The journal is a file on the host; this machine has none."""
    venue = Venue(start_sandbox_process(*SPOT))
    opening = base_held(venue)
    engine = engine_on(venue.port).start().quoting()
    until(lambda: abs(base_held(venue) - opening) > 0.015, "a position at the exchange", 60)
    engine.stop(signal.SIGKILL)
    operator = Operator(tmp_path / "operator", engine)
    code, events, said = operator.mmctl("flatten", "--confirm", "sandbox", "--direct")
    assert code == 0, said
    assert venue.open_orders() == []
    assert abs(base_held(venue) - opening) < 0.002, "dust, and what fees have taken"
    done = next(event for event in events if event["event"] == "done")
    assert done["answer"]["proved"] is True
    assert operator.mmctl("flatten", "--confirm", "sandbox", "--direct")[0] == 0
    assert abs(base_held(venue) - opening) < 0.002, "nothing is sold twice"


def base_held(venue: Venue) -> float:
    held = venue.account()["spot"]["ETH"]
    return float(held["free"]) + float(held["locked"])


def test_a_direct_flatten_where_trading_is_on_paper_leaves_the_position_to_its_host(left_behind: LeftBehind) -> None:
    _, operator = left_behind
    config = operator.folder / "config.yaml"
    config.write_text(config.read_text() + "paper: {enabled: true}\n")
    code, _, said = operator.mmctl("flatten", "--confirm", "sandbox", "--direct")
    assert code == 5, said
    assert "trading is on paper" in said
