"""Health: thresholds, the judgement of facts, the plugin's text, and the verb against a fake engine."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmctl.cli.health import _with_engine
from mmctl.client.engine import Client
from mmctl.client.metrics import parse
from mmctl.watch import plugin, probe
from mmctl.watch.health import Check, Facts, Feed, Status, evaluate, worst
from mmctl.watch.thresholds import DEFAULTS, parse_range, with_overrides
from tests.ui import samples
from tests.unit.conftest import Mmctl
from tests.unit.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: it is not waited for."""
    monkeypatch.setattr("mmctl.cli.beyond.ASK_SECONDS", 0.3)


GOOD = Facts(
    "mm1",
    process_alive=True,
    pid=4242,
    port=8080,
    port_open=True,
    log_errors=0,
    log_lines=1000,
    memory_used_percent=40.0,
    rss_bytes=200e6,
    cpu_percent=12.0,
    order_latency_p95_s=0.0014,
    feeds=(Feed("market:ETHUSDT", True, 0.1), Feed("user", True, None)),
    database_ok=True,
    database_lag_s=0.01,
    clock_skew_s=0.002,
    disk_free_percent=60.0,
    role="primary",
    quoting=True,
    breaker=0,
    unknown_orders=0,
)
SEEDS_EIGHT = ("process", "port", "log_errors", "memory", "cpu", "order_latency", "websocket", "database")


def status_of(facts: Facts, name: str) -> Status:
    return next(check.status for check in evaluate(facts) if check.name == name)


def test_a_good_engine_passes_every_check_and_the_eight_come_first() -> None:
    checks = evaluate(GOOD)
    assert {check.status for check in checks} == {Status.OK}
    assert tuple(check.name for check in checks)[:8] == SEEDS_EIGHT


def test_no_data_is_unknown_for_every_check_and_never_ok() -> None:
    checks = evaluate(Facts("mm1"))
    assert {check.status for check in checks} == {Status.UNKNOWN}


@pytest.mark.parametrize(
    ("change", "check", "status"),
    [
        ({"process_alive": False}, "process", Status.CRITICAL),
        ({"port_open": False}, "port", Status.CRITICAL),
        ({"sentinel_ok": True, "sentinel_age_s": 0.4}, "sentinel", Status.OK),
        ({"sentinel_ok": False, "sentinel_age_s": 9.0}, "sentinel", Status.CRITICAL),
        ({"sentinel_ok": False, "sentinel_age_s": None}, "sentinel", Status.WARNING),
        ({"errors": {"engine": "it does not answer"}}, "port", Status.CRITICAL),
        ({"log_errors": 11}, "log_errors", Status.WARNING),
        ({"log_errors": 10}, "log_errors", Status.OK),
        ({"log_errors": 51}, "log_errors", Status.CRITICAL),
        ({"log_lines": 0}, "log_errors", Status.UNKNOWN),
        ({"memory_used_percent": 96.0}, "memory", Status.CRITICAL),
        ({"cpu_percent": 85.0}, "cpu", Status.WARNING),
        ({"order_latency_p95_s": 0.051}, "order_latency", Status.WARNING),
        ({"order_latency_p95_s": 0.11}, "order_latency", Status.CRITICAL),
        ({"order_latency_p95_s": 0.11, "orders_timed": 20}, "order_latency", Status.CRITICAL),
        ({"order_latency_p95_s": 0.11, "orders_timed": 19}, "order_latency", Status.WARNING),
        ({"order_latency_p95_s": 0.01, "orders_timed": 1}, "order_latency", Status.OK),
        ({"order_latency_p95_s": float("nan")}, "order_latency", Status.UNKNOWN),
        ({"order_latency_p95_s": None, "role": "standby"}, "order_latency", Status.OK),
        ({"feeds": ()}, "websocket", Status.UNKNOWN),
        ({"feeds": (Feed("market", False, 0.1),)}, "websocket", Status.CRITICAL),
        ({"feeds": (Feed("market", True, 6.0),)}, "websocket", Status.WARNING),
        ({"feeds": (Feed("market", True, None),)}, "websocket", Status.UNKNOWN),
        ({"feeds": (Feed("market", True, 0.1), Feed("user", True, 900.0))}, "websocket", Status.OK),
        ({"feeds": (Feed("market", True, 0.1), Feed("orders", True, None))}, "websocket", Status.OK),
        ({"feeds": (Feed("market", True, 0.1), Feed("orders", False, None))}, "websocket", Status.CRITICAL),
        ({"database_ok": False}, "database", Status.CRITICAL),
        ({"database_lag_s": 31.0}, "database", Status.CRITICAL),
        ({"clock_skew_s": -0.3}, "clock", Status.WARNING),
        ({"clock_skew_s": 0.6}, "clock", Status.CRITICAL),
        ({"disk_free_percent": 4.0}, "disk", Status.CRITICAL),
        ({"quoting": False, "not_quoting_reason": "book is stale"}, "quoting", Status.WARNING),
        ({"quoting": False, "role": "standby"}, "quoting", Status.OK),
        ({"quoting": False, "role": "standby", "breaker": 3}, "quoting", Status.CRITICAL),
        ({"unknown_orders": 1}, "unknown_orders", Status.WARNING),
    ],
)
def test_each_fact_is_judged_by_its_own_bounds(change: dict[str, object], check: str, status: Status) -> None:
    assert status_of(replace(GOOD, **change), check) == status  # type: ignore[arg-type]


