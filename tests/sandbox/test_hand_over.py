"""Two engines of one host, one quoting: the lease goes from one process to the other and back, without a start."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "5", "--speed", "4", "--no-limits", "--quiet")


class Pair:
    """Two instances on one data folder and one port, and the link that names the one to lead."""

    def __init__(self, engine_on: StartEngine, venue: Venue, folder: Path, **settings: Any) -> None:
        self.link, self.venue = folder / "current", venue
        first = engine_on(venue.port, name="one", data=folder / "data", **settings)
        second = engine_on(venue.port, name="two", data=folder / "data", port=first.port, **settings)
        self.engines = {"one": first, "two": second}
        for name, engine in self.engines.items():
            engine.variables = {"MM_INSTANCE": name, "MM_INSTANCE_LINK": str(self.link)}

    def name(self, name: str) -> Engine:
        self.link.with_suffix(".new").symlink_to(f"anywhere/{name}")
        os.replace(self.link.with_suffix(".new"), self.link)
        return self.engines[name]

    def hand_over(self, giver: str, taker: str) -> None:
        self.name(taker)
        os.kill(self.engines[giver].pid, signal.SIGUSR1)
        until(lambda: self.leads() == taker, f"{taker} quotes\n{self.engines[giver].log}\n{self.engines[taker].log}")

    def leads(self) -> str:
        state = self.engines["one"].engine()
        return str(state.get("instance")) if state.get("quoting") else ""

    def standing_by(self, name: str, phase: str) -> None:
        engine = self.engines[name]
        until(lambda: phase in engine.log, f"{name} says {phase}\n{engine.log}")


@pytest.fixture
def pair(start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path) -> Pair:
    return Pair(engine_on, Venue(start_sandbox_process(*MARKET)), tmp_path / "host")


def epochs(venue: Venue) -> list[int]:
    """Of every order the exchange ever saw, in the order in which they came: the epoch it was sent under."""
    from engine.orders.ids import parse

    return [found.epoch for order in venue.orders() if (found := parse(order["clientOrderId"])) is not None]


def test_the_lease_goes_over_and_back_with_both_processes_alive_and_no_epoch_ever_returns(pair: Pair) -> None:
    pair.link.parent.mkdir(parents=True, exist_ok=True)
    one, two = pair.name("one").start().quoting(), pair.engines["two"].start()
    pair.standing_by("two", "warm: another engine of this host is named to lead")
    assert pair.leads() == "one"
    pair.hand_over("one", "two")
    pair.standing_by("one", "warm: another")
    assert one.alive
    pair.hand_over("two", "one")
    assert two.alive
    until(lambda: len(pair.venue.open_orders()) == 2, "both sides stand at the exchange")
    sent = epochs(pair.venue)
    assert sent == sorted(sent)
    assert len(set(sent)) == 3
    assert two.stop() == 0
    assert one.stop() == 0
    assert pair.venue.open_orders() == []


def test_the_warm_one_leaves_a_free_lease_alone_and_ends_with_its_window(pair: Pair) -> None:
    pair.link.parent.mkdir(parents=True, exist_ok=True)
    one, two = pair.engines["one"], pair.engines["two"]
    for engine in (one, two):
        engine.config.write_text(engine.config.read_text() + "lease: {rollback_window: 6s}\n")
    pair.name("one").start().quoting()
    two.start()
    pair.standing_by("two", "warm: another")
    pair.hand_over("one", "two")
    pair.standing_by("one", "warm: another")
    two.stop(signal.SIGKILL)
    led = one.log.count("ready epoch")
    assert one.wait() == 0, "nobody named it"
    assert "the rollback window is over" in one.log
    assert one.log.count("ready epoch") == led, "the lease was free all the while"
    two.start().quoting()
    assert two.stop() == 0
    assert epochs(pair.venue)[-1] == 3


def test_an_engine_alone_on_its_host_does_not_take_the_signal_for_its_end(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    engine = engine_on(Venue(start_sandbox_process(*MARKET)).port).start().quoting()
    os.kill(engine.pid, signal.SIGUSR1)
    until(lambda: "there is nothing to hand over" in engine.log, "it says so")
    assert engine.quoting().engine()["epoch"] == 1
    assert engine.stop() == 0
