"""Every key that reloads is seen to act: a running session, reloaded, does what one begun with the new value does.

One row a key: the value before and after, the rest of the file, what comes before the reload, and what is looked at.
A key that reloads and has no row here fails. Keys of the process and of the sentinel have a test of their own, named
here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from engine.config.load import load_text
from engine.config.show import keys
from engine.kernel.layout import SIGNAL_INTENSITY_A, SIGNAL_INTENSITY_K, SIGNAL_SIGMA
from engine.live.operators.reloader import Reloader
from engine.live.session.pulse import Pulse
from engine.live.strategy.arrays import strategy_of
from engine.risk.breaker import NS, Cause, Trip
from engine.risk.limits import Exposure
from engine.trade import OrderUpdate, VenueFill, VenueOrderStatus
from tests.sandbox import test_reload_live
from tests.unit import test_following
from tests.unit.live_session import CONFIG, SYMBOL, Rig

T0 = 4_100_000_000 * NS
Look = Callable[["Running"], Any]


def _nothing(rig: "Running") -> None:
    """Nothing comes before the reload."""


# --- what comes before, and what is looked at ---


def settled(rig: "Running") -> None:
    """Ticks and answers until what is wanted stands."""
    for _ in range(4):
        rig.tick()
        rig.exchange.answer()


def standing(rig: "Running") -> Any:
    settled(rig)
    return sorted((int(o.side), o.ticks, o.lots) for o in rig.session.parts.desk.manager.live(SYMBOL))


def standing_anew(rig: "Running") -> Any:
    """What stands once the market has moved: limits are checked before an order is sent."""
    settled(rig)
    rig.tick(asks='["2000.10","0.000"],["2004.00","9.000"]', bids='["2003.90","9.000"]')
    return standing(rig)


def holds_some(rig: "Running") -> None:
    """Its bid is filled."""
    settled(rig)
    bid = next(o for o in rig.session.parts.desk.manager.live(SYMBOL) if int(o.side) > 0)
    word = rig.exchange.word(bid.client_id, VenueOrderStatus.FILLED, int(bid.lots), 5)
    fill = VenueFill(SYMBOL, 1, bid.client_id, "v", bid.side, bid.ticks, bid.lots, True, Decimal(0), "USDT", 1)
    rig.session.on_event(OrderUpdate(word, fill))


def half_open(rig: "Running") -> None:
    risk = rig.session.parts.risk
    for made in (risk.trip(T0, Trip(Cause.FEED, "test")), risk.tick(T0 + 3600 * NS)):
        assert made is not None
        rig.session.on_transition(made)


def cancels(bids: str, asks: str) -> Look:
    """How many orders go when the market has moved so."""

    def look(rig: "Running") -> int:
        settled(rig)
        before = len(rig.exchange.cancelled)
        rig.tick(bids=bids, asks=asks)
        return len(rig.exchange.cancelled) - before

    return look


def placed_in_a_rush(rig: "Running") -> int:
    """The market moves to and fro within two seconds, each time by more than the tolerance."""
    settled(rig)
    rig.frame_wait(60_000)
    before = len(rig.exchange.placed)
    for step in range(20):
        rig.exchange.answer()
        rig.tick(bids=f'["2000.09","{9 * (step % 4 < 2)}.000"]')
    return len(rig.exchange.placed) - before


def looked_again(rig: "Running") -> int:
    """Decisions taken by the timer, three seconds after the last of the market's."""

    class Systemd:
        watchdog_s = None

    pulse = Pulse(rig.session, Systemd(), None, lambda: None, lambda reason: None)  # type: ignore[arg-type]
    quoter = rig.pair.quoter
    before = quoter.decisions
    pulse._requote(quoter.decided_ns + 3 * NS, rig.now)
    return quoter.decisions - before


def state_after(act: Callable[["Running"], None]) -> Look:
    def look(rig: "Running") -> str:
        act(rig)
        return rig.session.parts.risk.breaker.state.name

    return look


