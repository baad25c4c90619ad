"""The engine under load over real sockets: orders acknowledged per second, a flood of frames, memory over a replay.

Three parts, each against processes of their own. ``orders``: the order desk, manager and gateway keep a window of
orders in flight on the sandbox exchange; each is placed, acknowledged and cancelled. ``flood``: the whole engine reads
prebuilt depth frames at a fixed rate; every frame's way from the sender's write to the engine's decision is timed.
``memory``: the whole engine follows a replay; the slope of its resident memory is a least-squares line.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.flood import FIRST_ID, SLOW_FRAMES
from benchmarks.side_by_side import ROOT, recording
from benchmarks.tick_to_order import KEY, configure, ed25519_key, start_exchange, tell

SEED_ORDERS_PER_S: Final = 1306.0
PARTS: Final = ("orders", "flood", "memory")


class _Silent:
    """The desk's clerk where nothing is kept."""

    def __init__(self, on_answer: Any) -> None:
        self.answered = on_answer
        self.incidents = 0

    def placed(self, order: Any) -> None: ...
    def filled(self, fill: Any) -> None: ...
    def foreign_fill(self, fill: Any) -> None: ...
    def moved(self, order: Any, transition: Any) -> None: ...
    def incident(self, incident: Any) -> None:
        self.incidents += 1


async def orders_per_second(port: int, seconds: float, window: int) -> dict[str, Any]:
    """Orders placed and acknowledged a second, each cancelled afterwards, ``window`` of them in flight at a time."""
    from engine.config.secret import Secret
    from engine.live.orders.desk import Desk
    from engine.live.orders.sender import OrderSender
    from engine.orders.intent import ApprovedOrder, Intent
    from engine.orders.manager import OrderManager
    from engine.trade import Market, OrderUpdate, Outcome, Side
    from engine.venue.binance.endpoints import endpoints
    from engine.venue.binance.gateway import BinanceGateway, BinanceSettings
    from engine.venue.binance.signing import Credentials

    base = f"127.0.0.1:{port}"
    places = endpoints(Market.USDM, rest=f"http://{base}", stream=f"ws://{base}", ws_api=f"ws://{base}")
    gateway = BinanceGateway(BinanceSettings(Market.USDM, places, Credentials(Secret(KEY), Secret(ed25519_key(port)))))
    raise_limits(port)  # what is measured is the engine, not the account's allowance
    heard = {"place": 0, "cancel": 0, "refused": 0}
    took: list[int] = []
    running = True

    def answered(kind: str, answer: Any) -> None:
        heard[kind if answer.outcome is Outcome.ACCEPTED else "refused"] += 1
        if kind == "place" and answer.sent_ns:
            took.append(answer.answered_ns - answer.sent_ns)
        if kind == "place" and answer.outcome is Outcome.ACCEPTED:
            desk.cancel(answer.client_id, time.monotonic_ns())
        elif running and answer.sent_ns:
            send()

    clerk = _Silent(answered)
    desk = Desk(OrderManager(1), OrderSender(gateway), clerk)
    await gateway.start(lambda event: desk.on_update(event) if isinstance(event, OrderUpdate) else None)
    instrument = (await gateway.instruments(["ETHUSDT"]))["ETHUSDT"]
    ticks = int(2000 / float(instrument.tick_size))

    def send() -> None:
        approved = ApprovedOrder(Intent("ETHUSDT", Side.BUY, ticks, instrument.min_lots * 20))
        refused = desk.place(approved, time.monotonic_ns())
        if refused is not None:
            raise SystemExit(f"an order was refused: {refused.detail}")

    began, spent = time.monotonic(), time.process_time()
    for _ in range(window):
        send()
    await asyncio.sleep(seconds)
    running = False
    made, passed, spent = heard["place"], time.monotonic() - began, time.process_time() - spent
    await asyncio.sleep(0.5)
    await gateway.close()
    return {
        "orders_per_s": made / passed,
        "requests_per_s": 2 * made / passed,
        "refused": heard["refused"],
        "ack_p95_ms": float(np.percentile(took, 95)) / 1e6 if took else None,
        "engine_cpu_us_per_order": spent / max(made, 1) * 1e6,
    }


def raise_limits(port: int) -> None:
    """Let the sandbox announce allowances that no benchmark reaches."""
    tell(port, "limits", {"usdm_weight": 10**9, "usdm_orders_10s": 10**8, "usdm_orders_minute": 10**8})


def start_sender(folder: Path, port: int, rate: int, count: int) -> "subprocess.Popen[bytes]":
    """``benchmarks.flood`` as a process of its own, listening."""
    command = [sys.executable, "-m", "benchmarks.flood", str(port), str(rate), str(count), str(folder)]
    sender = subprocess.Popen(command, cwd=ROOT)
    end = time.monotonic() + 60
    while not (folder / "flood.port").exists():
        if sender.poll() is not None or time.monotonic() > end:
            raise SystemExit("the sender of frames did not start")
        time.sleep(0.05)
    return sender


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - other processes' doings, looked at from outside
        await asyncio.sleep(0.02)


