"""The catalogue and the metrics page: names, aliases, buckets, and what a scraper makes of them."""

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.catalogue import ALIASES, CAUSE_GROUPS, CAUSES, METRICS, OUTCOMES, QUOTE_BUCKETS, REFUSALS
from engine.kernel.quoting.checks import Reason
from engine.live.orders import tally
from engine.metric import Type, Unit
from engine.orders.reconcile import DiscrepancyClass
from engine.risk.breaker import Cause
from engine.telemetry.exporter import Exporter
from tests.needs import ROOT, need_program
from tests.unit.test_exposition import full

SEED_NAMES = {
    "quote_generation_duration_seconds",
    "order_latency_histogram",
    "circuit_breaker_state",
    "portfolio_drawdown",
    "trading_pnl_total",
    "realized_pnl",
    "unrealized_pnl",
    "current_position",
    "max_inventory",
    "risk_level",
}


def samples(exporter: Exporter) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exporter.page().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_names_follow_the_conventions() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("mm_")
        assert metric.name.endswith("_total") == (metric.type is Type.COUNTER), metric.name
        assert len(metric.help) > 10
        assert bool(metric.buckets) == (metric.type is Type.HISTOGRAM)
        if metric.unit is Unit.RATIO:
            assert metric.name.endswith("_ratio"), metric.name
        if metric.unit is Unit.SECONDS and metric.type is not Type.COUNTER:
            assert metric.name.endswith("_seconds"), metric.name
        if metric.unit is Unit.BYTES:
            assert metric.name.endswith("_bytes"), metric.name


def test_every_seed_name_is_an_alias() -> None:
    assert set(ALIASES) == SEED_NAMES


def test_the_bounds_that_alerts_speak_of_are_buckets() -> None:
    assert {50e-6, 0.001, 0.05, 0.1, 0.2} <= set(QUOTE_BUCKETS)
    assert list(QUOTE_BUCKETS) == sorted(set(QUOTE_BUCKETS))
    page = Exporter().page().decode()
    for bound in ("5e-05", "0.001", "0.05", "0.1", "0.2"):
        assert f'quote_generation_duration_seconds_bucket{{le="{bound}"}}' in page


def test_labels_that_mirror_another_parts_words_are_those_words() -> None:
    by_name = {metric.name: metric for metric in METRICS}
    causes = by_name["mm_circuit_breaker_trips_total"].labels[0].values
    closing = {"none", "reset", "timeout", "clean_probes"}
    assert set(causes) == {cause.value for cause in Cause} - closing
    classes = by_name["mm_reconciliation_discrepancies_total"].labels[0].values
    assert set(classes) == {kind.value for kind in DiscrepancyClass}
    assert set(REFUSALS) == {reason.name for reason in Reason} - {"NONE"} | {"EXCHANGE_REJECTED"}
    assert OUTCOMES == tally.OUTCOMES
    assert all(hasattr(tally.Tally(), name) for name in OUTCOMES)


def test_every_cause_of_a_trip_is_in_one_of_the_four_groups_that_a_panel_shows() -> None:
    assert set(CAUSE_GROUPS) == set(CAUSES)
    assert set(CAUSE_GROUPS.values()) == {"pnl", "position", "rate", "other"}


def test_a_seed_name_carries_the_value_of_its_metric() -> None:
    exporter = Exporter(venue="binance")
    exporter.gauge("mm_circuit_breaker_state").set(2)
    exporter.gauge("mm_risk_level").set(2)
    exporter.gauge("mm_portfolio_drawdown_ratio").set(0.07)
    exporter.gauge("mm_position_base", symbol="ETHUSDC").set(-0.03)
    for component, value in (("realized", 10.0), ("unrealized", -4.0), ("fees", -1.5)):
        exporter.gauge("mm_pnl_quote", component=component).set(value)
    found = samples(exporter)
    assert found["circuit_breaker_state", ()] == 2
    assert found["portfolio_drawdown", ()] == 0.07
    assert found["risk_level", ()] == 3, "high, as the seed's rule has it"
    assert found["current_position", (("symbol", "ETHUSDC"), ("venue", "binance"))] == -0.03
    assert found["trading_pnl_total", ()] == 4.5
    assert found["realized_pnl", ()] == 10
    assert found["unrealized_pnl", ()] == -4