def marked(*path: tuple[float, float]) -> Callable[["Running"], None]:
    """The PnL goes along (seconds, total)."""

    def act(rig: "Running") -> None:
        for seconds, total in path:
            rig.session.parts.risk.mark(T0 + round(seconds * NS), total, [], 0.0)

    return act


def too_much_held(rig: "Running") -> None:
    rig.session.parts.risk.mark(T0, 0.0, [Exposure(SYMBOL, 0.5, 0.0, 0.0, 2000.0, 0, 0)], 0.0)


def errors_until_open(rig: "Running") -> int:
    risk = rig.session.parts.risk
    answers = (risk.order_answer(T0, 0.0, ok=False, rejected=False, detail="x") for _ in range(1000))
    return next(count for count, made in enumerate(answers, 1) if made is not None)


def opening_lasts(rig: "Running") -> float:
    risk = rig.session.parts.risk
    risk.trip(T0, Trip(Cause.FEED, "test"))
    return risk.breaker.timeout_s


def openings(every_s: float) -> Look:
    """Times it opens, one opening every so often, until it halts; 20 without."""

    def look(rig: "Running") -> int:
        risk, now = rig.session.parts.risk, T0
        for count in range(20):
            if risk.halted:
                return count
            risk.trip(now, Trip(Cause.FEED, "test"))
            now += round(every_s * NS)
            risk.tick(now)
        return 20

    return look


def doubled(rig: "Running") -> float:
    """The length of the sixth opening in a row, each out of HALF_OPEN."""
    risk, now = rig.session.parts.risk, T0
    for _ in range(6):
        risk.trip(now, Trip(Cause.FEED, "test"))
        now += round(risk.breaker.timeout_s * NS)
        risk.tick(now)
    return risk.breaker.timeout_s


def answered(latency_s: float, rejected: int, of: int = 30) -> Callable[["Running"], None]:
    def act(rig: "Running") -> None:
        risk = rig.session.parts.risk
        for at in range(of):
            bad = at * rejected // of != (at + 1) * rejected // of
            risk.order_answer(T0, latency_s, ok=not bad, rejected=bad, detail="")
        risk.tick(T0)

    return act


def moved(calm_s: int, steps: int, each: float) -> Callable[["Running"], None]:
    """A market that swings by 0.1 % a second, then moves ``steps`` times by ``each``, once a second."""

    def act(rig: "Running") -> None:
        risk, mid = rig.session.parts.risk, 100_000.0
        rig.session.parts.risk.feed_broken(SYMBOL)
        for second in range(calm_s):
            risk.mid(T0 + second * NS, SYMBOL, mid * (1.0005 if second % 2 else 0.9995))
        for step in range(1, steps + 1):
            risk.mid(T0 + (calm_s + step) * NS, SYMBOL, mid * (1 + each * step))

    return act


def skewed(rig: "Running") -> None:
    rig.session.parts.risk.clock(T0, 2.0, 0.0)


def quiet_for_half_a_minute(rig: "Running") -> str:
    risk = rig.session.parts.risk
    risk.breaker.accepted()
    risk.tick(risk.breaker.since_ns + 30 * NS)
    return risk.breaker.state.name


def probes_until_closed(rig: "Running") -> int:
    risk = rig.session.parts.risk
    for count in range(1, 100):
        risk.round_trip(T0, SYMBOL, 1.0)
        if risk.tick(risk.breaker.since_ns + 1) is not None:
            return count
    raise AssertionError("it never closed")


def book_after_five_seconds(rig: "Running") -> str:
    rig.feed.check(rig.feed.diff_ns + 5 * NS)
    return rig.feed.state_name


