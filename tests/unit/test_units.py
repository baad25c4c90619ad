"""Every service's unit: what it could do if it were taken over, by systemd's own judgement, and what it may use up."""

import re
import subprocess
from pathlib import Path

import pytest

from engine.telemetry.descriptors import WANTED
from mmctl.report.timer import Schedule, service
from tests.needs import ROOT, need_program

#: Exposure, as `systemd-analyze security` counts it: 0 could do nothing, 10 everything.
RUNS_ALL_DAY = 1.5
RUNS_AND_ENDS = 2.5  # as root, and for seconds
#: Root all day, because going back changes units, links and secrets; what it may do besides is what a backup may.
ROOT_ALL_DAY = {"market-maker-guard.service": 2.1}
SERVICES = sorted(path.name for path in (ROOT / "systemd").glob("*.service"))
LIMITS = ("MemoryMax", "TasksMax", "LimitNOFILE", "LimitCORE")


def settings(text: str) -> dict[str, list[str]]:
    """The values of every key of a unit, comments left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def exposure(file: Path) -> float:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_was_taken_over_can_do_little(name: str) -> None:
    need_program("systemd-analyze")
    once = settings((ROOT / "systemd" / name).read_text())["Type"] == ["oneshot"]
    assert exposure(ROOT / "systemd" / name) <= (RUNS_AND_ENDS if once else ROOT_ALL_DAY.get(name, RUNS_ALL_DAY))


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_takes_a_host_down_with_it_or_leaves_its_memory_in_a_file(name: str) -> None:
    unit = settings((ROOT / "systemd" / name).read_text())
    assert [limit for limit in LIMITS if limit not in unit] == []
    assert unit["LimitCORE"] == ["0"]
    assert "CPUQuota" in unit or "CPUWeight" in unit
    if unit["Type"] == ["oneshot"]:
        assert "TimeoutStartSec" in unit, "systemd lets a oneshot run for ever"


def test_the_engine_may_open_as_many_files_as_it_asks_for() -> None:
    unit = settings((ROOT / "systemd/market-maker.service").read_text())
    assert unit["LimitNOFILE"] == [str(WANTED)]


@pytest.mark.parametrize("user", ["", "desk"])
def test_the_daily_review_has_limits_and_gains_no_rights(user: str, tmp_path: Path) -> None:
    text = service(Schedule("production", "22:00", "UTC", ("mmctl", "report", "daily"), "/home/desk", user=user))
    unit = settings(text)
    assert [limit for limit in LIMITS if limit not in unit] == []
    assert unit["NoNewPrivileges"] == ["yes"]
    if user:  # a person's own systemd may not do the rest
        need_program("systemd-analyze")
        file = tmp_path / "mmctl-report-production.service"
        file.write_text(text)
        assert exposure(file) <= RUNS_AND_ENDS
