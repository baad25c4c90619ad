"""The rules: the desk's own word for word, each alert leading somewhere, an edited file judged by the line."""

import re
from typing import Any

import pytest
import yaml

from mmctl.cli.verbs import VERBS
from mmctl.monitoring import alerting, boards
from mmctl.monitoring.plan import COMMITTED
from mmctl.monitoring.rules import anomaly
from mmctl.monitoring.rules.anomaly import Usual
from mmctl.monitoring.rules.check import Pages, anchors, faults, unanswered
from mmctl.monitoring.rules.deviations import DEVIATIONS
from mmctl.monitoring.rules.names import metric_of, recorded, series_of
from mmctl.monitoring.rules.rule import Priority
from mmctl.monitoring.rules.table import alerts, groups
from mmctl.monitoring.rules.text import Links, render
from tests.needs import ROOT
from tests.unit.conftest import Mmctl

RUNBOOKS = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
BOARDS = ("trading_overview", "performance_metrics", "risk_monitoring", "system_health", "pnl_analysis")
PAGES = Pages(anchors(RUNBOOKS), {board: frozenset({1, 2}) for board in BOARDS})
RULES = render(groups(), Links(), lambda shows: None)


def seed_rules() -> list[tuple[str, dict[str, Any]]]:
    seeds = yaml.safe_load((ROOT / "tests/monitoring/seed_alerts.yml").read_text(encoding="utf-8"))
    return [(seed, rule) for seed, text in seeds.items() for group in text["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(("seed", "wanted"), seed_rules(), ids=lambda value: str(value)[:40])
def test_an_alert_of_the_desk_stands_word_for_word(seed: str, wanted: dict[str, Any]) -> None:
    written = [rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]
    same = [rule for rule in written if rule.get("alert") == wanted["alert"] and rule["expr"] == wanted["expr"]]
    assert len(same) == 1
    assert same[0]["for"] == wanted["for"]
    assert same[0]["labels"]["severity"] == wanted["labels"]["severity"]
    for key, text in wanted["annotations"].items():
        assert same[0]["annotations"][key] == text, seed


def test_the_desks_alerts_are_evaluated_every_half_minute_and_the_urgent_ones_every_half_second() -> None:
    intervals = {group["name"]: group["interval"] for group in yaml.safe_load(RULES)["groups"]}
    assert {interval for name, interval in intervals.items() if name.startswith("trading_alerts")} == {"30s"}
    assert intervals["urgent"] == "500ms"


def test_the_two_alerts_of_one_name_stand_in_groups_of_their_own_and_say_their_stage() -> None:
    stages = {
        group["name"]: rule["labels"]["stage"]
        for group in yaml.safe_load(RULES)["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "HighLatency"
    }
    assert stages == {"trading_alerts_quote_latency": "quote", "trading_alerts_order_latency": "order"}


def test_every_rule_reads_what_engines_tell_and_leads_to_a_runbook_and_a_dashboard() -> None:
    assert faults(RULES, "rules.yml", PAGES) == []


def test_every_alert_and_every_anomaly_leads_to_a_panel_that_there_is() -> None:
    numbers = boards.numbers()
    shown = [alert.shows for alert in alerts()] + [watched.shows for watched in anomaly.WATCHED]
    assert [shows for shows in shown if shows.panel not in numbers[shows.board]] == []


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    names = {alert.name for alert in alerts()} | {anomaly.NAME}
    assert unanswered(names, PAGES) == []
    headings = set(re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE))
    assert headings == names


def test_a_runbook_names_only_commands_that_exist() -> None:
    for words in re.findall(r"`mmctl ([^`]+)`", RUNBOOKS):
        verb, *rest = words.split()
        if verb == "monitoring":  # its own sub-verbs are held to the table below
            assert rest[0] in ("render", "push", "check", "baseline", "test-alert", "relay"), words
            continue
        assert verb in VERBS, words
        if VERBS[verb].subverbs and rest:
            assert rest[0] in VERBS[verb].subverbs, words


def test_a_command_of_a_runbook_takes_what_is_given_to_it_and_is_given_what_it_needs(mmctl: Mmctl) -> None:
    account = ("halt", "cancel", "flatten", "resume", "breaker reset", "journal accept")
    for words in sorted({found for found in re.findall(r"`mmctl ([^`]+)`", RUNBOOKS) if "TARGET" in found}):
        said = mmctl(*words.split(), "--help")
        assert said.code == 0, (words, said.err)
        if words.startswith(account):
            assert "--confirm ACCOUNT" in words, words
        if words.startswith(("breaker reset", "journal accept")):
            assert "--reason WHY" in words, words
        if words.startswith("backup prune"):
            assert "--keep-" in words, words


def test_the_page_of_runbooks_shows_the_steps_of_escalation_and_every_deviation() -> None:
    for priority in Priority:
        answer = {300: "5 minutes", 900: "15 minutes", 3600: "1 hour", 86400: "1 day"}[priority.answer_s]
        assert f"| {priority.name} | {priority.means} | {answer} | {priority.who} |" in RUNBOOKS
    for deviation in DEVIATIONS:
        row = f"| {deviation.matter} | {deviation.asked} | {deviation.done} | {deviation.reason} |"
        assert row in RUNBOOKS, deviation.matter


def test_the_deviations_name_alerts_that_exist() -> None:
    names = {alert.name for alert in alerts()}
    for deviation in DEVIATIONS:
        for word in re.findall(r"`([A-Z]\w+)`", deviation.done):
            assert word in names, word


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("risk_level >= 3", "risk_levle >= 3", "no engine tells risk_levle (did you mean risk_level?)"),
        ('outcome="placed"', 'outcome="plaecd"', "mm_orders_total has no outcome 'plaecd' (did you mean placed?)"),
        ('outcome="placed"', 'out="placed"', "mm_orders_total has no label out"),
        ("priority: P0", "priority: P9", "HighLoss needs a priority"),
        ("severity: critical", "severity: bad", "HighLoss needs a severity"),
        ("#highloss", "#hihgloss", "HighLoss: the runbooks have no heading 'hihgloss'"),
        ("/d/trading_overview", "/d/trading", "HighLoss: there is no dashboard 'trading'"),
        ("/d/trading_overview", "/d/trading_overview?viewPanel=77", "dashboard trading_overview has no panel 77"),
        ("summary: 高亏损告警", 'summary: ""', "HighLoss needs a summary"),
        ("[5m])) > 0.1", "[5m])) > 0.11", "has no bucket at 0.11"),
        ("stage: order", "stage: quote", ""),
    ],
)
def test_a_rule_edited_by_hand_is_told_with_its_line(before: str, after: str, said: str) -> None:
    assert before in RULES
    edited = RULES.replace(before, after, 1)
    line = RULES[: RULES.index(before)].count("\n") + 1
    found = faults(edited, "rules.yml", PAGES)
    if not said:  # the other HighLatency has another expression and priority, so both may stand
        assert found == []
        return
    assert any(said in fault for fault in found), found
    near = [int(match[1]) for fault in found if (match := re.match(r"rules\.yml:(\d+)", fault))]
    assert any(abs(number - line) <= 4 for number in near), (found, line)


