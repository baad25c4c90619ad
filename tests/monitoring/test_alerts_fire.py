"""Each alert under promtool: silent just below, firing just beyond, through a gap, ended, with all its words."""

import pytest

from mmctl.monitoring.rules.rule import Alert
from mmctl.monitoring.rules.table import alerts
from tests.monitoring.alert_cases import CASES
from tests.monitoring.mutants import all_mutants, survivors
from tests.monitoring.promtool import SPECIAL, matching, records_of, rules_text, run, special_test, unit_test
from tests.needs import need_program


def paired() -> list[tuple[str, Alert]]:
    return [(f"{index}-{alert.name}", alert) for index, alert in enumerate(alerts())]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """promtool's word on every alert that has a case, all in one run."""
    need_program("promtool")
    folder = tmp_path_factory.mktemp("promtool")
    files = {}
    for name, alert in paired():
        for case in CASES:
            if matching(alert, case):
                files[name] = (rules_text(alert, records_of(alert)), unit_test(alert, case, f"{name}.rules.yml"))
        if alert.name in SPECIAL:
            files[name] = (rules_text(alert, ()), special_test(alert, f"{name}.rules.yml"))
    return run(folder, files)


@pytest.mark.parametrize(("name", "alert"), paired(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_alert_is_silent_fires_bridges_a_gap_and_ends(verdicts: dict[str, str], name: str, alert: Alert) -> None:
    assert verdicts[name] == ""


def test_no_change_of_a_rule_goes_unnoticed() -> None:
    need_program("promtool")
    changed = all_mutants()
    assert sum(map(len, changed.values())) > 800
    assert survivors(changed) == []
