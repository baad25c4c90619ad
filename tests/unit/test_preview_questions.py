"""What a dashboard asks Prometheus: Grafana's variables, steps and intervals are worked out as its data source does."""

import pytest

from mmctl.monitoring.preview.timing import NotATime, Span, Steps, duration_ms, rounded, span_of, steps_of, written
from mmctl.monitoring.preview.variables import (
    LabelValues,
    UnknownVariable,
    Variable,
    built_in,
    chosen,
    interpolated,
    label_values,
)

HOUR = 3_600_000
MULTI = {"name": "job", "multi": True, "includeAll": True}


def test_a_duration_is_read_in_grafanas_units() -> None:
    assert [duration_ms(text) for text in ("250ms", "5s", "1m30s", "24h", "1.5d", ">10s")] == [
        *(250, 5000, 90_000, 24 * HOUR, 36 * HOUR, 10_000)
    ]
    for wrong in ("", "5", "5 minutes", "now", "s", "1h-"):
        with pytest.raises(NotATime, match="is not a duration"):
            duration_ms(wrong)


def test_a_span_is_as_long_as_it_says_and_is_asked_at_whole_steps() -> None:
    assert span_of("now-1h", 2 * HOUR) == Span(HOUR, 2 * HOUR) == span_of("1h", 2 * HOUR)
    assert Span(1_234, 9_999).aligned(1000) == Span(1000, 9000)


@pytest.mark.parametrize(("exact", "taken"), [(3, 1), (47, 50), (2812, 2000), (4100, 5000), (108_000, 120_000)])
def test_a_step_is_rounded_as_grafana_rounds_it(exact: float, taken: int) -> None:
    assert rounded(exact) == taken


def test_a_step_is_never_shorter_than_a_scrape_and_a_rate_never_than_four() -> None:
    assert steps_of(Span(0, HOUR), 24, 5000, None) == Steps(5000, 20_000)
    assert steps_of(Span(0, HOUR), 24, 5000, 30_000) == Steps(30_000, 120_000)  # what is scraped every 30 s
    assert steps_of(Span(0, 24 * HOUR), 12, 5000, None) == Steps(120_000, 125_000)  # the step and one scrape
    assert steps_of(Span(0, 24 * HOUR), 12, 5000, None, points=24) == Steps(HOUR, HOUR + 5000)
    year = steps_of(Span(0, 365 * 24 * HOUR), 24, 5000, None, points=10**6)
    assert 365 * 24 * HOUR / year.step_ms <= 11_000  # what Prometheus answers at most


def test_every_form_of_a_variable_is_put_in() -> None:
    values = {"job": Variable("All", ".+", ".+"), "symbol": Variable("A.B", "A\\\\.B", "A.B")}
    times = built_in(Span(0, HOUR), Steps(15_000, 60_000))
    text = (
        'a{job=~"$job", x=~"${symbol:regex}", y="${symbol:raw}", z=~"[[job]]"}'
        "[$__rate_interval] $__range $__interval_ms"
    )
    asked = 'a{job=~".+", x=~"A\\\\.B", y="A.B", z=~".+"}[1m] 3600s 15000'
    assert interpolated(text, values, times) == asked
    assert interpolated("$unknown", values, times) == "$unknown"  # Prometheus refuses it, and the panel says so


def test_a_value_stands_for_itself_in_a_matcher() -> None:
    one = chosen(MULTI, ['a.b"c'], ["x"])
    assert (one.text, one.raw, one.value) == ('a.b"c', 'a\\\\.b\\"c', 'a.b"c')


def test_the_choice_is_the_one_given_then_the_boards_then_all_then_the_first() -> None:
    known = ["x", "y.z"]
    stored = {**MULTI, "current": {"value": ["y.z"]}}
    assert chosen(stored, ["x"], known).value == "x"
    assert chosen(stored, known, known) == Variable("x + y.z", "(x|y\\\\.z)", "x|y.z")
    assert chosen(stored, [], known).value == "y.z"
    assert chosen({**MULTI, "current": {"value": ["$__all"]}}, [], known).raw == "(x|y\\\\.z)"
    assert chosen({**MULTI, "allValue": ".+"}, [], known) == Variable("All", ".+", ".+")
    assert chosen({"name": "job"}, [], known).value == "x"


def test_what_a_variable_lists_is_read_from_its_query() -> None:
    nested = 'label_values(mm_book_live{job=~"$job", instance=~"$instance"}, symbol)'
    assert label_values({"type": "query", "query": {"query": nested}}) == LabelValues(
        "symbol", 'mm_book_live{job=~"$job", instance=~"$instance"}'
    )
    assert label_values({"type": "query", "query": "label_values(job)"}) == LabelValues("job", "")
    assert label_values({"type": "custom", "query": "a,b"}) is None
    with pytest.raises(UnknownVariable, match="only label_values"):
        label_values({"type": "query", "name": "s", "query": "metrics(.*)"})


@pytest.mark.parametrize(("span", "text"), [(250, "250ms"), (5000, "5s"), (90_000, "90s"), (HOUR, "1h"), (0, "0ms")])
def test_a_duration_is_written_as_promql_reads_it(span: int, text: str) -> None:
    assert written(span) == text