def test_a_file_that_is_no_rules_file_is_said_to_be_none() -> None:
    assert "rules stand under `groups:`" in faults("route: {receiver: a}\n", "r.yml", PAGES)[0]
    assert "this is not valid YAML" in faults("groups: [\n", "r.yml", PAGES)[0]


def test_the_reader_of_expressions_finds_names_and_nothing_else() -> None:
    expr = 'max by (account) (max_over_time(mm_lease_held{role="up"}[15s])) == 0 and on (instance) up == 1'
    assert series_of(expr) == ["mm_lease_held", "up"]
    assert series_of('avg_over_time((stage:mm_x:p95{stage="ack"})[5m:30s]) - 1.5e-05') == ["stage:mm_x:p95"]
    assert metric_of("order_latency_histogram_bucket") is metric_of("mm_order_latency_seconds_count") is not None
    assert metric_of("mm_fills_total_bucket") is None


def test_every_metric_an_alert_reads_has_a_partner_for_its_absence() -> None:
    partners = {dict(alert.labels).get("metric") for alert in alerts() if alert.name == "SeriesMissing"}
    known = recorded(groups())
    from mmctl.monitoring.rules.absent import RIGHTLY_ABSENT
    from mmctl.monitoring.rules.names import metrics_read

    read = {metric.name for _, metric in metrics_read(alerts(), known)}
    assert read - partners == set(RIGHTLY_ABSENT)


def test_without_a_baseline_there_is_no_anomaly_rule_and_a_bad_one_is_refused() -> None:
    assert "BaselineDeviation" not in RULES
    with_one = render(groups({"memory_bytes": Usual(1e8, 1e6, 500)}), Links(), lambda shows: None)
    assert "abs(avg_over_time((mm_memory_bytes)[5m:30s]) - 100000000) / 1000000 > 4" in with_one
    assert faults(with_one, "rules.yml", PAGES) == []
    for key, usual in (
        ("no_such", Usual(1, 1, 9)),
        ("memory_bytes", Usual(1, 0, 9)),
        ("memory_bytes", Usual(1, float("nan"), 9)),
    ):
        with pytest.raises(ValueError, match=key):
            groups({key: usual})


def test_the_check_judges_the_committed_rules_and_says_what_is_not_there() -> None:
    text = (ROOT / "deployments" / alerting.FILE).read_text(encoding="utf-8")
    assert alerting.faults(text, "rules.yml") == []
    assert "no engine tells mm_no_such" in alerting.faults(text.replace("mm_quoting[", "mm_no_such["), "rules.yml")[0]
    assert [note.partition(":")[0] for note in alerting.lacking(COMMITTED)] == ["no baseline", "no channel"]
