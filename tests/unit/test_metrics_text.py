"""Reading a metrics page without the client library."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mmctl.client.metrics import NotMetrics, parse


def test_what_the_client_library_writes_is_read_back() -> None:
    registry = CollectorRegistry()
    Gauge("mm_gauge", "A gauge.", ["symbol", "odd"], registry=registry).labels("ETHUSDT", 'a"b\\c\nd').set(-1.5e-9)
    Counter("mm_counter", "A counter.", registry=registry).inc(3)
    seconds = Histogram("mm_seconds", "A histogram.", buckets=(0.1, 0.2, 0.4), registry=registry)
    for value in (0.05, 0.15, 0.15, 0.3):
        seconds.observe(value)
    page = parse(generate_latest(registry).decode())
    assert page.value("mm_gauge", symbol="ETHUSDT") == -1.5e-9
    assert page.samples["mm_gauge"][0].labels["odd"] == 'a"b\\c\nd'
    assert page.value("mm_counter_total") == 3
    assert page.types["mm_seconds"] == "histogram"
    assert page.bad_lines == 0
    # Half of four observations lie below the rank; the second bucket holds observations 2 and 3.
    assert page.quantile("mm_seconds", 0.5) == pytest.approx(0.15)
    assert page.quantile("mm_seconds", 0.999) == pytest.approx(0.4, rel=0.01)


def test_missing_and_nan_values_are_no_numbers() -> None:
    page = parse("a 1\nb NaN\nc +Inf\n")
    assert page.value("nothing") is None
    assert page.value("b") is None
    assert page.total("b") is None
    assert page.value("c") == math.inf
    assert page.quantile("a", 0.5) is None


def test_single_bad_lines_are_counted_and_the_rest_is_read() -> None:
    page = parse('a{x="1} 2\nb 3\nc\nd{y="2"} four\n')
    assert page.bad_lines == 3
    assert page.value("b") == 3


@pytest.mark.parametrize("text", ["", "\n\n", "<html>It works!</html>", "# HELP only comments\n", '{"error": 1}'])
def test_a_page_without_a_sample_is_not_metrics(text: str) -> None:
    with pytest.raises(NotMetrics):
        parse(text)


def test_sums_and_labels_are_kept_apart() -> None:
    page = parse('pnl{c="fees"} -1\npnl{c="realized"} 4\nother 9\n')
    assert page.total("pnl") == 3
    assert page.by("pnl", "c") == {"fees": -1, "realized": 4}