def signals(rig: "Running", pause_s: int = 0) -> list[float]:
    """What the strategy is told after a minute that became lively: sigma, A and k."""
    for second in range(60):
        size, reach = (1, 1) if second < 30 else (8, 40)
        bid = 2000.0 + size * (second % 2) / 100
        rig.tick(bids=f'["{bid:.2f}","{5 + second}.000"]')
        rig.now += NS
        for side in range(2):
            price = 2000.05 + (1 - 2 * side) * reach * (1 + second % 3) / 100
            rig.trade(price, maker_buys=bool(side))
    if not pause_s:
        rig.trade(2000.05, maker_buys=False)
    rig.now += pause_s * NS
    rig.tick(bids='["2000.00","77.000"]')
    return [round(float(x), 9) for x in rig.feed.memory.signals[[SIGNAL_SIGMA, SIGNAL_INTENSITY_A, SIGNAL_INTENSITY_K]]]


# --- the table ---


@dataclass(frozen=True, slots=True)
class Row:
    before: Any
    after: Any
    look: Look
    first: Callable[["Running"], None] = _nothing
    rest: dict[str, Any] = field(default_factory=dict)  # other keys of the file


FREE = {"risk.daily_loss_limit": 1_000_000, "risk.max_drawdown_limit": 0.9}
MANY = {"risk.circuit_breaker.max_opens": 100}
GLFT = {"strategy.name": "glft"}
B = "risk.circuit_breaker."

ROWS: dict[str, Row] = {
    "strategy.base_spread": Row(0.001, 0.002, standing),
    "strategy.base_size": Row(0.1, 0.05, standing),
    "strategy.max_inventory": Row(0.5, 0.1, standing, holds_some),
    "strategy.skew_factor": Row(0.3, 1.0, standing, holds_some),
    "strategy.tick_interval": Row("10s", "1s", looked_again),
    "strategy.requote_tolerance": Row(0.5, 0.01, cancels('["2000.09","9.000"]', "")),
    "strategy.min_quote_life": Row("0s", "1h", cancels('["2000.09","9.000"]', '["2000.10","0.000"],["2009.00","9.0"]')),
    "strategy.params": Row({"base_spread": 0.001}, {"base_spread": 0.003}, standing),
    "risk.daily_loss_limit": Row(100, 50, state_after(marked((0, -60)))),
    "risk.max_drawdown_limit": Row(0.1, 0.05, state_after(marked((0, -4000))), rest={"risk.daily_loss_limit": 10_000}),
    "risk.max_position": Row(1, 0.3, state_after(too_much_held), rest={"strategy.max_inventory": 0.2}),
    "risk.max_notional": Row(None, 100, standing_anew),
    "risk.max_open_orders": Row(20, 1, standing_anew),
    "risk.max_order_rate": Row(20, 2, placed_in_a_rush, rest={"strategy.requote_tolerance": 0.01}),
    "risk.capital": Row(None, 100, standing_anew, rest={"risk.daily_loss_limit": 50}),
    "risk.price_band": Row(0.05, 0.0001, standing_anew),
    B + "threshold": Row(5, 2, errors_until_open),
    B + "timeout": Row("5m", "1m", opening_lasts),
    B + "max_timeout": Row("1h", "10m", doubled, rest=MANY),
    B + "max_opens": Row(4, 2, openings(600)),
    B + "opens_window": Row("1h", "15m", openings(600)),
    B + "price_move_sigmas": Row(8.0, 2.0, state_after(moved(120, 1, 0.01))),
    B + "price_move_window": Row("5s", "60s", state_after(moved(2, 20, 0.001))),
    B + "loss_rate": Row(None, 5, state_after(marked((0, 0), (1, -10)))),
    B + "loss_window": Row(
        "5s", "60s", state_after(marked(*((s, -s / 3) for s in range(30)))), rest={B + "loss_rate": 5}
    ),
    B + "feed_timeout": Row("10s", "2s", book_after_five_seconds),
    B + "latency_p95": Row("1s", "500ms", state_after(answered(0.6, 0))),
    B + "reject_rate": Row(0.5, 0.2, state_after(answered(0.0, 12))),
    B + "clock_skew": Row("3s", "1s", state_after(skewed)),
    B + "half_open_size": Row(0.5, 0.2, standing, half_open),
    B + "half_open_spread": Row(1.5, 3.0, standing, half_open),
    B + "half_open_probes": Row(3, 1, probes_until_closed, half_open),
    B + "half_open_quiet": Row("1m", "10s", quiet_for_half_a_minute, half_open),
    "signals.volatility_half_life": Row("60s", "5s", signals, rest=GLFT),
    "signals.intensity_half_life": Row("5m", "20s", signals, rest=GLFT),
    "signals.max_age": Row("30s", "2s", lambda rig: signals(rig, 10), rest=GLFT),
}

