"""Frame received to order bytes written, in the live engine over real sockets, against a sandbox replaying a recording.

The engine is the whole one (``engine.app``), in this process; the exchange is a process of its own that replays the
recording at its own pace. It never sleeps (``--busy-poll``): on one machine the writer pays for waking the reader,
over a network it does not. Measured is what the engine itself records for every order: from the callback of the socket
that brought the frame to the return of the socket's write, for the last request of a tick. Beside it, on the same
frames in the same process afterwards: ccxt.pro's own decoder and order book, then ccxt's signed order message, which
is the part of the same way that its users run.
"""

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from benchmarks.side_by_side import ROOT, recording

if TYPE_CHECKING:
    from engine.app import App
    from engine.live.session.session import Session

KEY = "benchmark-key"
COMPILE = "from engine.compiled import use_cache; use_cache(); from engine.sandbox.matching.matcher import warm; warm()"
CONFIG = """
environment: sandbox
data_dir: {folder}/data
exchange: {{name: binance, api_key: {key}, api_secret: {secret}, market: usdm, account: sandbox}}
venue:
  {{rest: "http://127.0.0.1:{port}", stream: "ws://127.0.0.1:{port}", ws_api: "ws://127.0.0.1:{port}",
    keep_warm: {warm}}}
strategy:
  {{name: basic, symbol: ETHUSDT, base_spread: {spread}, base_size: 0.1, max_inventory: 1, requote_tolerance: 0}}
risk:
  daily_loss_limit: 100000
  max_drawdown_limit: 0.9
  max_position: 2
  max_open_orders: 100
  max_order_rate: 5000
  circuit_breaker: {{threshold: 1000, latency_p95: 60s, price_move_sigmas: 1000, feed_timeout: 10s, reject_rate: 1}}
monitoring: {{port: 0}}
logging: {{level: error, outputs: [file], file_path: {folder}/engine.log}}
"""


def start_exchange(folder: Path, data: Path, speed: float, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    """A sandbox of its own that replays ``data``; the process and its port. What it compiles is compiled before."""
    subprocess.run([sys.executable, "-c", COMPILE], cwd=ROOT, check=True, timeout=300)
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--ready-file", str(ready), "--quiet"]
    command += ["--no-limits", "--speed", str(speed), "--data", str(data), *options]
    process = subprocess.Popen(command, cwd=ROOT)
    end = time.monotonic() + 120
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("the sandbox exchange did not start")
        time.sleep(0.05)
    return process, json.loads(ready.read_text())["port"]


def configure(folder: Path, port: int, spread: float = 0.0002, warm: str = "1ms", hmac: bool = False) -> Path:
    """The engine's configuration file, with an Ed25519 key of its own (its session logs on: no signature an order).

    ``hmac``: the sandbox's own HMAC key, and a signature for each.
    """
    key, secret = ("sandbox-key", "sandbox-secret") if hmac else (KEY, json.dumps(ed25519_key(port)))
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(folder=folder, port=port, spread=spread, warm=warm, key=key, secret=secret))
    return path


def ed25519_key(port: int) -> str:
    """A key pair whose public half the exchange knows as ``KEY``; the private half as PEM text."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    tell(port, "keys", {"account": "sandbox", "key": KEY, "ed25519_public": public})
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def tell(port: int, what: str, body: dict[str, Any]) -> None:
    """A command to the sandbox exchange itself."""
    url = f"http://127.0.0.1:{port}/sandbox/{what}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST"), timeout=10):
        return


async def begin(config_path: Path) -> tuple["App", "Session", "asyncio.Future[int]"]:
    """The whole engine in this process, once it quotes, and the run's exit code to come."""
    from engine.app import App
    from engine.config.load import load

    app = App(load(config_path), config_path, None)
    running = asyncio.ensure_future(app.run())
    end = time.monotonic() + 120
    while not (app.leading.done() and app.leading.result().session.quoting):
        if running.done() or time.monotonic() > end:
            raise SystemExit("the engine did not begin to quote; is the kernel compiled? (python -m engine warm)")
        await asyncio.sleep(0.05)
    return app, app.leading.result().session, running


def watch(session: "Session") -> list[int]:
    """Has every order's way timed, from its frame's callback to the exchange's answer, ns."""
    found: list[int] = []
    (pair,) = session.pairs.values()
    clerk, began = session.parts.clerk, {}
    placed, answered = clerk.placed, clerk.answered

    def on_placed(order: Any) -> None:
        began[order.client_id] = pair.feed.taken_ns
        placed(order)

    def on_answered(kind: str, answer: Any) -> None:
        if kind == "place" and answer.client_id in began:
            found.append(answer.answered_ns - began.pop(answer.client_id))
        answered(kind, answer)

    clerk.placed = on_placed  # type: ignore[method-assign]
    clerk.answered = on_answered  # type: ignore[method-assign]
    return found


