"""The pulse sees what no tick brings, and its rounds live and end together."""

import asyncio
import time
from unittest import mock

import pytest

from engine.live.session.pulse import Pulse
from engine.store.records import RiskEventRecord
from engine.telemetry.latency import Latencies
from tests.unit.live_session import Rig


class Watchdog:
    watchdog_s = None

    def alive(self) -> bool:
        return True

    def status(self, text: str) -> bool:
        return True


def pulse_of(rig: Rig) -> Pulse:
    return Pulse(rig.session, Watchdog(), None, lambda: None, lambda reason: None)


async def test_the_pulse_sees_a_lost_lease_and_a_lost_journal(rig: Rig) -> None:
    rig.exchange.answer()
    pulse = pulse_of(rig)
    rig.journal.say = "no space left"
    pulse.fast(1)
    assert rig.exchange.cancelled == rig.exchange.placed
    assert rig.session.not_quoting_reason() == "journal: no space left"
    rig.journal.say, rig.lease.mine = None, False
    pulse.fast(2)
    assert "lease" in str(rig.session.not_quoting_reason())


async def test_a_lease_that_cannot_be_proved_stops_quoting_when_its_time_is_over_and_not_the_engine(rig: Rig) -> None:
    rig.exchange.answer()
    lost: list[str] = []
    pulse = Pulse(rig.session, Watchdog(), None, lambda: None, lost.append)
    rig.lease.doubt = "cannot read the epoch counter: Too many open files"
    pulse.fast(1)
    assert rig.session.not_quoting_reason() is None  # the last proof holds for the lease's time
    told = [record.message for record in rig.journal.records if isinstance(record, RiskEventRecord)]
    assert told == [f"the lease cannot be proved: {rig.lease.doubt}"]
    rig.lease.mine = False
    pulse.fast(2)
    assert rig.exchange.cancelled == rig.exchange.placed
    assert "cannot be proved: cannot read the epoch counter" in str(rig.session.not_quoting_reason())
    rig.lease.mine, rig.lease.doubt = True, ""
    pulse.fast(3)
    assert rig.session.not_quoting_reason() is None
    assert lost == []


async def test_a_risk_state_that_cannot_be_written_stops_quoting_until_it_can(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = pulse_of(rig)
    session = rig.session

    def full(state: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(session.parts.memory, "save_risk", full)
        session.parts.keeper.write({})
    for now in (1, 2):  # the gate's next look at the journal, which is well, does not forget it
        pulse.fast(now)
        assert "risk state cannot be written" in str(session.not_quoting_reason())
    session.parts.keeper.write({})
    pulse.fast(3)
    assert session.not_quoting_reason() is None


async def test_a_round_that_fails_is_seen_at_once_and_takes_the_others_with_it(rig: Rig) -> None:
    pulse, before = pulse_of(rig), asyncio.all_tasks()
    with mock.patch.object(pulse, "fast", side_effect=ValueError("a bug")), pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(pulse.run(), 5)
    assert asyncio.all_tasks() == before


async def test_a_pulse_that_is_cancelled_waits_for_each_of_its_rounds(rig: Rig) -> None:
    begun, ended = asyncio.Event(), []

    async def doubts() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.append("doubts")

    pulse, before = pulse_of(rig), asyncio.all_tasks()
    with mock.patch.object(pulse, "_doubts", doubts):
        running = asyncio.ensure_future(pulse.run())
        await asyncio.wait_for(begun.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
    assert ended == ["doubts"]
    assert asyncio.all_tasks() == before


async def test_a_round_that_fails_while_another_one_ends_it_is_told_beside_the_first(rig: Rig) -> None:
    async def reconcile() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise OSError("no answer")

    async def fast_rounds() -> None:
        await asyncio.sleep(0)  # the other is under way
        raise ValueError("a bug")

    pulse = pulse_of(rig)
    with (
        mock.patch.object(pulse, "_reconcile", reconcile),
        mock.patch.object(pulse, "_fast_rounds", fast_rounds),
        pytest.raises(ValueError, match="a bug") as failed,
    ):
        await asyncio.wait_for(pulse.run(), 5)
    assert failed.value.__notes__ == ["another round failed with it: OSError: no answer"]


async def test_a_loop_that_stands_still_is_seen_and_the_ticks_that_waited_are_counted(rig: Rig) -> None:
    latencies = rig.session.parts.latency
    assert isinstance(latencies, Latencies)
    for _ in range(1_000):  # as many orders in this second: ticks that cannot be taken are missed a lot
        latencies.record("tick_to_order", 40_000)
    pulse = asyncio.ensure_future(pulse_of(rig).run())
    await asyncio.sleep(0.2)
    calm = latencies.window(60).stages["tick_to_order"].waited
    asyncio.get_running_loop().call_soon(time.sleep, 0.5)  # what must never be done on the loop
    await asyncio.sleep(0.1)
    found = (await latencies.body(60))["stages"]["tick_to_order"]
    pulse.cancel()
    await asyncio.wait({pulse})
    assert found["waited"] - calm > 100
    assert found["max"] > 0.3
    assert found["p50"] == pytest.approx(40e-6, rel=0.01)
    assert found["p99"] > 0.1
