"""Latency windows: quantiles within the promised error, over the time they claim, and systemd's notifications."""

import math
import os
import random
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.exporter import Exporter
from engine.telemetry.latency import HIGHEST_NS, SIZE, Latencies, LatencyWindow, bucket, highest_in
from engine.telemetry.notify import Notifier


@given(st.integers(0, HIGHEST_NS))
def test_a_value_is_counted_at_most_a_thirty_second_too_high(ns: int) -> None:
    index = bucket(ns)
    assert 0 <= index < SIZE
    assert ns <= highest_in(index) <= ns + ns / 32


@given(st.integers(0, HIGHEST_NS - 1))
def test_a_larger_value_never_has_a_smaller_bucket(ns: int) -> None:
    assert bucket(ns) <= bucket(ns + 1)


def test_quantiles_agree_with_the_exact_ones_within_the_error() -> None:
    draw = random.Random(7)
    values = [int(draw.lognormvariate(math.log(300_000), 1.2)) for _ in range(20_000)]
    window = LatencyWindow()
    for value in values:
        window.record(value)
    values.sort()
    for share, found in zip((0.5, 0.95, 0.99), window.quantiles((0.5, 0.95, 0.99)), strict=True):
        exact = values[math.ceil(share * len(values)) - 1] / 1e9
        assert found is not None
        assert exact <= found <= exact * (1 + 1 / 32)


def test_old_observations_leave_the_window() -> None:
    window = LatencyWindow(slices=3)
    window.record(10**9)
    for _ in range(2):
        window.rotate()
        window.record(1_000)
    assert window.quantiles((1.0,))[0] == pytest.approx(1.0, rel=0.04)
    window.rotate()
    assert window.quantiles((1.0,))[0] == pytest.approx(1e-6, rel=0.04)
    assert window.count == 3


def test_an_empty_window_says_none_and_not_zero() -> None:
    assert Latencies().summary()["ack"] == {"p50": None, "p95": None, "p99": None}
    assert Latencies().p95("submit") is None


def test_a_stage_is_in_the_summary_and_on_the_page() -> None:
    exporter = Exporter()
    latencies = Latencies(exporter)
    latencies.record("ack", 2_000_000)
    latencies.record("tick_to_order", 40_000)
    latencies.record("network", -5)
    assert latencies.summary()["ack"]["p50"] == pytest.approx(0.002, rel=0.04)
    assert latencies.p95("network") == 0
    assert exporter.histogram("mm_order_latency_seconds", stage="ack").cumulative()[-1] == 1
    assert exporter.histogram("mm_tick_to_order_seconds").total == pytest.approx(40e-6)


def test_a_slower_value_than_the_scale_counts_as_its_end() -> None:
    window = LatencyWindow()
    window.record(10**15)
    assert window.quantiles((0.5,)) == [highest_in(bucket(HIGHEST_NS)) / 1e9]


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
