"""The recorder on the sandbox's exchange, over its sockets: what it writes is whole, joins, and backtests as it is."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.market.check import check_recordings
from engine.recorder.facts import Check
from engine.recorder.folder import read_check, recordings
from engine.recorder.keeping import Rules
from engine.recorder.recorder import Recorder, RecorderSettings
from engine.recorder.tape import RecordedPair
from engine.sandbox import SandboxExchange
from engine.trade import Market
from engine.venue.binance.endpoints import endpoints
from tests.needs import ROOT
from tests.ports import free_port
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Venue, get, until

SECOND = 1_000_000_000
ETH = RecordedPair("binance", "spot", "ETHUSDT")
BTC = RecordedPair("binance", "usdm", "BTCUSDT")


def settings_on(port: int, root: Path, *instruments: RecordedPair, **more: Any) -> RecorderSettings:
    here = f"127.0.0.1:{port}"
    places = {
        Market(one.market): endpoints(
            Market(one.market), rest=f"http://{here}", stream=f"ws://{here}", ws_api=f"ws://{here}"
        )
        for one in instruments
    }
    return replace(RecorderSettings(root, instruments, places, Rules(10**18, 10**12, None, "")), pace_s=0.02, **more)


@asynccontextmanager
async def recording(settings: RecorderSettings) -> AsyncIterator[Recorder]:
    recorder = Recorder(settings)
    recorder.start()
    try:
        yield recorder
    finally:
        assert await recorder.stop()


async def when(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


def files_of(root: Path, one: RecordedPair) -> list[Path]:
    return [path for path in recordings(root) if path.parent == root / one.folder]


def checks_of(root: Path, one: RecordedPair) -> list[Check]:
    found = [read_check(path) for path in files_of(root, one)]
    assert None not in found, "every file has its check"
    return [check for check in found if check is not None]


async def test_every_file_stands_for_itself_and_all_of_them_are_one_stream(
    running_sandbox: SandboxExchange, tmp_path: Path
) -> None:
    settings = settings_on(running_sandbox.port, tmp_path, ETH, BTC, rotate_ns=3 * SECOND)
    async with recording(settings) as recorder:
        await when(lambda: len(recordings(tmp_path)) >= 6, "three files of each")
        await when(lambda: not any(tape.snapshot_due or tape.waiting for tape in recorder.tapes), "snapshots")
        await asyncio.sleep(0.5)  # some frames behind them
    for one in (ETH, BTC):
        files, checks = files_of(tmp_path, one), checks_of(tmp_path, one)
        for path, check in list(zip(files, checks, strict=True))[1:]:
            found = await asyncio.to_thread(check_recordings, [path])
            assert found["ok"], (found, check)
            assert found["frames"] == check.facts.frames
            assert found["snapshots"] == check.facts.counts["snapshots"] >= 1
            assert found["bbo_checked"] > 0
        whole = await asyncio.to_thread(check_recordings, files)
        assert whole["ok"], whole
        assert [check.facts.gap_count for check in checks] == [0] * len(checks)
        assert {check.ended for check in checks[:-1]} == {"time"}


async def test_a_lost_connection_is_a_gap_with_its_ids_and_the_book_begins_anew(
    running_sandbox: SandboxExchange, tmp_path: Path
) -> None:
    async with recording(settings_on(running_sandbox.port, tmp_path, ETH)) as recorder:
        (tape,) = recorder.tapes
        await when(lambda: tape.facts.counts["snapshots"], "a snapshot")
        running_sandbox.core.faults.add({"kind": "disconnect", "stream": "depth"})
        await when(lambda: recorder.standing.gaps, "the gap is counted")
        await when(lambda: tape.facts.counts["snapshots"] == 2, "a second snapshot")
        page = recorder.figures.exporter.page().decode()
        assert 'mm_recorder_gaps_total{reason="connection"} 1.0' in page
    (check,) = checks_of(tmp_path, ETH)
    (gap,) = check.facts.gaps
    assert gap.reason == "connection"
    assert 0 < gap.seconds < 20
    assert check.facts.from_ns < gap.from_ns < gap.to_ns <= check.facts.to_ns
    assert 0 < gap.from_update < gap.to_update
    assert (await asyncio.to_thread(check_recordings, files_of(tmp_path, ETH)))["book_state"] == "live"


async def test_a_dropped_diff_is_a_gap_of_the_sequence(running_sandbox: SandboxExchange, tmp_path: Path) -> None:
    async with recording(settings_on(running_sandbox.port, tmp_path, BTC)) as recorder:
        (tape,) = recorder.tapes
        await when(lambda: tape.facts.counts["snapshots"], "a snapshot")
        running_sandbox.core.faults.add({"kind": "gap"})
        await when(lambda: tape.facts.counts["snapshots"] == 2, "a second snapshot")
    (gap,) = checks_of(tmp_path, BTC)[0].facts.gaps
    assert gap.reason == "sequence"
    assert (await asyncio.to_thread(check_recordings, files_of(tmp_path, BTC)))["gaps"] == 1


async def test_a_connection_is_renewed_before_its_end_and_nothing_is_missing_or_doubled(
    running_sandbox: SandboxExchange, tmp_path: Path
) -> None:
    settings = settings_on(running_sandbox.port, tmp_path, ETH, BTC, renew_s=1.0, overlap_s=0.4)
    async with recording(settings) as recorder:
        await when(lambda: all(feed.renewals >= 3 for feed in recorder.feeds), "three renewals")
        assert sum(tape.duplicates for tape in recorder.tapes) > 0, "both connections brought the same"
        assert [feed.reconnects for feed in recorder.feeds] == [0, 0]
    for one in (ETH, BTC):
        found = await asyncio.to_thread(check_recordings, files_of(tmp_path, one))
        assert found["ok"], found
        trades = [
            json.loads(line.split(b" ", 1)[1])["data"]["t"]
            for line in _lines(files_of(tmp_path, one)[0])
            if b"@trade" in line[:60]
        ]
        assert trades == sorted(set(trades))
        assert checks_of(tmp_path, one)[0].facts.gap_count == 0


def _lines(path: Path) -> list[bytes]:
    from engine.market.recording import frames

    return [b"%d %s" % found for found in frames(path)]


async def test_a_symbol_that_is_not_listed_is_told_and_the_others_are_recorded(
    running_sandbox: SandboxExchange, tmp_path: Path
) -> None:
    gone = RecordedPair("binance", "spot", "LUNAUSDT")
    async with recording(settings_on(running_sandbox.port, tmp_path, ETH, gone)) as recorder:
        await when(lambda: recorder.standing.not_trading, "it is told")
        await when(lambda: recorder.tapes[0].frames > 20, "the other one is recorded")
        assert recorder.standing.not_trading == {"spot:LUNAUSDT": "NOT LISTED"}
        health = recorder.figures.health()
        assert health["status"] == "degraded"
        assert "spot:LUNAUSDT NOT LISTED" in health["components"]["instruments"]["message"]
        assert "mm_recorder_not_trading 1.0" in recorder.figures.exporter.page().decode()


async def test_a_disk_that_fills_up_pauses_it_and_it_goes_on_when_there_is_room(
    running_sandbox: SandboxExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = os.statvfs, {"now": False}

    def seen(path: Any) -> Any:
        found = real(path)
        names = [name for name in dir(found) if name.startswith("f_")]
        values = {name: getattr(found, name) for name in names} | ({"f_bavail": 10} if full["now"] else {})
        return type("Seen", (), values)

    monkeypatch.setattr("engine.recorder.recorder.os.statvfs", seen)
    async with recording(settings_on(running_sandbox.port, tmp_path, ETH, min_free=1_000_000)) as recorder:
        (tape,) = recorder.tapes
        await when(lambda: tape.facts.counts["snapshots"], "a snapshot")
        full["now"] = True
        await when(lambda: recorder.standing.paused, "it pauses")
        assert recorder.figures.health()["status"] == "failed"
        assert "mm_recorder_writing 0.0" in recorder.figures.exporter.page().decode()
        full["now"] = False
        await when(lambda: recorder.standing.gaps, "it goes on, and tells what is missing")
        await when(lambda: tape.facts.counts["snapshots"], "with a snapshot of its own")
        assert recorder.figures.health()["status"] in ("ok", "degraded")
    first, second = checks_of(tmp_path, ETH)
    assert first.ended.startswith("disk: ")
    assert first.whole
    assert [gap.reason for gap in second.facts.gaps] == ["disk"]


CONFIG = """
environment: sandbox
data_dir: {data}
exchange: {{name: binance, api_key: key, api_secret: secret, account: sandbox}}
venue: {{rest: "http://127.0.0.1:{venue}", stream: "ws://127.0.0.1:{venue}", ws_api: "ws://127.0.0.1:{venue}"}}
strategy: {{name: basic, symbol: ETHUSDT, base_spread: 0.001, base_size: 0.02, max_inventory: 0.1}}
risk: {{daily_loss_limit: 1000, max_drawdown_limit: 0.2, max_position: 0.2}}
logging: {{format: text}}
recorder: {{port: {port}, min_free: 1}}
"""


class Program:
    """``mmctl record run`` as a process."""

    def __init__(self, folder: Path, venue: int) -> None:
        self.folder, self.port = folder, free_port()
        self.root = folder / "data" / "recordings"
        self.config = folder / "c.yaml"
        self.config.write_text(CONFIG.format(data=folder / "data", venue=venue, port=self.port))
        self.log = folder / "log"

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "mmctl", "record", "run", "--config", str(self.config)]
            return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)

    def frames(self) -> int:
        """Frames recorded since this start, 0 while it does not answer."""
        state = get(self.port, "/api/state")
        return sum(row["frames"] for row in state["recorder"]["instruments"]) if state else 0


def test_killed_started_again_and_ended_with_ctrl_c(tmp_path: Path, start_sandbox_process: StartProcess) -> None:
    venue = Venue(start_sandbox_process())
    program = Program(tmp_path, venue.port)
    first = program.start()
    try:
        until(lambda: program.frames() > 100, "frames come")
        until(lambda: any(path.stat().st_size for path in recordings(program.root)), "and reach the disk")
        other = subprocess.run(
            [sys.executable, "-m", "mmctl", "record", "run", "--config", str(program.config)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert other.returncode == 7
        assert f"a recorder writes there already (process {first.pid})" in other.stdout + other.stderr
    finally:
        first.kill()
        first.wait(10)
    (left,) = recordings(program.root)
    before = left.read_bytes()
    second = program.start()
    try:
        until(lambda: 'reason="killed"} 1.0' in _page(program.port), f"the gap is told: {program.log.read_text()}")
        until(lambda: program.frames() > 300, "frames come")
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(20) == 0
    assert left.read_bytes() == before, "nothing is written over"
    old, new = checks_of(program.root, ETH)
    (gap,) = new.facts.gaps
    assert old.ended.startswith("killed")
    assert old.facts.to_ns == gap.from_ns < new.facts.from_ns <= gap.to_ns, "no overlap, and told to the nanosecond"
    assert gap.from_update == old.facts.last_update < new.facts.first_update == gap.to_update
    assert new.ended == "stopped"
    assert "Traceback" not in program.log.read_text()
    path = str(files_of(program.root, ETH)[1])
    checked = _mmctl("record", "check", path)
    assert checked["ok"], checked
    run = _mmctl("backtest", "run", "--config", str(program.config), "--data", path)
    assert run["events"] > 100


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _mmctl(*words: str) -> dict[str, Any]:
    said = subprocess.run(
        [sys.executable, "-m", "mmctl", *words, "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    found: dict[str, Any] = next(
        event for event in map(json.loads, said.stdout.splitlines()) if event["event"] == "result"
    )
    return found


def test_what_cannot_be_recorded_is_refused_by_name(tmp_path: Path) -> None:
    program = Program(tmp_path, 1)
    for word in ("kraken:XBTUSD", "spot:", "ethusdt"):
        ended = subprocess.run(
            [sys.executable, "-m", "mmctl", "record", "run", "--config", str(program.config), word],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 10, ended
        assert f"{program.config}: {word} is no instrument; write spot:ETHUSDT" in ended.stderr
        assert "Traceback" not in ended.stderr