def test_the_latency_alias_is_in_milliseconds_and_under_its_bare_name_too() -> None:
    exporter = Exporter(venue="binance")
    exporter.histogram("mm_order_latency_seconds", stage="ack").observe(0.03)
    exporter.histogram("mm_order_latency_seconds", stage="network").observe(5)
    page = exporter.page().decode()
    assert 'order_latency_histogram_bucket{venue="binance",le="25.0"} 0.0' in page
    assert 'order_latency_histogram_bucket{venue="binance",le="50.0"} 1.0' in page
    assert 'order_latency_histogram{venue="binance",le="50.0"} 1.0' in page
    assert 'order_latency_histogram_sum{venue="binance"} 30.0' in page


def test_a_bucket_holds_values_up_to_and_with_its_bound() -> None:
    exporter = Exporter()
    histogram = exporter.histogram("mm_quote_generation_duration_seconds")
    for value in (50e-6, 50.1e-6, 2.0, 0.0):
        histogram.observe(value)
    found = samples(exporter)
    name = "mm_quote_generation_duration_seconds_bucket"
    assert found[name, (("le", "5e-05"),)] == 2
    assert found[name, (("le", "0.0001"),)] == 3
    assert found[name, (("le", "1.0"),)] == 3
    assert found[name, (("le", "+Inf"),)] == 4


def test_known_label_sets_are_there_from_the_start_and_unset_gauges_are_not() -> None:
    found = samples(Exporter())
    assert found["mm_orders_total", (("outcome", "rejected"),)] == 0
    assert found["mm_circuit_breaker", (("state", "halted"),)] == 0
    assert not any(name == "mm_feed_age_seconds" for name, _ in found)
    assert not any(name.endswith("_created") for name, _ in found)


def test_a_cleared_gauge_is_absent_again() -> None:
    exporter = Exporter()
    gauge = exporter.gauge("mm_quote_price", symbol="ETHUSDC", side="buy")
    gauge.set(2500)
    assert any(name == "mm_quote_price" for name, _ in samples(exporter))
    gauge.clear()
    assert not any(name == "mm_quote_price" for name, _ in samples(exporter))


def test_a_flood_of_label_values_ends_in_other() -> None:
    exporter = Exporter()
    for number in range(1000):
        exporter.counter("mm_orders_rejected_total", reason=f"reason-{number}").inc()
    found = {labels: value for (name, labels), value in samples(exporter).items() if name == "mm_orders_rejected_total"}
    assert len(found) <= 11
    assert sum(found.values()) == 1000


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [
        ("mm_nothing", {}, "no metric"),
        ("mm_orders_total", {}, "labels outcome"),
        ("mm_orders_total", {"outcome": "lost"}, "one of placed"),
        ("mm_risk_level", {}, "not a counter"),
    ],
)
def test_a_metric_that_is_not_in_the_catalogue_cannot_be_counted(name: str, labels: dict[str, str], words: str) -> None:
    with pytest.raises(KeyError, match=words):
        Exporter().counter(name, **labels)


def test_the_same_labels_give_the_same_cell() -> None:
    exporter = Exporter()
    assert exporter.counter("mm_fills_total", symbol="A", side="buy") is exporter.counter(
        "mm_fills_total", side="buy", symbol="A"
    )


def test_a_refresher_runs_before_each_page() -> None:
    exporter = Exporter()
    ages = iter((1.0, 2.0))
    gauge = exporter.gauge("mm_lease_age_seconds")
    exporter.on_scrape(lambda: gauge.set(next(ages)))
    assert samples(exporter)["mm_lease_age_seconds", ()] == 1.0
    assert samples(exporter)["mm_lease_age_seconds", ()] == 2.0


def test_promtool_complains_of_nothing_but_the_two_seed_names() -> None:
    need_program("promtool")
    exporter = full()
    result = subprocess.run(["promtool", "check", "metrics"], input=exporter.page(), capture_output=True, check=False)
    assert sorted((result.stdout + result.stderr).decode().strip().splitlines()) == [
        "order_latency_histogram metric name should not include type 'histogram'",
        'trading_pnl_total non-counter metrics should not have "_total" suffix',
    ]


def test_the_catalogue_loads_nothing_heavy() -> None:
    code = "import sys, engine.catalogue; sys.exit(bool({'numpy', 'prometheus_client', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
