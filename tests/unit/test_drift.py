"""Whether an engine runs with what lies on its host."""

from typing import Any

import pytest

from mmctl.watch.drift import OnHost, drift, read
from mmctl.watch.health import Facts, Status, evaluate


def state(**engine: Any) -> dict[str, Any]:
    return {"engine": engine}


@pytest.mark.parametrize(
    ("engine", "there", "said"),
    [
        ({"config_sha256": "ab", "release": "r1"}, OnHost("ab", "r1"), ""),
        ({"config_sha256": "ab", "release": "r1"}, OnHost("cd", "r1"), "(cd) is not the one the engine runs with (ab)"),
        ({"config_sha256": "ab", "release": "r1"}, OnHost("", "r1"), "gone from the host"),
        ({"config_sha256": "ab", "release": "r1"}, OnHost("ab", "r2"), "release r1 runs, but r2 is current"),
        ({"release": "r1"}, OnHost("ab", "r1"), ""),
        ({"config_sha256": "ab", "release": "dev"}, OnHost("ab", "r1"), ""),
    ],
)
def test_drift_is_told_with_both_sides(engine: dict[str, Any], there: OnHost, said: str) -> None:
    told = drift(state(**engine), there)
    assert said in told
    assert bool(told) == bool(said)


def test_what_cannot_be_read_is_left_out() -> None:
    assert read("config=ab\ncurrent=r1\nport=8081\n") == OnHost("ab", "r1", 8081)
    assert read("current=\nport=x\n") == OnHost()
    assert drift({}, OnHost("ab")) == ""


def test_health_warns_of_drift_and_says_nothing_where_it_is_not_known() -> None:
    found = {check.name: check for check in evaluate(Facts("h", drift="the file differs"))}
    assert (found["drift"].status, found["drift"].message) == (Status.WARNING, "the file differs")
    assert {c.name: c for c in evaluate(Facts("h", drift=""))}["drift"].status == Status.OK
    assert "drift" not in {check.name for check in evaluate(Facts("h"))}
