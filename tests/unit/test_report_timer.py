"""The units of the daily review's timer: what systemd itself says of them, and what they would run."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from mmctl.fleet.errors import UsageError
from mmctl.report.period import last_due
from mmctl.report.timer import Schedule, service, timer
from tests.needs import need_program
from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at

ODD = '/tmp/a folder/50%/$HOME/"quoted"\\x'


def made(folder: Path, **changes: object) -> Schedule:
    values: dict[str, object] = {"target": "desk:mm1", "at": "22:00", "zone": "Asia/Shanghai", "folder": str(folder)}
    return Schedule(**{**values, "command": ("/bin/echo", ODD), "environment": (("ODD", ODD),), **changes})  # type: ignore[arg-type]


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    need_program("systemd-analyze")
    schedule = made(tmp_path)
    files = {f"{schedule.name}.service": service(schedule), f"{schedule.name}.timer": timer(schedule)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    (tmp_path / f"{schedule.name}.timer").write_text(timer(schedule).replace("22:00:00", "25:00:00"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0, "systemd was really asked"


def test_the_calendar_means_that_time_in_that_zone(tmp_path: Path) -> None:
    need_program("systemd-analyze")
    line = next(line for line in timer(made(tmp_path)).splitlines() if line.startswith("OnCalendar="))
    command = ["systemd-analyze", "calendar", "--base-time=2026-03-05 00:00:00 UTC", line.partition("=")[2]]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "2026-03-05 14:00:00 UTC" in said.replace("Thu ", "")


def test_a_dry_run_shows_the_units_and_changes_nothing(
    mmctl: Mmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCTL_FLEET", str(Desk(tmp_path).fleet))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "units"))
    monkeypatch.setenv("MM_SMTP_PASSWORD", "a-secret-nobody-may-see")
    said = mmctl("report", "schedule", "desk", "--user", "--dry-run", "--at", "21:30", "--zone", "UTC")
    assert said.code == 0, said.err
    assert "OnCalendar=*-*-* 21:30:00 UTC" in said.out
    assert '"--send" "--due" "21:30"' in said.out
    assert "a-secret" not in said.out
    assert not (tmp_path / "units").exists()
    assert mmctl("report", "schedule", "desk", "--user", "--at", "25:00").code == 2
    assert mmctl("report", "schedule", "desk", "--user", "--zone", "Mars/Base").code == 2
    assert mmctl("report", "schedule", "desk", "--user", "--dry-run", "--language", "fr").code == 2
    refused = mmctl("report", "schedule", "desk", "--user")
    assert refused.code == 7, "a timer that can tell nobody"
    assert not (tmp_path / "units").exists()


@pytest.mark.parametrize(
    ("now", "meant"),
    [
        ("2026-03-05 22:00:00", date(2026, 3, 5)),
        ("2026-03-06 03:00:00", date(2026, 3, 5)),  # missed while the machine was off
        ("2026-03-06 21:59:59", date(2026, 3, 5)),
    ],
)
def test_a_timer_that_fires_late_still_means_its_own_day(now: str, meant: date) -> None:
    assert last_due("22:00", "Asia/Shanghai", at(now, "Asia/Shanghai")) == meant


def test_what_a_unit_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        service(made(tmp_path, command=("/bin/echo", "one\nExecStart=/bin/false")))
