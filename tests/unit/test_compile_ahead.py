"""Compiling before the first start: in another process, only where nothing is compiled, never for ever."""

import asyncio
import sys
from pathlib import Path

import pytest

from engine.live import warm


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
    expected = f"-P -m engine warm --config {tmp_path}/config.yaml --env-file {tmp_path}/env"
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