def test_what_is_broken_outweighs_what_is_unknown_which_outweighs_a_warning() -> None:
    assert worst([Status.OK, Status.WARNING, Status.UNKNOWN]) is Status.UNKNOWN
    assert worst([Status.UNKNOWN, Status.CRITICAL]) is Status.CRITICAL
    assert worst([]) is Status.UNKNOWN


@pytest.mark.parametrize(
    ("text", "fine", "bad"),
    [
        ("10", (0, 5, 10), (-0.1, 10.1)),
        ("10:", (10, 1e9), (9.9, -1)),
        ("~:10", (-1e9, 10), (10.1,)),
        ("10:20", (10, 20), (9, 21)),
        ("@10:20", (9.9, 20.1), (10, 15, 20)),
        ("-0.5:0.5", (-0.5, 0, 0.5), (-0.6, 0.6)),
        ("0", (0,), (1, -1)),
    ],
)
def test_nagios_ranges_mean_what_the_guidelines_say(text: str, fine: tuple[float, ...], bad: tuple[float, ...]) -> None:
    found = parse_range(text)
    assert [value for value in fine if found.alerts(value)] == []
    assert [value for value in bad if not found.alerts(value)] == []
    assert found.alerts(float("nan"))


@pytest.mark.parametrize("text", ["", "@", "high", "20:10", "10:20:30", "1,5", "~"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)


def test_an_override_of_an_unknown_check_names_the_nearest() -> None:
    assert with_overrides(DEFAULTS, ["cpu=50"], [])["cpu"].warn == parse_range("50")
    with pytest.raises(ValueError, match="did you mean memory"):
        with_overrides(DEFAULTS, ["memroy=50"], [])


def test_nagios_output_is_one_line_with_performance_data_and_nothing_that_could_break_it() -> None:
    bad = Check("port", Status.CRITICAL, "pipe | and\nnewline", 1.0)
    first, *rest = plugin.nagios([("mm1", [*evaluate(GOOD), bad])]).splitlines()
    assert first.startswith("MARKET-MAKER CRITICAL - mm1 port: pipe / and newline | ")
    assert rest == []
    perf = first.split(" | ")[1].split(" ")
    assert "'order_latency'=0.0014s;0.05;0.1" in perf
    assert "'clock'=0.002s;-0.25:0.25;-0.5:0.5" in perf


def test_prometheus_output_is_read_by_our_own_parser() -> None:
    from mmctl.client.metrics import parse

    page = parse(plugin.prometheus([("mm1", evaluate(replace(GOOD, process_alive=False)))]))
    assert page.value("mm_health_check_status", check="process", host="mm1") == 2
    assert page.value("mm_health_check_value", check="cpu") == 12.0
    assert page.bad_lines == 0


def probe_of(**parts: object) -> probe.Probe:
    arguments = {"pid_command": f"echo {os.getpid()}", "port": 1, "log": "/nonexistent", "disk": "/"} | parts
    text = probe.script(**arguments)  # type: ignore[arg-type]
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    return probe.read(done.stdout)


def test_the_probe_finds_out_about_this_very_process(engine: FakeEngine, tmp_path: Path) -> None:
    log = tmp_path / "a log.txt"
    log.write_text('{"level":"error"}\n{"level": "info"}\nx ERROR y\n' * 2)
    seen = probe_of(port=engine.port, log=str(log))
    assert seen.alive is True
    assert seen.pid == os.getpid()
    assert seen.port_open is True
    assert seen.rss_bytes is not None
    assert seen.rss_bytes > 1e6
    assert seen.memory_used_percent is not None
    assert 0 < seen.memory_used_percent < 100
    assert seen.cpu_percent is not None
    assert (seen.log_lines, seen.log_errors) == (6, 4)
    assert seen.clock_s == pytest.approx(time.time(), abs=5)


def test_the_probe_tells_a_dead_process_and_a_missing_log() -> None:
    seen = probe_of(pid_command="echo 4194303")
    assert seen.alive is False
    assert seen.port_open is False
    assert seen.cpu_percent is None
    assert seen.log_lines == 0


def test_a_probe_that_printed_nonsense_knows_nothing() -> None:
    assert probe.read("alive\npid=x\ncpu0=\x00\nlisten=?") == probe.Probe()


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch, fleet: Path, tmp_path: Path) -> None:
    """The service manager of this fleet names this very process, and the log is clean."""
    from mmctl.remote import units

    monkeypatch.setattr(units, "state", lambda layout, python: f"echo MainPID={os.getpid()}")
    (tmp_path / "root/shared/log/engine.log").write_text('{"level":"info"}\n' * 5)


