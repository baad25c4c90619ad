"""The sentinel goes on with what the engine has reloaded, and with nothing that the engine does not run with."""

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

from engine.live.memory import Memory
from engine.live.outside.following import ConfigFollower
from engine.live.outside.sentinel_actions import SentinelReport
from engine.risk.sentinel import Act, EngineSeen, OrderSeen, VenueSeen
from engine.sentinel import Sentinel
from tests.unit.live_session import CONFIG

SENTINEL = "sentinel: {{interval: {interval}, engine_timeout: {timeout}, flatten: {flatten}}}\n"


class Outside:
    """What a guard sees and does, without an exchange."""

    direct = False

    def __init__(self, folder: Path) -> None:
        self.config: Any = None
        self.memory = Memory(folder, "test")
        self.engine = EngineSeen(True, 0.1)
        self.venue = VenueSeen(True, (OrderSeen("ETHUSDT", "mm-7-1", 7, 1.0),))
        self.done: list[str] = []
        self.looks = 0
        self.often = asyncio.Event()  # looked five times

    def lead(self) -> None:
        return None

    async def see_engine(self, blind_s: float | None = None) -> EngineSeen:
        self.looks += 1
        if self.looks >= 5:
            self.often.set()
        return self.engine

    async def see_venue(self) -> VenueSeen:
        return self.venue

    async def cancel(self) -> SentinelReport:
        return self._did("cancel")

    async def flatten(self) -> SentinelReport:
        return self._did("flatten")

    async def halt(self, reason: str, actor: str) -> SentinelReport:
        return self._did("halt")

    def _did(self, what: str) -> SentinelReport:
        self.done.append(what)
        return SentinelReport(what, "test", proved=True)


class Bench:
    """A sentinel beside a file; ``reload`` writes another and lets the engine run with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.outside = Outside(folder)
        self.texts: list[str] = []
        digest = self.write()
        from engine.config.load import load

        config = load(self.path)
        self.outside.config = config
        guard: Any = self.outside
        self.sentinel = Sentinel(config, guard, ConfigFollower(config, digest, self.path, None))

    def write(
        self, interval: str = "10s", timeout: str = "30s", flatten: str = "false", replace: tuple[str, str] = ("", "")
    ) -> str:
        text = CONFIG.format(folder=self.path.parent / "data", strategy="", risk="")
        text += SENTINEL.format(interval=interval, timeout=timeout, flatten=flatten)
        self.path.write_text(text.replace(*replace) if replace[0] else text)
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    async def reload(self, **changed: Any) -> str:
        digest = self.write(**changed)
        self.outside.engine = EngineSeen(True, 0.1, config_sha256=digest)
        await self.sentinel.look()
        return digest


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_an_engine_silent_for_the_new_time_is_taken_for_dead(bench: Bench) -> None:
    bench.outside.engine = EngineSeen(True, 5.0)
    assert (await bench.sentinel.look()).act is Act.WATCH
    await bench.reload(timeout="3s")
    bench.outside.engine = EngineSeen(True, 5.0)
    assert (await bench.sentinel.look()).act is Act.CANCEL


async def test_the_position_is_closed_once_that_is_wanted(bench: Bench) -> None:
    bench.outside.engine = EngineSeen(True, 60.0)
    await bench.sentinel.look()
    await bench.reload(flatten="true")
    bench.outside.engine = EngineSeen(True, 60.0)
    await bench.sentinel.look()
    assert bench.outside.done == ["cancel", "flatten"]


async def test_it_looks_as_often_as_the_new_interval_says(bench: Bench) -> None:
    class Systemd:
        def alive(self) -> bool:
            return True

    digest = bench.write(interval="1ms")
    bench.outside.engine = EngineSeen(True, 0.1, config_sha256=digest)
    stop, notify = asyncio.Event(), Systemd()
    running = asyncio.ensure_future(bench.sentinel.run(stop, notify))  # type: ignore[arg-type]
    async with asyncio.timeout(8):  # less than one of the old intervals
        await bench.outside.often.wait()
    stop.set()
    await running


async def test_a_limit_that_the_engine_reloaded_is_the_sentinels_too(bench: Bench) -> None:
    bench.outside.venue = VenueSeen(True, (), (("ETHUSDT", 0.8),))
    assert (await bench.sentinel.look()).act is Act.WATCH
    await bench.reload(replace=("max_position: 1", "max_position: 0.6"))
    bench.sentinel._venue_at = 0.0
    assert (await bench.sentinel.look()).act is Act.HALT


async def test_a_file_that_the_engine_does_not_run_with_is_not_taken_over(bench: Bench) -> None:
    began = bench.sentinel.config
    bench.write(flatten="true")
    await bench.sentinel.look()
    assert bench.sentinel.config is began
    bench.outside.engine = EngineSeen(True, 0.1, config_sha256="0" * 64)
    await bench.sentinel.look()
    assert bench.sentinel.config is began


async def test_the_configuration_before_is_come_back_to_whatever_the_file_says(bench: Bench) -> None:
    first = hashlib.sha256(bench.path.read_bytes()).hexdigest()
    await bench.reload(flatten="true")
    assert bench.sentinel.config.sentinel.flatten
    bench.outside.engine = EngineSeen(True, 0.1, config_sha256=first)
    await bench.sentinel.look()
    assert not bench.sentinel.config.sentinel.flatten


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"replace": ("account: test", "account: other")}, "exchange.account; restart the sentinel"),
        ({"interval": "0s"}, "sentinel.interval"),
    ],
    ids=["needs a restart", "not valid"],
)
async def test_what_cannot_be_taken_over_leaves_the_rules_and_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, changed: dict[str, Any], told: str
) -> None:
    began = bench.sentinel.config
    with caplog.at_level(logging.ERROR, "sentinel"):
        await bench.reload(**changed)
        await bench.sentinel.look()
    assert bench.sentinel.config is began
    said = [record.getMessage() for record in caplog.records if "keeps its rules" in record.getMessage()]
    assert len(said) == 1
    assert told in said[0]
