"""Compiling before the first start: in another process, only where nothing is compiled, never for ever."""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.live.start import warm


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the interpreter that notes how it was called; the note is returned."""
    note, program = tmp_path / "called", tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" > {note}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return note


def test_a_cold_start_has_another_process_compile_for_the_same_configuration(other: Path, tmp_path: Path) -> None:
    asyncio.run(warm.compile_ahead(tmp_path / "config.yaml", tmp_path / "env"))
    expected = f"-P -m engine warm --parent {os.getpid()} --config {tmp_path}/config.yaml --env-file {tmp_path}/env"
    assert other.read_text().strip() == expected


def test_a_warm_start_starts_no_process(other: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "kernel"
    folder.mkdir(parents=True)
    (folder / "parse.parse_frame-1.py311.nbi").touch()
    asyncio.run(warm.compile_ahead(tmp_path / "config.yaml", None))
    assert not other.exists()


def test_a_process_that_does_not_end_is_ended(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(sys.executable).write_text(f"#!/bin/sh\necho $$ > {other}\nexec sleep 600\n")
    monkeypatch.setattr(warm, "HELPER_S", 0.5)
    asyncio.run(warm.compile_ahead(tmp_path / "config.yaml", None))
    assert not Path(f"/proc/{other.read_text().strip()}").exists()


def test_where_no_process_can_be_started_the_start_goes_on(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    asyncio.run(warm.compile_ahead(tmp_path / "config.yaml", None))
    assert not other.exists()


#: A process that compiles ahead, as an engine does at a cold start.
ENGINE = """
import asyncio, sys
from pathlib import Path
from engine.live.start.warm import compile_ahead
asyncio.run(compile_ahead(Path(sys.argv[1]), None))
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Such a process, whose configuration is a pipe; whatever it started is ended with it afterwards."""
    os.mkfifo(tmp_path / "config.yaml")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", ENGINE, str(tmp_path / "config.yaml")]
    started = subprocess.Popen(command, env=environment, start_new_session=True)
    yield started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait(20)


def read_by_somebody(pipe: Path) -> int:
    """The writing end of ``pipe``, once another process reads it: one that will not get further than that."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody has it open for reading yet
                raise
            time.sleep(0.02)
    raise AssertionError(f"nobody reads {pipe}")


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_engine_killed_while_it_has_the_kernel_compiled_leaves_nobody_compiling(
    engine: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    writer = read_by_somebody(tmp_path / "config.yaml")
    try:
        (child,) = map(int, Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split())
        assert runs(child)
        engine.kill()
        end = time.monotonic() + 20
        while runs(child) and time.monotonic() < end:
            time.sleep(0.02)
        assert not runs(child)
    finally:
        os.close(writer)
