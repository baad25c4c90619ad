"""Half-open HTTP connections of another user against a quoting engine: tick to order with them and without, in turn.

The flood is a process of its own that becomes ``nobody``, holds thousands of connections with half a request on each,
and opens another for each that is closed. Both figures come from the same engine in the same run: first quiet, then
under the flood, then quiet again.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.side_by_side import ROOT, recording
from benchmarks.tick_to_order import begin, configure, start_exchange

if TYPE_CHECKING:
    from engine.app import App
    from engine.live.session.session import Session

NOBODY: Final = 65534
FLOOD: Final = """
import os, resource, selectors, socket, struct, sys, time
port, want, told, uid, rate = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(want + 100, hard), hard))
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
eyes, held, opened = selectors.DefaultSelector(), set(), 0
begin = time.monotonic()
while True:
    allowed = want if rate <= 0 else want + (time.monotonic() - begin) * rate
    batch = 0
    while len(held) < want and opened < allowed and batch < 64:
        made = socket.socket()
        made.setblocking(False)
        try:
            made.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass
        except OSError:
            made.close()
            break
        batch += 1
        opened += 1
        held.add(made)
        eyes.register(made, selectors.EVENT_WRITE)
    for key, events in eyes.select(0.01):
        made = key.fileobj
        try:
            if events & selectors.EVENT_WRITE:
                made.send(b"GET /metrics HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX-Half: ")
                eyes.modify(made, selectors.EVENT_READ)
                continue
            if made.recv(4096):
                continue
        except BlockingIOError:
            continue
        except OSError:
            pass
        eyes.unregister(made)
        held.discard(made)
        made.close()
    os.pwrite(told, struct.pack("qq", opened, len(held)), 0)
"""


class HalfOpen:
    """``count`` half-open connections to ``port`` by another user, from entering to leaving.

    ``rate``: how many closed ones it opens anew in a second at most; 0 = as fast as it can.
    """

    def __init__(self, port: int, count: int, rate: float = 0.0) -> None:
        self._port, self._count, self._rate = port, count, rate
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        numbers = (self._port, self._count, self._told.fileno(), NOBODY, self._rate)
        command = [sys.executable, "-c", FLOOD, *map(str, numbers)]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[self._told.fileno()])
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        self._told.close()

    def _figure(self, at: int) -> int:
        return int.from_bytes(os.pread(self._told.fileno(), 8, at * 8), "little")

    def opened(self) -> int:
        """Connections opened since the begin."""
        return self._figure(0)

    def held(self) -> int:
        """Connections the flood believes to hold now."""
        return self._figure(1)


async def phase(app: "App", session: "Session", seconds: float) -> dict[str, Any]:
    """What the engine measured of itself in ``seconds``; how often it did not quote, its descriptors."""
    for _ in range(12):
        app.context.latencies.rotate()
    end, looks, off, files = time.monotonic() + seconds, 0, 0, 0
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
        looks, off = looks + 1, off + (not session.quoting)
        files = max(files, len(os.listdir("/proc/self/fd"))) if looks % 20 == 0 else files
    stage = app.context.latencies.summary()["tick_to_order"]
    return {
        "p50_us": _us(stage["p50"]),
        "p99_us": _us(stage["p99"]),
        "looks": looks,
        "not_quoting": off,
        "files": files,
    }


def _us(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e6


OPERATOR: Final = """
import json, sys, time, urllib.request
found, end = [], time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/state", timeout=10) as answer:
            answer.read()
        found.append(time.monotonic() - began)
    except OSError:
        found.append(None)
    time.sleep(0.5)
print(json.dumps(found))
"""


def operator(port: int, seconds: float) -> list[float | None]:
    """Seconds that each answer to the operator took, asked twice a second; None where there was none."""
    command = [sys.executable, "-c", OPERATOR, str(port), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=seconds + 60)
    found: list[float | None] = json.loads(done.stdout)
    return found


async def measured(config: Path, seconds: float, count: int, rate: float) -> dict[str, Any]:
    app, session, running = await begin(config)
    port = app.context.listener.port
    await asyncio.sleep(2.0)
    asked = asyncio.create_task(asyncio.to_thread(operator, port, seconds))
    quiet = [await phase(app, session, seconds)]
    calm = await asked
    with HalfOpen(port, count, rate) as flood:
        end = time.monotonic() + 60
        while flood.opened() < count and time.monotonic() < end:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.1)
        asked = asyncio.create_task(asyncio.to_thread(operator, port, seconds))
        flooded = await phase(app, session, seconds)
        answers = await asked
        opened = flood.opened()
    quiet.append(await phase(app, session, seconds))
    turned = {
        reason: app.context.exporter.counter("mm_http_turned_away_total", reason=reason).value
        for reason in ("refused", "displaced", "overdue", "no_descriptor")
    }
    app.stop()
    return {
        "quiet": quiet,
        "flooded": flooded,
        "opened": opened,
        "turned_away": turned,
        "answers": {"quiet": calm, "flooded": answers},
        "breaker": session.parts.risk.breaker.state.name,
        "exit": await running,
    }


def _answers(times: list[float | None]) -> dict[str, float | int | None]:
    """How the operator was served: answers, silences, and the middle and the slowest answer in seconds."""
    given = sorted(one for one in times if one is not None)
    middle = statistics.median(given) if given else None
    return {
        "answers": len(given),
        "silences": len(times) - len(given),
        "p50_s": middle,
        "max_s": max(given, default=None),
    }


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks half_open")
    parser.add_argument("--data", type=Path, help="a USD-M ETHUSDT recording")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=5_000)
    parser.add_argument("--reopen", type=float, default=500.0, help="a second, of those that were closed; 0 = no limit")
    parser.add_argument("--keep-warm", default="0.1ms")
    options = parser.parse_args(argv)
    data = options.data or recording("usdm-ethusdt.gz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exchange, port = start_exchange(folder, data, 1.0, "--busy-poll")
        try:
            config = configure(folder, port, 0.0002, options.keep_warm)
            import uvloop

            found = uvloop.run(measured(config, options.seconds, options.connections, options.reopen))
        finally:
            exchange.terminate()
            exchange.wait(20)
    quiet = [one["p99_us"] for one in found["quiet"] if one["p99_us"] is not None]
    ours = found["flooded"]["p99_us"]
    if not quiet or ours is None:
        raise SystemExit("no order was placed in the time given")
    theirs = statistics.fmean(quiet)
    return {
        "name": "half_open",
        "ours": ours,
        "peer": "the same engine without them, before and after",
        "theirs": theirs,
        "unit": "us, p99 of tick to order",
        "ratio": theirs / ours,
        "times": ours / theirs,
        "runs": len(quiet) + 1,
        "connections": options.connections,
        "opened": found["opened"],
        "turned_away": found["turned_away"],
        "quiet": found["quiet"],
        "flooded": found["flooded"],
        "operator": {name: _answers(times) for name, times in found["answers"].items()},
        "file_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "load_average": os.getloadavg()[0],
        "breaker": found["breaker"],
        "exit": found["exit"],
    }