async def run_engine(config_path: Path, seconds: float) -> dict[str, Any]:
    """The engine for ``seconds`` of quoting; what it measured of itself."""
    app, session, running = await begin(config_path)
    pair = next(iter(session.pairs.values()))
    await asyncio.sleep(1.0)  # the first orders compile nothing, but they meet cold caches
    app.context.latencies.forget()
    # ticks that wait while this process has no processor would measure what else the machine does
    session.parts.latency.stalled = lambda late_ns: 0  # type: ignore[method-assign]
    ways = watch(session)
    frames, placed, spent = pair.feed.frames, pair.quoter.placed, time.process_time()
    await asyncio.sleep(seconds)
    spent = time.process_time() - spent
    found = app.context.latencies.summary()
    result = {
        "latency": found,
        "acknowledged": sorted(ways),
        "cpu_s": spent,
        "frames": pair.feed.frames - frames,
        "orders": pair.quoter.placed - placed,
        "breaker": session.parts.risk.breaker.state.name,
        "exit": None,
    }
    app.stop()
    result["exit"] = await running
    return result


def theirs(data: Path, limit: int = 2000) -> list[float]:
    """Seconds from each depth frame's bytes to ccxt's book and a signed order message."""
    import ccxt.pro

    from engine.market.recording import frames

    exchange = ccxt.pro.binanceusdm({"apiKey": "k", "secret": "s" * 32})
    market = {"id": "ETHUSDT", "symbol": "ETH/USDT:USDT"}
    book = exchange.order_book({})
    found: list[float] = []
    for _, raw in frames(data):
        if b'"depthUpdate"' not in raw:
            continue
        start = time.perf_counter()
        message = json.loads(raw)
        word = message.get("data", message)
        for name, side in (("b", "bids"), ("a", "asks")):
            exchange.handle_deltas(book[side], word[name])
        query = {"symbol": market["id"], "side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "2400.00"}
        query |= {"timeInForce": "GTX", "timestamp": exchange.milliseconds(), "apiKey": "k"}
        signed = exchange.encode(exchange.urlencode(exchange.keysort(query)))
        query["signature"] = exchange.hmac(signed, b"s" * 32, hashlib.sha256)
        json.dumps({"id": "1", "method": "order.place", "params": query})
        found.append(time.perf_counter() - start)
        if len(found) >= limit:
            break
    return found


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks tick_to_order")
    parser.add_argument("--data", type=Path, help="a USD-M ETHUSDT recording")
    parser.add_argument("--seconds", type=float, default=150.0, help="of 70 orders p99 is the worst: take time")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--spread", type=float, default=0.0002)
    parser.add_argument("--keep-warm", default="0.1ms", help="venue.keep_warm; below 1ms the engine never sleeps")
    parser.add_argument("--hmac", action="store_true", help="with an HMAC key: each request is signed by itself")
    options = parser.parse_args(argv)
    data = options.data or recording("usdm-ethusdt.gz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exchange, port = start_exchange(folder, data, options.speed, "--busy-poll")
        try:
            config = configure(folder, port, options.spread, options.keep_warm, options.hmac)
            import uvloop

            measured = uvloop.run(run_engine(config, options.seconds))
        finally:
            exchange.terminate()
            exchange.wait(20)
    stage = measured["latency"]["tick_to_order"]
    if stage["p50"] is None:
        raise SystemExit("no order was placed in the time given")
    peers, ways = theirs(data), measured["acknowledged"]
    p50 = statistics.median(peers)
    return {
        "name": "tick_to_order",
        "ours": stage["p50"] * 1e6,
        "p99_us": stage["p99"] * 1e6,
        "peer": "ccxt.pro: frame to its book, and a signed order message",
        "theirs": p50 * 1e6,
        "unit": "us, p50",
        "ratio": p50 / stage["p50"],
        "runs": measured["orders"],
        "frames": measured["frames"],
        "stages_us": {
            name: {q: v if v is None or q == "count" else v * 1e6 for q, v in values.items()}
            for name, values in measured["latency"].items()
        },
        "tick_to_ack_us": {
            name: ways[min(int(share * len(ways)), len(ways) - 1)] / 1e3
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
        "keep_warm": options.keep_warm,
        "key": "HMAC" if options.hmac else "Ed25519",
        "cpu_us_per_frame": measured["cpu_s"] / max(measured["frames"], 1) * 1e6,
        "load_average": os.getloadavg()[0],
        "breaker": measured["breaker"],
        "exit": measured["exit"],
    }
