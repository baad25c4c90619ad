"""A real Prometheus scrapes a live listener: the canonical names and the seeds' own rule expressions both answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener
from tests.needs import need_program
from tests.ports import free_port
from tests.unit.test_http import Engine

DEADLINE_S = 30.0


class Prometheus:
    """A Prometheus with one target, asked over its own API."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client

    async def ask(self, expression: str) -> list[Any]:
        async with self.client.get("/api/v1/query", params={"query": expression}) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return [(sample["metric"], float(sample["value"][1])) for sample in body["data"]["result"]]

    async def until(self, expression: str) -> list[Any]:
        """The first answer that is not empty."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    found = await self.ask(expression)
                    if found:
                        return found
                await asyncio.sleep(0.1)


@pytest.fixture
async def scraped(tmp_path: Path) -> AsyncIterator[tuple[Exporter, Prometheus]]:
    need_program("prometheus")
    exporter = Exporter(venue="binance")
    listener = Listener(Engine(), exporter, None)
    await listener.start(port=0)
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n"
        "  - job_name: market-maker\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{listener.port}']}}]\n"
        "  - job_name: slow\n"
        "    params: {group: [slow]}\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{listener.port}']}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    client = aiohttp.ClientSession(f"http://127.0.0.1:{port}")
    try:
        yield exporter, Prometheus(client)
    finally:
        await client.close()
        process.terminate()
        await process.wait()
        await listener.stop()


async def test_prometheus_reads_both_names_and_the_seeds_expressions_answer(
    scraped: tuple[Exporter, Prometheus],
) -> None:
    exporter, prometheus = scraped
    for milliseconds in (5, 20, 150, 180):
        exporter.histogram("mm_order_latency_seconds", stage="ack").observe(milliseconds / 1e3)
    exporter.gauge("mm_pnl_quote", component="realized").set(-150)
    exporter.gauge("mm_circuit_breaker_state").set(2)
    exporter.gauge("mm_portfolio_drawdown_ratio").set(0.2)
    exporter.gauge("mm_risk_level").set(3)
    assert (await prometheus.until("mm_circuit_breaker_state == 2"))[0][1] == 2
    for expression in (
        "trading_pnl_total < -100",
        "histogram_quantile(0.95, order_latency_histogram) > 100",
        "circuit_breaker_state != 0",
        "portfolio_drawdown > 0.15",
        "risk_level >= 3",
        'up{job="market-maker"} == 1',
        "histogram_quantile(0.95, mm_order_latency_seconds_bucket{stage='ack'}) > 0.1",
    ):
        assert await prometheus.until(expression), expression
    exporter.histogram("mm_quote_generation_duration_seconds").observe(0.15)
    found = await prometheus.until("histogram_quantile(0.95, rate(quote_generation_duration_seconds_bucket[5m])) > 0.1")
    assert 0.1 < found[0][1] <= 0.2
    assert await prometheus.ask('sum(mm_pnl_quote{job="market-maker"})') == [({}, -150.0)]


async def test_prometheus_reads_the_slow_group_and_takes_openmetrics_with_its_units(
    scraped: tuple[Exporter, Prometheus],
) -> None:
    exporter, prometheus = scraped
    exporter.gauge("mm_memory_bytes").set(1e8)
    exporter.gauge("mm_equity_quote").set(1000)
    assert await prometheus.until('mm_memory_bytes{job="slow"} == 1e8')
    assert await prometheus.until('mm_equity_quote{job="market-maker"}')
    assert await prometheus.ask('mm_equity_quote{job="slow"}') == [], "a key figure"
    async with prometheus.client.get("/api/v1/metadata", params={"metric": "mm_memory_bytes"}) as answer:
        (told,) = (await answer.json())["data"]["mm_memory_bytes"]
    assert told == {"type": "gauge", "help": "Resident memory", "unit": "bytes"}, "the classic format has no unit"
