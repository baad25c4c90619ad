"""The page as each format has it: what a strict reader makes of it, which metrics a group holds, and how it is made."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from engine.catalogue import ALIASES, BY_NAME, METRICS, RATE_REFUSALS
from engine.metric import ScrapeGroup, Type
from engine.telemetry.exporter import Exporter
from engine.telemetry.exposition import Format, wanted

strict: Callable[[str], Iterable[Any]] = openmetrics.text_string_to_metric_families
Seen = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def full() -> Exporter:
    """An exporter in which every metric has a value."""
    exporter = Exporter(venue="binance")
    for at, metric in enumerate(METRICS):
        labels = {label.name: (label.values or label.known or ("x",))[0] for label in metric.labels}
        labels.pop("venue", None)
        match metric.type:
            case Type.COUNTER:
                exporter.counter(metric.name, **labels).inc(at + 0.5)
            case Type.GAUGE:
                exporter.gauge(metric.name, **labels).set(at + 0.25)
            case Type.HISTOGRAM:
                exporter.histogram(metric.name, **labels).observe(0.03 + at / 1e3)
    return exporter


def read(families: Iterable[Any]) -> Seen:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_both_formats_hold_the_same_series_with_the_same_values() -> None:
    exporter = full()
    plain = read(classic(exporter.page(Format.TEXT).decode()))
    opened = read(strict(exporter.page(Format.OPENMETRICS).decode()))
    assert plain == opened
    assert {metric.name for metric in METRICS} <= {name.removesuffix("_count") for name, _ in plain}, (
        "every metric is on the page"
    )
    assert set(ALIASES) <= {name.removesuffix("_bucket") for name, _ in plain}


def test_openmetrics_says_units_and_types_and_that_the_page_is_whole() -> None:
    text = full().page(Format.OPENMETRICS).decode()
    assert text.endswith("\n# EOF\n")
    for line in (
        "# TYPE mm_orders counter",
        "# UNIT mm_cpu_seconds seconds",
        "# UNIT mm_order_latency_seconds seconds",
        "# UNIT mm_quote_timestamp_seconds seconds",
        "# UNIT mm_memory_bytes bytes",
        "# UNIT mm_limit_use_ratio ratio",
        "# UNIT mm_equity_quote quote",
        "# TYPE order_latency_histogram_bucket unknown",
    ):
        assert line + "\n" in text, line
    assert "\n\n" not in text
    assert "# EOF" not in full().page(Format.TEXT).decode()
    assert "# UNIT" not in full().page(Format.TEXT).decode()


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/plain", Format.TEXT),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format.OPENMETRICS),
        ("application/openmetrics-text; q=0.3, text/plain", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("application/openmetrics-text;q=much", Format.TEXT),
        ("Application/OpenMetrics-Text", Format.OPENMETRICS),
        (";;;,,q=", Format.TEXT),
    ],
)  # fmt: skip
def test_the_accept_header_chooses_the_format(accept: str, form: Format) -> None:
    assert wanted(accept) is form


def test_each_metric_is_in_one_of_the_two_groups_with_its_aliases() -> None:
    exporter = full()
    by_group = {group: set(read(classic(exporter.page(group=group).decode()))) for group in ScrapeGroup}
    assert by_group[ScrapeGroup.KEY] | by_group[ScrapeGroup.SLOW] == set(read(classic(exporter.page().decode())))
    assert by_group[ScrapeGroup.KEY].isdisjoint(by_group[ScrapeGroup.SLOW])
    assert ("mm_cpu_seconds_total", ()) in by_group[ScrapeGroup.SLOW]
    names = {name for name, _ in by_group[ScrapeGroup.KEY]}
    assert {name.removesuffix("_bucket") for name in names} >= set(ALIASES), "seeds are looked at every five seconds"
    assert [(group.query, group.every_s) for group in ScrapeGroup] == [("key", 5), ("slow", 30)]


def test_what_pages_at_once_is_scraped_as_a_key_figure() -> None:
    for name in (
        *("mm_engine_heartbeat_timestamp_seconds", "mm_circuit_breaker_state", "mm_halted", "mm_role", "mm_health"),
        *("mm_feed_age_seconds", "mm_lease_held", "mm_dead_man_armed", "mm_unknown_orders", "mm_journal_healthy"),
    ):
        assert BY_NAME[name].scrape is ScrapeGroup.KEY, name


def test_refusals_for_the_rate_are_on_the_page_before_the_first() -> None:
    page = Exporter().page().decode()
    for reason in RATE_REFUSALS:
        assert f'mm_quotes_refused_total{{reason="{reason}"}} 0.0' in page


def test_a_gauge_for_more_values_than_it_may_have_is_on_no_page() -> None:
    exporter = Exporter()
    for number in range(100):
        exporter.gauge("mm_position_base", symbol=f"S{number}").set(number)
    page = exporter.page().decode()
    assert page.count("\nmm_position_base{") == 64
    assert "other" not in page.partition("mm_position_base")[2].partition("# HELP")[0]


@given(st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_number_and_any_label_are_read_back_as_they_were(value: float, label: str) -> None:
    exporter = Exporter()
    exporter.gauge("mm_equity_quote").set(value)
    exporter.counter("mm_orders_rejected_total", reason=label).inc()
    for parse, form in ((classic, Format.TEXT), (strict, Format.OPENMETRICS)):
        found = read(parse(exporter.page(form).decode()))
        assert found["mm_equity_quote", ()] == value or math.isnan(value)
        assert found["mm_orders_rejected_total", (("reason", label),)] == 1


async def test_the_loop_runs_between_the_pieces_of_a_page_and_the_page_is_the_same() -> None:
    exporter = full()
    rounds = 0

    def slow() -> Iterator[None]:
        for _ in range(20):
            end = time.perf_counter() + 0.001
            while time.perf_counter() < end:
                pass
            yield

    async def tick() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    exporter.on_scrape(slow)
    page = await exporter.page_in_pieces()
    ticking.cancel()
    assert rounds >= 20, "a tick waited for one piece at most"
    assert page == exporter.page()


def test_a_series_that_is_forgotten_leaves_every_name_it_had() -> None:
    exporter = Exporter(venue="v")
    exporter.gauge("mm_position_base", symbol="A").set(2)
    assert 'current_position{venue="v",symbol="A"} 2.0' in exporter.page().decode()
    exporter.forget("mm_position_base", symbol="A")
    assert "current_position" not in exporter.page().decode()
    exporter.gauge("mm_position_base", symbol="A").set(3)
    assert 'current_position{venue="v",symbol="A"} 3.0' in exporter.page().decode()


def test_bounds_that_goals_and_rules_name_are_buckets_of_every_latency() -> None:
    for name in ("mm_quote_generation_duration_seconds", "mm_order_latency_seconds", "mm_tick_to_order_seconds"):
        assert {50e-6, 0.001, 0.05, 0.1, 0.2} <= set(BY_NAME[name].buckets), name
    assert {"decision", "submit", "ack", "network"} == set(BY_NAME["mm_order_latency_seconds"].labels[1].values)