#: Seen in a process of its own, by the test that is named.
ELSEWHERE: dict[str, Callable[..., Any]] = {
    **test_reload_live.OBSERVED,
    "sentinel.interval": test_following.test_it_looks_as_often_as_the_new_interval_says,
    "sentinel.engine_timeout": test_following.test_an_engine_silent_for_the_new_time_is_taken_for_dead,
    "sentinel.flatten": test_following.test_the_position_is_closed_once_that_is_wanted,
}


class Running(Rig):
    """A session whose file holds ``values`` by dotted path."""

    def __init__(self, folder: Path, values: dict[str, Any]) -> None:
        folder.mkdir()
        self.values, self.file = values, folder / "config.yaml"
        self.file.write_text(text_of(folder, values))
        super().__init__(folder, config=load_text(self.file.read_text()))
        self.reloader = Reloader(self.config, self.file, None, strategy_of(self.config), lambda config: None)
        self.reloader.lead(self.session)
        self.trades = 0
        self.live()

    async def reload(self, key: str, value: Any) -> None:
        self.file.write_text(text_of(self.file.parent, {**self.values, key: value}))
        answer = await self.reloader({}, "test")
        assert [change["path"] for change in answer["changes"]] == [key]

    def frame_wait(self, ms: int) -> None:
        self.now += ms * 1_000_000
        self.session.heartbeat_ns = self.now

    def trade(self, price: float, *, maker_buys: bool) -> None:
        self.trades += 1
        at = self.now // 1_000_000 + self.trades
        word = f'"t":{self.trades},"p":"{price:.2f}","q":"0.100","T":{at},"m":{str(maker_buys).lower()}'
        self.frame(f'{{"e":"trade","E":{at},"s":"{SYMBOL}",{word},"M":true}}'.encode(), 1)


def text_of(folder: Path, values: dict[str, Any]) -> str:
    whole: dict[str, Any] = yaml.safe_load(CONFIG.format(folder=folder, strategy="", risk=""))
    for path, value in values.items():
        *sections, name = path.split(".")
        at = whole
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = value
    return yaml.safe_dump(whole)


def test_every_key_that_reloads_has_its_observable() -> None:
    assert set(ROWS) | set(ELSEWHERE) == {info.path for info in keys() if info.reload}
    assert not set(ROWS) & set(ELSEWHERE)


@pytest.mark.parametrize("key", ROWS)
async def test_a_reload_acts_as_a_start_with_the_new_value_would(tmp_path: Path, key: str) -> None:
    row, seen = ROWS[key], {}
    for name, value in (("before", row.before), ("reloaded", row.before), ("after", row.after)):
        rig = Running(tmp_path / name, {**row.rest, key: value})
        try:
            row.first(rig)
            if name == "reloaded":
                await rig.reload(key, row.after)
            seen[name] = row.look(rig)
        finally:
            await rig.feed.close()
            rig.close()
    assert not np.array_equal(seen["before"], seen["after"]), "what is looked at does not depend on the key"
    np.testing.assert_array_equal(seen["reloaded"], seen["after"])
