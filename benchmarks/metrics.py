"""What metrics cost a quote: our cells against prometheus_client's own cached children, on the same three updates."""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from engine.catalogue import QUOTE_BUCKETS
from engine.telemetry.exporter import Exporter


def _ours() -> Callable[[], None]:
    exporter = Exporter()
    quotes = exporter.counter("mm_quotes_total", symbol="ETHUSDT")
    decision = exporter.histogram("mm_quote_generation_duration_seconds")
    stage = exporter.histogram("mm_order_latency_seconds", stage="decision")

    def quote() -> None:
        quotes.inc()
        decision.observe(42e-6)
        stage.observe(42e-6)

    return quote


def theirs() -> Callable[[], None]:
    """A counter and two histograms of prometheus_client, their children kept."""
    registry = CollectorRegistry()
    quotes = Counter("quotes", "quotes", ["symbol"], registry=registry).labels("ETHUSDT")
    decision = Histogram("decision", "decision", buckets=QUOTE_BUCKETS, registry=registry)
    stage = Histogram("stage", "stage", ["stage"], buckets=QUOTE_BUCKETS, registry=registry).labels("decision")

    def quote() -> None:
        quotes.inc()
        decision.observe(42e-6)
        stage.observe(42e-6)

    return quote


def _microseconds(quote: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        quote()
    return (time.perf_counter() - began) / count * 1e6


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Medians over interleaved runs; ``ratio`` above 1 = ours costs less. ``budget_us`` is what a quote may spend."""
    parser = argparse.ArgumentParser(prog="benchmarks metrics", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="quotes a run")
    parser.add_argument("--runs", type=int, default=5)
    arguments, _ = parser.parse_known_args(argv)
    own, peer = _ours(), theirs()
    pairs = [(_microseconds(own, arguments.count), _microseconds(peer, arguments.count)) for _ in range(arguments.runs)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    exporter = Exporter()
    began = time.perf_counter()
    page = exporter.page()
    return {
        "name": "metrics",
        "ours": round(mine, 3),
        "peer": "prometheus_client",
        "theirs": round(other, 3),
        "unit": "us per quote (one counter, two histograms)",
        "ratio": round(other / mine, 2),
        "runs": arguments.runs,
        "budget_us": 2.0,
        "within_budget": mine < 2.0,
        "page_ms": round((time.perf_counter() - began) * 1e3, 2),
        "page_bytes": len(page),
    }
