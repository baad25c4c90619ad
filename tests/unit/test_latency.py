"""Latencies by stage: within the promised error, over the time they claim, with stalls; and systemd's notifications."""

import os
import socket
from pathlib import Path

import pytest

from engine.histogram import HIGHEST_NS, TimeCounts, highest_in
from engine.telemetry.exporter import Exporter
from engine.telemetry.latency import CELL_S, COARSE_CELLS, FINE_CELLS, Latencies
from engine.telemetry.notify import Notifier


class Clock:
    """Seconds since 1970, moved by the test."""

    def __init__(self, now: float = 1_796_078_100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def run(latencies: Latencies, clock: Clock, seconds: int, every_s: int = 1, ns: int = 1_000_000) -> None:
    """One ack of ``ns`` every ``every_s``, and a round of the timer each second."""
    for second in range(seconds):
        clock.now += 1
        if second % every_s == 0:
            latencies.record("ack", ns)
        latencies.rotate()


async def test_a_window_has_exactly_what_was_counted_in_it() -> None:
    clock = Clock()
    latencies = Latencies(wall_s=clock)
    run(latencies, clock, 600, ns=1_000_000)
    run(latencies, clock, 300, ns=9_000_000)
    view = latencies.window(300)
    assert 300 <= view.stages["ack"].total <= 300 + CELL_S
    assert clock.now - 300 - CELL_S <= view.start <= clock.now - 300
    assert latencies.window(900).stages["ack"].total == 900
    assert (await latencies.body(300))["stages"]["ack"]["p50"] == pytest.approx(0.009, rel=1 / 128)
    assert (await latencies.body(900))["stages"]["ack"]["p50"] == pytest.approx(0.001, rel=1 / 128)


def test_beyond_an_hour_minutes_are_counted_once_each_and_a_day_is_kept() -> None:
    clock = Clock()
    latencies = Latencies(wall_s=clock)
    run(latencies, clock, 7_225, every_s=10)  # the oldest fine cell begins in the middle of a minute
    for hours in (0.5, 0.9, 1.0, 1.1, 1.5, 2.0):
        view = latencies.window(hours * 3600)
        assert round(hours * 360) <= view.stages["ack"].total <= hours * 360 + 7, hours
        starts = [cell.start for cell in view.cells]
        assert starts == sorted(starts)
        assert all(a.end <= b.start for a, b in zip(view.cells, view.cells[1:], strict=False))
    assert len(latencies._fine) <= FINE_CELLS
    assert latencies._coarse.maxlen == COARSE_CELLS


def test_a_minute_that_is_over_is_told_once_and_the_last_when_the_engine_ends() -> None:
    clock = Clock(1_796_078_100.0)
    latencies = Latencies(wall_s=clock)
    told: list[tuple[int, dict[str, TimeCounts]]] = []
    latencies.on_minute = lambda start, counts: told.append((start, dict(counts)))
    run(latencies, clock, 150)
    assert [(start, counts["ack"].total) for start, counts in told] == [(1_796_078_100, 60), (1_796_078_160, 60)]
    latencies.end()
    assert sum(counts["ack"].total for _, counts in told) == 150


def test_an_empty_window_says_none_and_not_zero() -> None:
    assert Latencies().summary()["ack"] == {
        "p50": None, "p90": None, "p95": None, "p99": None, "p999": None, "max": None, "count": 0,
    }  # fmt: skip
    assert Latencies().p95("submit") is None


def test_a_stage_is_in_the_summary_and_on_the_page() -> None:
    exporter = Exporter()
    latencies = Latencies(exporter)
    latencies.record("ack", 2_000_000)
    latencies.record("tick_to_order", 40_000)
    latencies.record("network", -5)
    assert latencies.summary()["ack"]["p50"] == pytest.approx(0.002, rel=1 / 128)
    assert latencies.p95("network") == 0
    assert exporter.histogram("mm_order_latency_seconds", stage="ack").cumulative()[-1] == 1
    assert exporter.histogram("mm_tick_to_order_seconds").total == pytest.approx(40e-6)


def test_a_slower_value_than_the_scale_counts_as_its_end_and_is_the_longest() -> None:
    latencies = Latencies()
    latencies.record("ack", 10**15)
    assert highest_in(latencies.window(60).stages["ack"].indices[0]) >= HIGHEST_NS
    assert latencies.summary()["ack"]["max"] == 1e6


async def test_ticks_that_waited_while_the_loop_stood_still_are_counted_from_when_they_were_due() -> None:
    clock = Clock()
    latencies = Latencies(wall_s=clock)
    for _ in range(500):  # ten orders a second
        clock.now += 0.1
        latencies.record("tick_to_order", 40_000)
    clock.now += 5.0  # and then the loop stands still for five seconds: fifty ticks are not taken
    measured = latencies.summary()["tick_to_order"]
    assert measured["p99"] == pytest.approx(40e-6, rel=1 / 128)  # as if nothing had happened
    waited = latencies.stalled(5_000_000_000)
    assert waited == pytest.approx(5 * 500 / 55, abs=1)
    found = (await latencies.body(60))["stages"]["tick_to_order"]
    assert (found["count"], found["waited"]) == (500 + waited, waited)
    assert found["p50"] == pytest.approx(40e-6, rel=1 / 128)
    assert found["p95"] == pytest.approx(5.0 * (1 - 0.05 * found["count"] / waited), rel=0.1)
    assert 4.8 < found["max"] < 5.0
    assert (await latencies.body(60))["stages"]["ack"]["count"] == 0


def test_short_stalls_add_up_and_an_idle_engine_counts_none() -> None:
    clock = Clock()
    latencies = Latencies(wall_s=clock)
    assert latencies.stalled(60_000_000_000) == 0
    for _ in range(600):
        clock.now += 0.1
        latencies.record("tick_to_order", 40_000)
    assert latencies.stalled(1_000_000) == 0  # a loop is never quite in time
    assert sum(latencies.stalled(10_000_000) for _ in range(100)) == pytest.approx(10, abs=1)


async def test_a_series_has_a_point_a_step() -> None:
    clock = Clock()
    latencies = Latencies(wall_s=clock)
    run(latencies, clock, 300)
    series = (await latencies.body(240, 60.0))["series"]
    assert [point["stages"]["ack"]["count"] for point in series[1:4]] == [60, 60, 60]
    assert [point["from_time"][11:19] for point in series][:2] == ["22:36:00", "22:37:00"]


class Systemd:
    """The receiving end of sd_notify."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(5)

    def got(self) -> str:
        return self.socket.recv(4096).decode()


def test_systemd_is_told_in_its_own_words(tmp_path: Path) -> None:
    systemd = Systemd(tmp_path / "notify")
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier(env)
    assert notifier.watchdog_s == 2.0
    notifier.ready("quoting\nETHUSDC")
    notifier.alive()
    notifier.status("a")
    notifier.status("a")
    notifier.stopping()
    expected = [
        "READY=1\nSTATUS=quoting ETHUSDC",
        "WATCHDOG=1",
        "STATUS=a",
        "STOPPING=1",
    ]
    assert [systemd.got() for _ in expected] == expected
    systemd.socket.close()
    assert notifier.alive() is False
    notifier.close()


def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    notifier = Notifier({})
    assert notifier.ready() is False
    assert notifier.watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_s is None
