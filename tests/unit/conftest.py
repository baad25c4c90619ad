"""Fixtures: a session without sockets; a fake engine, a fleet that points at it, and ``mmctl`` in this process."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmctl.cli.app import run
from tests.unit import fake_engine
from tests.unit.live_session import Rig


@dataclass(frozen=True)
class Said:
    """How one ``mmctl`` command line ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Mmctl = Callable[..., Said]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A leading session with a live book, both sides quoted and not yet answered."""
    made = Rig(tmp_path)
    yield made.live()
    await made.feed.close()
    made.close()


@pytest.fixture
def engine() -> Iterator[fake_engine.FakeEngine]:
    with fake_engine.running() as found:
        yield found


@pytest.fixture
def fleet(tmp_path: Path, engine: fake_engine.FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    file = fake_engine.write_fleet(tmp_path, engine.port)
    monkeypatch.setenv("MMCTL_FLEET", str(file))
    return file


@pytest.fixture
def mmctl(capfd: pytest.CaptureFixture[str]) -> Mmctl:
    def call(*args: str) -> Said:
        capfd.readouterr()
        code = run(list(args))
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call
