"""Figures that speak of the last so many, or of the last hour: what came before is forgotten."""

import numpy as np
import pytest

from engine.config.schema import Config
from engine.kernel.account.pnl import HORIZONS_NS, Pnl, new_pnl
from engine.live.account.markouts import RecentMarkouts
from engine.live.orders.clerk import ANSWERS_KEPT, ENDED_KEPT
from engine.live.session.uptime import QuoteUptime
from engine.risk.breaker import NS, Breaker, BreakerRules, Cause, Trip
from engine.telemetry.exporter import Exporter
from engine.telemetry.limiter import TokenBucket
from engine.telemetry.process import BuildInfo
from engine.trade import Outcome
from engine.venue.clock import ClockOffset
from tests.unit.live_session import SYMBOL, Rig
from tests.unit.test_config_changes import loaded
from tests.unit.test_config_load import GOOD


def marks(*sums: tuple[float, float]) -> Pnl:
    row = new_pnl()
    for at, sum_and_count in enumerate(sums):
        row.markout[at] = sum_and_count
    return row


def test_markouts_are_those_of_the_last_hour_over_all_symbols() -> None:
    recent = RecentMarkouts()
    assert recent.means([marks()]) == [None] * len(HORIZONS_NS)
    recent.remember(0.0, [marks((10.0, 1.0)), marks()])
    assert recent.means([marks((10.0, 1.0)), marks()])[0] is None, "what was before the first look is not of this hour"
    assert recent.means([marks((16.0, 3.0)), marks((4.0, 2.0))])[0] == 2.5
    for second in range(1, 3600):
        recent.remember(float(second), [marks((110.0, 11.0)), marks()])
    assert recent.means([marks((110.0, 11.0)), marks()])[0] == 10.0, "an hour has not passed since they came"
    recent.remember(3600.0, [marks((110.0, 11.0)), marks()])
    assert recent.means([marks((110.0, 11.0)), marks()])[0] == 10.0
    recent.remember(3601.0, [marks((110.0, 11.0)), marks()])
    assert recent.means([marks((110.0, 11.0)), marks()])[0] is None, "then they are history"
    assert recent.means([marks((113.0, 12.0)), marks()])[0] == 3.0


def test_quote_uptime_is_the_share_of_the_last_3600_seconds() -> None:
    uptime = QuoteUptime()
    assert uptime.share is None
    for second in range(1800):
        uptime.look(1000.0 + second, second % 4 != 0)
    assert (uptime.observed, uptime.share) == (1800, 0.75)
    for second in range(1800, 3600):
        uptime.look(1000.0 + second, True)
    assert uptime.share == (1350 + 1800) / 3600
    for second in range(3600, 5400):
        uptime.look(1000.0 + second, True)
    assert uptime.share == 1.0, "the first half hour is history"


def test_seconds_in_which_nobody_looked_count_neither_way_and_two_looks_in_one_count_once() -> None:
    uptime = QuoteUptime()
    uptime.look(10.0, True)
    uptime.look(10.9, False)
    assert (uptime.quoted, uptime.observed) == (0, 1)
    uptime.look(100.0, True)
    assert (uptime.quoted, uptime.observed) == (1, 2)
    uptime.look(100.0 + 3600, True)
    assert (uptime.quoted, uptime.observed) == (1, 1), "an hour later the same place is of the new hour"
    uptime.look(10_000_000.0, False)
    assert (uptime.quoted, uptime.observed) == (0, 1)


async def test_the_ratios_are_of_exactly_so_many(rig: Rig) -> None:
    clerk = rig.session.parts.clerk
    clerk._answers.extend([True] * 50 + [False] * 100)
    assert clerk.reject_ratio == 0.0
    clerk._answers.extend([True] * 99)
    assert clerk.reject_ratio == 0.99, "one of the hundred is left"
    clerk._answers.append(True)
    assert clerk.reject_ratio == 1.0


async def test_refusals_are_counted_over_the_last_answers_and_fills_over_the_last_orders(rig: Rig) -> None:
    clerk = rig.session.parts.clerk
    assert clerk.reject_ratio is None
    assert clerk.fill_ratio is None
    rig.exchange.answer(Outcome.REJECTED, -2010, "no")
    assert clerk.reject_ratio == 1.0
    rig.tick()
    rig.exchange.answer()
    assert clerk.reject_ratio == 0.5
    clerk._answers.extend([False] * ANSWERS_KEPT)
    assert clerk.reject_ratio == 0.0, "the refusals are older than the last hundred"
    order = next(iter(rig.session.parts.desk.manager.live(SYMBOL)))
    clerk._ended.extend([order] * (2 * ENDED_KEPT))
    assert len(clerk._ended) == ENDED_KEPT
    assert clerk.fill_ratio == 0.0


def test_a_new_timeout_holds_for_the_next_opening_and_keeps_how_often_it_doubled() -> None:
    breaker = Breaker(BreakerRules(timeout_s=300.0, max_timeout_s=3600.0, max_opens=100), 0)
    breaker.configure(BreakerRules(timeout_s=60.0, max_timeout_s=3600.0, max_opens=100))
    assert breaker.timeout_s == 60.0
    now = 0
    for _ in range(3):
        breaker.trip(now, Trip(Cause.FEED, "test"))
        now += round(breaker.timeout_s * NS)
        breaker.tick(now)
    assert breaker.timeout_s == 240.0
    breaker.configure(BreakerRules(timeout_s=10.0, max_timeout_s=30.0, max_opens=100))
    assert breaker.timeout_s == 30.0, "four times the new one, up to the new bound"


def test_a_slower_rate_holds_for_what_is_in_the_bucket_too() -> None:
    now = [0.0]
    bucket = TokenBucket(100.0, 500.0, lambda: now[0])
    bucket.change(1.0, 5.0)
    assert [bucket.take() for _ in range(6)] == [0.0] * 5 + [1.0]
    now[0] = 1.0
    assert bucket.take() == 0.0


def test_the_page_says_with_which_configuration_it_runs_now() -> None:
    exporter = Exporter()
    build = BuildInfo(exporter, "1", "r")
    for spread in np.linspace(0.001, 0.01, 30):
        build.configure(loaded_with(float(spread)))
    lines = [line for line in exporter.page().decode().splitlines() if line.startswith("mm_build_info{")]
    assert len(lines) == 1, "thirty reloads leave one series, and not one of the name other"
    assert "other" not in lines[0]


def loaded_with(spread: float) -> Config:
    return loaded(GOOD.replace("max_inventory: 0.05", f"max_inventory: 0.05\n  base_spread: {spread:.5f}"))


@pytest.mark.parametrize("half_ms", [0.5, 20.0])
def test_a_sample_of_the_clock_says_half_of_what_it_took(half_ms: float) -> None:
    clock, halves = ClockOffset(), list[float]()
    clock.on_sample = halves.append
    clock.sample(1000.0, 1000.0 + 2 * half_ms, 1000.0)
    clock.sample(1000.0, 999.0, 1000.0)
    assert halves == [half_ms], "a clock set back in between tells nothing"
