"""What a run of the tests tells the one that judges it: every failure with its last lines, every file's cost, the end.

``MM_OUTCOME`` names the file; a line of JSON for each. A run whose ``ended`` is missing broke off.
"""

import json
import os
import resource
from collections.abc import Generator
from typing import Any

import pytest

OUTCOME = "MM_OUTCOME"
LAST_LINES = 15


def _cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config))


class Recorder:
    """Registered in every process of a run; in a worker it measures, in the run's own process it writes."""

    def __init__(self, config: pytest.Config) -> None:
        self.path = "" if hasattr(config, "workerinput") else os.environ.get(OUTCOME, "")
        self.cpu = _cpu_seconds()

    def write(self, **line: Any) -> None:
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        before, self.cpu = self.cpu, _cpu_seconds()
        report.cpu = self.cpu - before  # type: ignore[attr-defined]  # carried from a worker as the report's own
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds, cpu = round(report.duration, 3), round(getattr(report, "cpu", 0.0), 3)
        self.write(event="phase", test=report.nodeid, when=report.when, seconds=seconds, cpu=cpu)
        if report.failed:
            self.write(event="failed", test=report.nodeid, when=report.when, said=_last_lines(report.longreprtext))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write(event="failed", test=report.nodeid, when="collect", said=_last_lines(report.longreprtext))

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C, or a test that called ``pytest.exit``, which may ask for any exit code."""
        self.write(event="interrupted")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.write(event="ended", code=int(exitstatus))


def _last_lines(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-LAST_LINES:])
