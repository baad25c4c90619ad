"""What metrics cost: a quote's updates, a page of an engine with twenty instruments, and how long a tick waits for one.

A quote's updates are those that the session makes after each decision: the stage's counts and its histogram, and the
histogram of quotes. The peer is prometheus_client: its own cached children on one counter and the same two histograms,
and its page of as many series of the same names, labels and buckets. The engine is a whole session without sockets,
every book live and quoted; another process scrapes it over HTTP, while ticks are due every two milliseconds.

Costs are the thread's own processor time, so that what else this machine does is no part of them. How late ticks come
is time that passes: it is worth as much as the machine is quiet.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as PeerCounter
from prometheus_client import Gauge as PeerGauge
from prometheus_client import Histogram as PeerHistogram

from benchmarks.metrics import theirs
from engine.catalogue import METRICS
from engine.metric import Type
from engine.telemetry.exporter import Exporter
from engine.telemetry.latency import Latencies

INSTRUMENTS: Final = 20
COUNT: Final = 50_000
RUNS: Final = 5
PAGES: Final = 40
TICK_S: Final = 0.002
WATCH_S: Final = 2.0
QUOTE_US: Final = 2.0
PAGE_MS: Final = 20.0
SCRAPER: Final = """
import sys, time, urllib.request
while True:
    urllib.request.urlopen(sys.argv[1], timeout=5).read()
    time.sleep(0.2)
"""
HOLD_MS: Final = 1.0  # longer than this no piece of a page may keep a tick waiting


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Medians over interleaved runs; a ``ratio`` above 1 = ours costs less. A page's time is that of its thread."""
    runs = arguments.runs or RUNS
    own, peer = _quote(), theirs()
    quote = [(_cpu_us(own), _cpu_us(peer)) for _ in range(runs)]
    mine, other = (statistics.median(column) for column in zip(*quote, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        page = asyncio.run(_page(Path(folder), runs))
    return {
        "instrument_quote_us": round(mine, 3),
        "instrument_quote_peer": "prometheus_client",
        "instrument_quote_peer_us": round(other, 3),
        "instrument_quote_ratio": round(other / mine, 2),
        "instrument_quote_ok": mine < QUOTE_US,
        **page,
    }


def _quote() -> Callable[[], None]:
    """As ``Session._measured`` does it."""
    exporter = Exporter(venue="binance")
    record = Latencies(exporter).record
    observe = exporter.histogram("mm_quote_generation_duration_seconds").observe

    def quote() -> None:
        record("decision", 42_000)
        observe(42_000 * 1e-9)

    return quote


def _cpu_us(quote: Callable[[], None]) -> float:
    began = time.thread_time()
    for _ in range(COUNT):
        quote()
    return (time.thread_time() - began) / COUNT * 1e6


async def _page(folder: Path, runs: int) -> dict[str, Any]:
    from tests.unit.many_symbols import Desk  # the session of the tests: twenty symbols, no sockets

    desk = Desk(folder, INSTRUMENTS)
    exporter, peer = desk.exporter, _peer_of(desk.exporter)
    pairs = [(_cpu_ms(exporter.page), _cpu_ms(lambda: generate_latest(peer))) for _ in range(runs)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    holds = [hold for _ in range(PAGES) for hold in _holds_ms(exporter)]
    late: dict[str, list[float]] = {"/liveness": [], "/metrics": []}
    for _ in range(runs):
        for path, found in late.items():
            found += await _late_ms(desk.listening, path)
    desk.close()
    return {
        "scrape_instruments": INSTRUMENTS,
        "scrape_series": exporter.page().count(b"\n") - exporter.page().count(b"\n# "),
        "scrape_ms": round(mine, 2),
        "scrape_peer_ms": round(other, 2),  # writes its values out only; ours reads them from the session besides
        "scrape_ratio": round(other / mine, 2),
        "scrape_ok": mine < PAGE_MS,
        "scrape_hold_p99_ms": round(_p99(holds), 3),
        "scrape_hold_ok": _p99(holds) < HOLD_MS,
        "tick_late_asked_p99_ms": round(_p99(late["/liveness"]), 3),  # by as many questions without a page
        "tick_late_scraped_p99_ms": round(_p99(late["/metrics"]), 3),
    }


def _cpu_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(PAGES):
        began = time.thread_time()
        work()
        times.append((time.thread_time() - began) * 1e3)
    return statistics.median(times)


def _holds_ms(exporter: Exporter) -> list[float]:
    """How long each stretch of one page keeps the loop, in its thread's own time: others on this machine are no matter.

    The page is driven by hand: each ``send`` runs it up to where it lets the loop go.
    """
    found: list[float] = []
    page = exporter.page_in_pieces()
    while True:
        began = time.thread_time()
        try:
            page.send(None)
        except StopIteration:
            return found
        finally:
            found.append((time.thread_time() - began) * 1e3)


async def _late_ms(listening: Any, path: str) -> list[float]:
    """How late ticks come that are due every two milliseconds, while another process asks five times a second."""
    async with listening() as port:
        command = (sys.executable, "-c", SCRAPER, f"http://127.0.0.1:{port}{path}")
        scraper = await asyncio.create_subprocess_exec(*command)
        loop = asyncio.get_running_loop()
        late: list[float] = []
        due = loop.time()
        end = due + WATCH_S
        while due < end:
            due += TICK_S
            await asyncio.sleep(due - loop.time())
            late.append((loop.time() - due) * 1e3)
            due = max(due, loop.time())
        scraper.terminate()
        await scraper.wait()
    return late


def _p99(found: list[float]) -> float:
    return sorted(found)[round(len(found) * 0.99) - 1]


def _peer_of(exporter: Exporter) -> CollectorRegistry:
    """prometheus_client's own metrics with the same names, labels, buckets and number of children."""
    exporter.page()
    registry = CollectorRegistry()
    for metric in METRICS:
        names, text = metric.label_names(), metric.help
        made: Any
        match metric.type:
            case Type.COUNTER:
                made = PeerCounter(metric.name, text, names, registry=registry)
            case Type.GAUGE:
                made = PeerGauge(metric.name, text, names, registry=registry)
            case Type.HISTOGRAM:
                made = PeerHistogram(metric.name, text, names, buckets=metric.buckets, registry=registry)
        for values in exporter.children(metric.name):
            child = made.labels(*values) if names else made
            child.observe(0.01) if metric.type is Type.HISTOGRAM else child.inc(1.5)
    return registry