LOOSE = ("-w", "memory=100", "-c", "memory=100", "-w", "disk=0:", "-c", "disk=0:", "-w", "cpu=1000", "-c", "cpu=1000")


@pytest.mark.usefixtures("alive")
def test_health_of_a_good_engine_is_ok_in_every_format(mmctl: Mmctl, engine: FakeEngine) -> None:
    for form in ("human", "nagios", "json", "prometheus"):
        said = mmctl("health", "here", "--format", form, *LOOSE)
        assert said.code == 0, said.out
    document = mmctl("health", "--json", *LOOSE).events[0]
    assert document["status"] == "OK"
    assert [check["name"] for check in document["checks"]][:8] == list(SEEDS_EIGHT)
    assert set(document["checks"][0]) >= {"name", "status", "value", "unit", "warn", "crit", "message"}


@pytest.mark.usefixtures("alive")
def test_health_of_a_halted_engine_is_critical(mmctl: Mmctl, engine: FakeEngine) -> None:
    engine.state = samples.state(as_of_ns=time.time_ns(), risk__breaker={"state": "halted", "code": 3})
    said = mmctl("health", "--format", "nagios", *LOOSE)
    assert said.code == 2
    assert "quoting: halted" in said.out


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("mode", ["refuse", "garbage", "html", "hang_up"])
def test_an_engine_that_answers_nonsense_is_critical(mode: str, mmctl: Mmctl, engine: FakeEngine) -> None:
    engine.mode = mode
    said = mmctl("health", "--format", "nagios", *LOOSE)
    assert said.code == 2
    assert said.out.startswith("MARKET-MAKER CRITICAL - here port: port")


def test_a_dead_engine_is_critical(mmctl: Mmctl, fleet: Path, engine: FakeEngine) -> None:
    engine.close()
    said = mmctl("health", "--format", "nagios")
    assert said.code == 2
    assert "process: not running" in said.out


def test_a_host_that_cannot_be_reached_is_unknown_and_never_ok(mmctl: Mmctl, tmp_path: Path) -> None:
    fleet = tmp_path / "far.yaml"
    fleet.write_text(
        "targets:\n  far:\n    account: a\n    hosts:\n"
        "      - {name: h, address: 127.0.0.1, port: 1, key: /nonexistent}\n"
    )
    said = mmctl("health", "far", "--fleet", str(fleet), "--format", "nagios")
    assert said.code == 3
    assert said.out.startswith("MARKET-MAKER UNKNOWN")


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("mm_clock_skew_seconds -1.5", -1.5),
        ("mm_clock_skew_seconds 0", 0.7),
        ("mm_quoting 1", 0.7),
    ],
    ids=["measured", "never-measured", "absent"],
)
def test_the_clock_is_our_own_measurement_where_the_engine_has_none(page: str, shown: float) -> None:
    own = Facts("mm1", clock_skew_s=0.7, clock_source="between this host and that one")
    client = Client(None, 8080)  # type: ignore[arg-type]
    found = _with_engine(own, {}, None, parse(page + "\n"), client)
    assert found.clock_skew_s == shown
    assert ("exchange" in found.clock_source) == (shown == -1.5)
