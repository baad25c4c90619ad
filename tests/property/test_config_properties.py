"""Whatever a file holds, loading gives a configuration or errors in words, and never shows a secret."""

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.config.errors import ConfigErrors
from engine.config.load import load_text
from engine.config.schema import Config
from engine.config.values import Duration
from tests.unit.test_config_load import ENV, GOOD, SECRET

LINES = GOOD.splitlines()
JUNK = st.one_of(
    st.text(max_size=30), st.sampled_from(["[", "}", "a: b: c", "&a *a", "!!python/object:os.system x", "${", "- -"])
)


def outcome(text: str) -> Config | ConfigErrors:
    try:
        return load_text(text, "c.yaml", ENV)
    except ConfigErrors as errors:
        return errors


@given(st.text())
def test_any_text_is_a_configuration_or_errors_in_words(text: str) -> None:
    found = outcome(text)
    assert isinstance(found, Config) or (found.errors and all(error.message for error in found.errors))


@given(st.integers(0, len(LINES) - 1), JUNK)
def test_a_damaged_line_is_an_error_in_words_and_shows_no_secret(at: int, junk: str) -> None:
    found = outcome("\n".join([*LINES[:at], LINES[at] + junk, *LINES[at + 1 :]]))
    assert SECRET not in str(found)
    assert SECRET not in repr(found)


@given(
    st.sampled_from([line.strip().split(":")[0] for line in LINES if not line.endswith(":")]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.lists(st.integers(), max_size=2)
    ),
)
def test_a_value_of_any_kind_is_taken_exactly_or_refused(key: str, value: object) -> None:
    text = "\n".join(
        f"{line.split(':')[0]}: {json.dumps(value)}" if line.strip().startswith(f"{key}:") else line for line in LINES
    )
    found = outcome(text)
    if isinstance(found, Config) and key in ("base_size", "max_inventory") and isinstance(value, int | float):
        assert float(getattr(found.strategy, key)) == float(value)


@given(st.integers(0, 10**18))
def test_a_duration_survives_being_written_and_read(ns: int) -> None:
    assert Duration.parse(str(Duration(ns))) == ns
