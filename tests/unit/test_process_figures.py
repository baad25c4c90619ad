"""Figures of the process itself, and the forms a JSON answer gives to awkward values."""

import asyncio
import gc
import json
import os
import resource
import shutil
import time
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest

from engine.config.secret import Secret
from engine.telemetry.body import encode
from engine.telemetry.exporter import Exporter
from engine.telemetry.process import ProcessFigures


async def test_memory_cpu_threads_tasks_and_files_are_read_when_their_time_has_come() -> None:
    exporter = Exporter()
    ProcessFigures(exporter, every_s=0.0)
    exporter.page()
    assert exporter.gauge("mm_memory_bytes").value > 10_000_000
    assert exporter.counter("mm_cpu_seconds_total").value > 0
    assert exporter.gauge("mm_threads").value >= 1
    before = exporter.gauge("mm_tasks").value
    files = exporter.gauge("mm_open_files").value
    task = asyncio.ensure_future(asyncio.Event().wait())
    pipe = os.pipe()
    exporter.page()
    for end in pipe:
        os.close(end)
    assert exporter.gauge("mm_tasks").value == before + 1
    assert exporter.gauge("mm_open_files").value == files + 2
    task.cancel()


def test_threads_are_the_kernels_count_and_the_start_is_the_processs_own() -> None:
    exporter = Exporter()
    ProcessFigures(exporter, every_s=0.0)
    exporter.page()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert exporter.gauge("mm_threads").value == int(status["Threads"])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    began = time.time() - uptime + int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / 100
    assert exporter.gauge("mm_start_timestamp_seconds").value == pytest.approx(began, abs=2)
    assert exporter.gauge("mm_start_timestamp_seconds").value < time.time()
    assert exporter.gauge("mm_open_files_limit").value == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_disk_is_that_of_the_folder_and_one_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    exporter = Exporter()
    ProcessFigures(exporter, every_s=0.0, disk=tmp_path / "journal")
    assert b"\nmm_disk_free" not in exporter.page()
    (tmp_path / "journal").mkdir()
    exporter.page()
    free = shutil.disk_usage(tmp_path).free
    assert exporter.gauge("mm_disk_free_bytes").value == pytest.approx(free, rel=0.2)
    assert 0 < exporter.gauge("mm_disk_free_ratio").value <= 1
    (tmp_path / "journal").rmdir()
    assert b"\nmm_disk_free" not in exporter.page()


async def test_pauses_of_the_collector_are_counted_while_it_is_watched() -> None:
    exporter = Exporter()
    figures = ProcessFigures(exporter)
    figures.start()
    gc.collect()
    figures.stop()
    seen = exporter.histogram("mm_gc_pause_seconds").cumulative()[-1]
    assert seen >= 1
    gc.collect()
    assert exporter.histogram("mm_gc_pause_seconds").cumulative()[-1] == seen
    figures.stop()


async def test_a_blocked_loop_shows_as_lag() -> None:
    exporter = Exporter()
    seen: list[float] = []
    enough = asyncio.Event()

    def on_lag(late: float) -> None:
        seen.append(late)
        if late > 0.05:
            enough.set()

    watching = asyncio.ensure_future(ProcessFigures(exporter).watch_loop(0.01, on_lag))
    await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)
    asyncio.get_running_loop().call_soon(_block)
    await asyncio.wait_for(enough.wait(), 10)
    watching.cancel()
    assert exporter.histogram("mm_event_loop_lag_seconds").cumulative()[-1] == len(seen)


def _block() -> None:
    """Hold the loop for a tenth of a second."""
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        pass


class Colour(Enum):
    RED = "red"


def test_awkward_values_have_a_json_form() -> None:
    body = {"enum": Colour.RED, "set": {2, 1}, "path": Path("a/b"), "secret": Secret("s3cret"), "big": Decimal("1E+3")}
    assert json.loads(encode(body)) == {"enum": "red", "set": [1, 2], "path": "a/b", "secret": "***", "big": 1000}
    assert encode({"x": Decimal("NaN")}) == b'{"x":null}'
    assert encode({1: Decimal("0.00000001")}) == b'{"1":0.00000001}'
    with pytest.raises(TypeError):
        encode({"x": 1 << 70})
