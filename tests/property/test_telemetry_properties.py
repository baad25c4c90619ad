"""Whatever is logged, one line comes out and no secret in it; whatever is counted, the page stays readable."""

import json
import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from engine.telemetry.exporter import Exporter
from engine.telemetry.logs import Line, as_json, as_text
from engine.telemetry.redact import MASK, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=60).filter(
    lambda s: len(s.strip()) >= 6
)
NESTED = st.recursive(
    st.text(max_size=20) | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(SECRETS, st.text(max_size=30), st.text(max_size=30), NESTED)
def test_a_registered_secret_is_in_no_line(secret: str, before: str, after: str, extra: object) -> None:
    assume(
        secret not in MASK and secret.strip() not in '{"ts":"1970-01-01T00:00:01.000000Z","level":"info","logger":"x"}'
    )
    redact = Redactor([secret])
    fields = {"detail": [secret, extra], "plain": secret}
    line = Line(1.0, "info", "x", f"{before}{secret}{after}", fields, f"Traceback\n{secret}")
    for text in (redact(as_json(line)), redact(as_text(line))):
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text


@given(st.text(max_size=200), st.dictionaries(st.text(min_size=1, max_size=8), NESTED, max_size=3))
def test_a_record_is_one_line_whatever_is_in_it(message: str, fields: dict[str, object]) -> None:
    line = Line(1.0, "info", "x", message, fields, "")
    text = as_json(line)
    assert "\n" not in text
    assert json.loads(text)["message"] == message
    assert "\n" not in as_text(line)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 10), max_size=50), st.text(max_size=20))
def test_the_page_can_be_read_and_counts_what_was_observed(values: list[float], label: str) -> None:
    exporter = Exporter()
    histogram = exporter.histogram("mm_quote_generation_duration_seconds")
    for value in values:
        histogram.observe(value)
    exporter.gauge("mm_build_info", version=label, release=label, config_hash="h").set(1)
    found = {}
    for family in text_string_to_metric_families(exporter.page().decode()):
        for sample in family.samples:
            found[sample.name, sample.labels.get("le"), sample.labels.get("version")] = sample.value
    assert found["mm_quote_generation_duration_seconds_count", None, None] == len(values)
    assert math.isclose(found["mm_quote_generation_duration_seconds_sum", None, None], sum(values), abs_tol=1e-9)
    at_most = sum(value <= 0.05 for value in values)
    assert found["mm_quote_generation_duration_seconds_bucket", "0.05", None] == at_most
    assert found["mm_build_info", None, label] == 1