async def flood(folder: Path, data: Path, rate: int, seconds: float) -> dict[str, Any]:
    """``rate`` frames a second into the whole engine for ``seconds``."""
    from engine.app import App
    from engine.config.load import load
    from engine.kernel.book.levels import BOOK_LAST_ID
    from engine.kernel.book.order_book import SYNCING
    from engine.live.session.assembly import Markets

    exchange, port = start_exchange(folder, data, 1.0, "--paused")
    count = SLOW_FRAMES + int(rate * seconds)
    sent = np.memmap(folder / "sent", np.int64, "w+", shape=(count,))
    sender = start_sender(folder, port, rate, count)
    config = configure(folder, port)
    stream = (folder / "flood.port").read_text()
    text = config.read_text().replace(f'stream: "ws://127.0.0.1:{port}"', f'stream: "ws://127.0.0.1:{stream}"')
    config.write_text(text)
    done = np.zeros(count, np.int64)

    take, prepare = Markets.on_frame, Markets.__init__
    followed: list[Markets] = []  # what follows the exchange; a rehearsal walks a copy of it

    def noted(markets: Markets, *given: Any) -> None:
        prepare(markets, *given)
        followed.append(markets)

    def timed(markets: Markets, symbol: str, payload: Any, recv_ns: int, more: bool = False) -> None:
        """A stamp after each frame of the market."""
        take(markets, symbol, payload, recv_ns, more)
        at = int(markets.feeds[symbol].book.meta[BOOK_LAST_ID]) - FIRST_ID
        if markets in followed and 0 <= at < count:
            done[at] = time.monotonic_ns()

    setattr(Markets, "on_frame", timed)  # noqa: B010 - a method is not assigned to, says the type checker
    setattr(Markets, "__init__", noted)  # noqa: B010
    try:
        app = App(load(config), config, None)
        running = asyncio.ensure_future(app.run())
        await until(lambda: running.done() or any(one.feeds["ETHUSDT"].state == SYNCING for one in followed))
        (folder / "go").touch()  # the sender waits for this: the book has its snapshot

        def quotes() -> bool:
            return app.leading.done() and app.leading.result().session.quoting

        await until(lambda: running.done() or quotes())
        await asyncio.sleep(1.0)
        (folder / "fast").touch()
        await until((folder / "began").exists)
        first = int((folder / "began").read_text())
        spent, quoting = time.process_time(), quotes()
        await until(lambda: running.done() or bool(done[-1]) or sender.poll() is not None)
        spent = time.process_time() - spent
        app.stop()
        code = await running
    finally:
        setattr(Markets, "on_frame", take)  # noqa: B010
        setattr(Markets, "__init__", prepare)  # noqa: B010
        for process in (sender, exchange):
            process.terminate()
            process.wait(20)
    late = (done - sent)[first:]
    arrived = done[first:] > 0
    took = late[arrived] / 1e6
    return {
        "rate": rate,
        "seconds": seconds,
        "sent": int(arrived.size),
        "dropped": int(arrived.size - arrived.sum()),
        "quoting": quoting,
        "p50_ms": float(np.percentile(took, 50)),
        "p95_ms": float(np.percentile(took, 95)),
        "p99_ms": float(np.percentile(took, 99)),
        "cpu_us_per_frame": spent / max(int(arrived.sum()), 1) * 1e6,
        "exit": code,
    }


async def memory(folder: Path, data: Path, minutes: float) -> dict[str, Any]:
    """Resident memory of the engine's process over a replay, MB an hour, the first quarter left out."""
    from benchmarks.tick_to_order import begin

    exchange, port = start_exchange(folder, data, 1.0)
    try:
        config = configure(folder, port)
        app, _, running = await begin(config)
        samples: list[tuple[float, float]] = []
        began = time.monotonic()
        while time.monotonic() - began < minutes * 60 and not running.done():
            samples.append((time.monotonic() - began, resident_mb(os.getpid())))
            await asyncio.sleep(1.0)
        app.stop()
        await running
    finally:
        exchange.terminate()
        exchange.wait(20)
    kept = np.array(samples[len(samples) // 4 :])
    slope, start = np.polyfit(kept[:, 0], kept[:, 1], 1)
    return {"minutes": minutes, "mb": float(start), "mb_per_hour": float(slope * 3600)}


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(argv: Sequence[str]) -> dict[str, Any]:
    import uvloop

    parser = argparse.ArgumentParser("python -m benchmarks stress")
    parser.add_argument("--data", type=Path, help="a USD-M ETHUSDT recording")
    parser.add_argument(
        "--parts", nargs="+", choices=("orders", "flood", "memory"), default=["orders", "flood", "memory"]
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of orders")
    parser.add_argument("--window", type=int, default=32, help="orders in flight")
    parser.add_argument("--rate", type=int, default=20_000, help="frames a second of the flood")
    parser.add_argument("--flood-seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=3.0, help="of the replay over which memory is watched")
    options = parser.parse_args(argv)
    data = options.data or recording("usdm-ethusdt.gz")
    result: dict[str, Any] = {"name": "stress", "load_average": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        for part in options.parts:
            folder = Path(name) / part
            folder.mkdir()
            if part == "orders":
                exchange, port = start_exchange(folder, data, 1.0, "--paused")
                try:
                    found = uvloop.run(orders_per_second(port, options.seconds, options.window))
                finally:
                    exchange.terminate()
                    exchange.wait(20)
                result |= {"ours": found["orders_per_s"], "theirs": SEED_ORDERS_PER_S, "peer": "the seed's own figure"}
                result |= {"unit": "orders/s", "ratio": found["orders_per_s"] / SEED_ORDERS_PER_S}
            elif part == "flood":
                found = uvloop.run(flood(folder, data, options.rate, options.flood_seconds))
            else:
                found = uvloop.run(memory(folder, data, options.minutes))
            result[part] = found
    return result
