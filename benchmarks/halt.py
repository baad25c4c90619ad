"""How fast everything is off the exchange: a breaker trip while quoting's rate budget is spent, and a frozen engine.

Trip: the engine itself runs here, on a sandbox exchange over real sockets, with ``--orders`` orders open and its weight
budget spent down to the cancels' reserve. Measured from the trip to the exchange's confirmation of the last cancel.
Frozen: engine and sentinel are processes; the engine is stopped with SIGSTOP, and the time is taken until the exchange
itself holds no order. The sentinel may not act before its detection limit. There is no peer.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.processes import BenchmarkFailed, configure, exchange, get, spread_of, until
from benchmarks.recovery import Engines
from benchmarks.side_by_side import ROOT

if TYPE_CHECKING:
    from engine.app import App
    from engine.run.leading import Leading

CONFIRM_MS: Final = 10.0  # promised at p99
BEYOND_DETECTION_S: Final = 2.0  # promised: proved empty this long after the sentinel's detection limit
DETECTION_S: Final = 1.0  # sentinel.engine_timeout in the configuration
WIDE: Final = 0.01  # a spread at which nothing fills, so that what is open is ours to count
STEP_TICKS: Final = 50


async def quoting(app: "App") -> "Leading":
    """Wait until both sides stand and every order is confirmed."""
    from engine.orders.states import OrderState

    end = time.monotonic() + 120
    while time.monotonic() < end:
        if app.leading.done() and app.leading.result().session.quoting:
            live = list(app.leading.result().session.parts.desk.manager.live())
            if len(live) >= 2 and all(order.state is OrderState.ACCEPTED for order in live):
                return app.leading.result()
        await asyncio.sleep(0.005)
    raise BenchmarkFailed("the engine did not quote within 120 s")


@dataclass(frozen=True, slots=True)
class Taken:
    """One trip, ms: until the last cancel was written (and the thread's own time of it), and until it was confirmed."""

    written_ms: float
    written_cpu_ms: float
    confirmed_ms: float
    orders: int


async def one_trip(app: "App", venue: int, orders: int) -> Taken:
    """Trip once with ``orders`` orders open."""
    from engine.orders.intent import ApprovedOrder, Intent
    from engine.orders.states import OrderState
    from engine.risk.breaker import Cause, Trip
    from engine.trade import Side
    from engine.venue.throttle import Budget, BudgetKind

    leading = await quoting(app)
    session, gateway = leading.session, leading.gateway
    desk, pair = session.parts.desk, next(iter(session.pairs.values()))
    for number in range(max(orders - 2, 0)):
        side = Side.BUY if number % 2 else Side.SELL
        away = -int(side) * (3_000 + STEP_TICKS * number)
        wanted = Intent(pair.symbol, side, pair.feed.mid2 // 2 + away, 200)
        refused = desk.place(ApprovedOrder(wanted), time.monotonic_ns())
        if refused is not None:
            raise BenchmarkFailed(f"an order for the trip was refused: {refused.reason}: {refused.detail}")
    while any(order.state is OrderState.SUBMITTED for order in desk.manager.live()):  # noqa: ASYNC110 - each loop round
        await asyncio.sleep(0)
    weights = [use for use in gateway.throttle.use(time.monotonic_ns()) if use.name.startswith("weight")]
    for use in weights:  # the limit at which what has been used is all that quoting may use
        seconds = int(use.name.split("-")[1].rstrip("s"))
        gateway.throttle.learn([Budget(BudgetKind.WEIGHT, seconds, max(int(use.used / 0.8), 5 * orders + 10))])
    while gateway.throttle.place(time.monotonic_ns()) is None:
        continue  # spend what rounding left
    open_before = sum(1 for _ in desk.manager.live())
    began, used = time.monotonic_ns(), time.thread_time_ns()
    session.trip(Trip(Cause.ORDER_ERRORS, "the benchmark trips the breaker", {}))
    written, used = time.monotonic_ns(), time.thread_time_ns() - used
    while any(True for _ in desk.manager.live()):
        if time.monotonic_ns() - began > 10_000_000_000:
            raise BenchmarkFailed("orders were still open 10 s after the trip")
        await asyncio.sleep(0)
    ended = time.monotonic_ns()
    left = await asyncio.to_thread(get, venue, "/sandbox/orders?account=sandbox&open=1")
    if left["orders"]:
        raise BenchmarkFailed(f"the exchange still holds {len(left['orders'])} orders after the last confirmation")
    for use in weights:
        seconds = int(use.name.split("-")[1].rstrip("s"))
        gateway.throttle.learn([Budget(BudgetKind.WEIGHT, seconds, use.limit)])
    made = session.parts.risk.reset(time.time_ns(), "the benchmark goes on", "benchmark")
    if made is not None:
        session.on_transition(made)
    return Taken((written - began) / 1e6, used / 1e6, (ended - began) / 1e6, open_before)


@contextlib.contextmanager
def unheard(log: logging.Logger) -> Iterator[None]:
    """Let nobody hear ``log`` meanwhile; loggers are one for the whole process, so it is put back as it was."""
    silence = logging.NullHandler()
    log.addHandler(silence)
    log.propagate, was = False, log.propagate
    try:
        yield
    finally:
        log.propagate = was
        log.removeHandler(silence)


async def trips(config: Path, venue: int, rounds: int, orders: int) -> dict[str, Any]:
    """An engine in this process, tripped again and again."""
    from engine.app import App
    from engine.config.load import load

    app = App(load(config, deep=True), config, None)
    with unheard(logging.getLogger("engine")):  # two hundred trips are no news here
        running = asyncio.ensure_future(app.run())
        try:
            await one_trip(app, venue, orders)  # the first one warms what a trip runs through
            found = [await one_trip(app, venue, orders) for _ in range(rounds)]
        finally:
            app.stop()
            await running
    return {
        "written_ms": spread_of([taken.written_ms for taken in found]),
        "written_cpu_ms": spread_of([taken.written_cpu_ms for taken in found]),
        "confirmed_ms": spread_of([taken.confirmed_ms for taken in found]),
        "orders_open": {"least": min(taken.orders for taken in found), "most": max(taken.orders for taken in found)},
        "trips": rounds,
    }


def frozen(rounds: int, seed: int) -> dict[str, Any]:
    """SIGSTOP, and how long the exchange goes on holding orders; the sentinel is a process of its own."""
    seconds: list[float] = []
    with exchange("--symbols", "spot:ETHUSDT", "--seed", str(seed), "--no-limits") as (folder, venue):
        config, http = configure(folder, venue, "spot", WIDE)
        engines = Engines(config, http, folder / "engine.log")
        command = [sys.executable, "-m", "engine.sentinel", "--config", str(config)]
        with open(folder / "sentinel.log", "ab") as out:
            sentinel = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        try:
            engines.start(cold=True)
            until("the sentinel watches", lambda: "watching" in (folder / "sentinel.log").read_text(), 60)

            def standing() -> int:
                return len(get(venue, "/sandbox/orders?account=sandbox&open=1")["orders"])

            for _ in range(rounds):
                until("both sides stand", lambda: engines.quoting() and standing() >= 2, 120)
                time.sleep(0.3)
                began = time.monotonic()
                os.kill(engines.pid, signal.SIGSTOP)
                until("the sentinel has cancelled", lambda: not standing(), 60, 0.005)
                seconds.append(time.monotonic() - began)
                time.sleep(0.2)
                if standing():
                    raise BenchmarkFailed("orders came back while the engine was frozen")
                os.kill(engines.pid, signal.SIGCONT)
            proved = (folder / "sentinel.log").read_text().count("proved: the exchange lists no open order")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engines.pid, signal.SIGCONT)
            engines.close()
            sentinel.terminate()
            sentinel.wait(20)
    return {
        "frozen_s": spread_of(seconds),
        "beyond_detection_s": spread_of([taken - DETECTION_S for taken in seconds]),
        "freezes": rounds,
        "proved_by_sentinel": proved,
    }


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """uvloop leaves the engine's handlers of signals behind: afterwards nothing would end this process by SIGTERM."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks halt")
    parser.add_argument("--trips", type=int, default=200)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--orders", type=int, default=10, help="orders open at each trip")
    parser.add_argument("--seed-base", type=int, default=1)
    options = parser.parse_args(argv)
    import uvloop

    result: dict[str, Any] = {}
    if options.trips:
        market = ("--symbols", "spot:ETHUSDT", "--seed", str(options.seed_base), "--no-limits")
        with exchange(*market) as (folder, venue):
            config, _ = configure(folder, venue, "spot", WIDE)
            with _handlers_kept():
                result |= uvloop.run(trips(config, venue, options.trips, options.orders))
    if options.freezes:
        result |= frozen(options.freezes, options.seed_base)
    confirmed = result.get("confirmed_ms", {}).get("p99")
    beyond = result.get("beyond_detection_s", {}).get("max")
    return {
        "name": "halt",
        "unit": "ms from trip to the last cancel's confirmation, p99",
        "ours": confirmed,
        "peer": None,
        "limit_ms": CONFIRM_MS,
        "limit_beyond_detection_s": BEYOND_DETECTION_S,
        "load": [round(load, 1) for load in os.getloadavg()],
        "within_limits": (confirmed or 0.0) <= CONFIRM_MS and (beyond or 0.0) <= BEYOND_DETECTION_S,
        **result,
    }
