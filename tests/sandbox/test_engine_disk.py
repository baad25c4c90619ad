"""A running engine whose disk fills up: it stops quoting, loses no fill, and goes on by itself once there is room."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import need, need_program
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import StartEngine, Venue, engine_on, until
from tests.sandbox.test_engine_life import MARKET, ledger_equals_the_exchanges, traded

__all__ = ["engine_on"]

BLOCK = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    need_program("mount", "umount")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    need(made.returncode == 0, f"the right to mount a file system ({made.stderr.strip()})")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take what room there is; the file to remove for it."""
    taken = place / "somebody-elses"
    with open(taken, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * BLOCK)
    return taken


def test_a_disk_that_fills_up_under_a_running_engine_stops_quoting_loses_no_fill_and_recovers(
    small_disk: Path, start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port, data=small_disk / "data").start().quoting()
    until(lambda: traded(engine) >= 1, "a fill is in the journal")
    taken = fill(small_disk)
    until(lambda: not engine.engine().get("quoting"), "a full disk stops quoting")
    assert "journal" in engine.engine()["not_quoting_reason"]
    until(lambda: venue.open_orders() == [], "its orders are cancelled")
    assert engine.get("/health")["status"] != "ok"
    fills = venue.account()["fills"]
    taken.unlink()
    engine.quoting()
    until(lambda: traded(engine) > fills, "it trades again, and what was made meanwhile is in the journal")
    assert engine.stop() == 0
    ledger_equals_the_exchanges(engine, venue)
