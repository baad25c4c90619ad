"""Runs what a plan names side by side, judges it, and says why: ``python scripts/run_tests.py .ci/plan.toml``.

Ends with the slowest files, the failed tests with their last lines, the file that holds all output, and the time.
``--once-more`` runs failed tests again, alone: one that then passes is named FLAKY and does not fail the whole. What
broke off (no end was recorded, or an end that is neither "passed" nor "tests failed") is never a pass. Exits 0 or 1.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

KEEP = "MM_CHECKS"  # names the folder that holds the output; without it .run/checks beside the plan's project
KEPT = 5  # outputs of earlier runs
SLOWEST = 10
NO_ACCIDENT = 10  # more failed tests than this are not tried again
LAST_LINES = 30
END_S = 30.0  # a run that is interrupted has this long to take down what it started
TICK_S = 0.2
HEARTBEAT_S = 60.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP arrived."""


@dataclass
class Outcome:
    """What a run of pytest told by ``tests.record``: failures in order, costs a file, and how each part ended."""

    failed: dict[str, str] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)
    processor: Counter[str] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    ended: list[int] = field(default_factory=list)
    interrupted: bool = False


def read_outcome(path: Path) -> Outcome:
    """The outcome in a file of JSON lines; an absent file, or a line cut short, is an outcome without an end."""
    found = Outcome()
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        match told["event"]:
            case "phase":
                file = told["test"].partition("::")[0]
                found.seconds[file] += told["seconds"]
                found.processor[file] += told["cpu"]
                found.tests[file] += told["when"] == "setup"
            case "failed":
                said = found.failed.get(told["test"], "")
                found.failed[told["test"]] = f"{said}\n({told['when']})\n{told['said']}".lstrip()
            case "interrupted":
                found.interrupted = True
            case "ended":
                found.ended.append(told["code"])
    return found


@dataclass
class Run:
    """One command of the plan, in a process group of its own."""

    name: str
    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    tests: bool = False  # it is pytest, and its outcome counts
    nice: int = 0
    stage: int = 1  # what has the same number runs side by side, after everything of a smaller one
    shown: bool = False  # its output is shown, not only kept
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    seconds: float = 0.0

    @property
    def output(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def told(self) -> Path:
        return self.folder / f"{self.name}.jsonl"

    def start(self) -> None:
        words = [sys.executable if word == "python" else word for word in self.command]
        environment = os.environ | self.environment | {"MM_OUTCOME": str(self.told)}
        # Hundreds of processes are started: each would compile all that it imports, a second and more, and forget it.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        counts = self.environment.get("COVERAGE_FILE")
        if counts:  # what an earlier run counted is not counted again
            Path(counts).parent.mkdir(parents=True, exist_ok=True)
            Path(counts).unlink(missing_ok=True)
        self.started = time.monotonic()
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(
                ["nice", "-n", str(self.nice), *words], env=environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def ended(self) -> bool:
        if self.process is None or self.process.poll() is None:
            return False
        if not self.seconds:
            self.seconds = time.monotonic() - self.started
        return True

    def stop(self) -> None:
        """Ask the whole group to end, then make it."""
        if self.process is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_S)

    def trouble(self, outcome: Outcome) -> str:
        """Why this run counts as failed beside the tests that failed in it; "" where nothing else is wrong."""
        code = self.process.poll() if self.process else None
        if code is None:
            return "did not end in time"
        if not self.tests:
            return f"exit code {code}" if code else ""
        if outcome.interrupted or outcome.ended != [code] or code not in (0, 1):
            return f"broke off (exit code {code}, recorded ends {outcome.ended or 'none'})"
        if bool(outcome.failed) != bool(code):
            return f"exit code {code}, but {len(outcome.failed)} failed tests were recorded"
        return ""


def last_lines(path: Path, count: int = LAST_LINES) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join(f"    {line}" for line in lines[-count:])


class Suite:
    """The runs of a plan, and what is said about them. ``say`` prints and keeps."""

    def __init__(self, plan: dict[str, Any], folder: Path, wanted: list[str], without: list[str]) -> None:
        self.plan, self.folder = plan, folder
        self.whole = folder / "output.log"
        chosen = [
            spec for spec in plan["run"] if (not wanted or spec["name"] in wanted) and spec["name"] not in without
        ]
        self.runs = [self._run(spec) for spec in chosen]
        self.troubles: list[str] = []

    def _run(self, spec: dict[str, Any]) -> Run:
        more = {name: spec[name] for name in ("environment", "tests", "nice", "stage", "shown") if name in spec}
        return Run(spec["name"], shlex.split(spec["command"]), self.folder, **more)

    def say(self, text: str) -> None:
        print(text, flush=True)
        with open(self.whole, "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def keep_output(self, run: Run) -> None:
        with open(self.whole, "ab") as whole:
            whole.write(f"\n===== {run.name}: {shlex.join(run.command)} =====\n".encode())
            with open(run.output, "rb") as part:
                shutil.copyfileobj(part, whole)

    def run_all(self, runs: list[Run], deadline: float) -> None:
        """Start all at once and wait for the last; whatever runs at the deadline, or when we are stopped, is ended."""
        waiting, beat = list(runs), time.monotonic() + HEARTBEAT_S
        try:
            for run in runs:
                run.start()
            while waiting and time.monotonic() < deadline:
                for run in [one for one in waiting if one.ended()]:
                    waiting.remove(run)
                    self.keep_output(run)
                    self.finished(run)
                if time.monotonic() > beat:
                    beat += HEARTBEAT_S
                    self.say("running: " + ", ".join(self.progress(run) for run in waiting))
                time.sleep(TICK_S)
        finally:
            for run in waiting:
                run.stop()
                if run.output.exists():
                    self.keep_output(run)
                self.troubles.append(f"{run.name}: was stopped before its end\n{last_lines(run.output)}")

    def progress(self, run: Run) -> str:
        outcome = read_outcome(run.told)
        return f"{run.name} ({outcome.tests.total()} tests, {len(outcome.failed)} failed)" if run.tests else run.name

    def finished(self, run: Run) -> None:
        trouble = run.trouble(read_outcome(run.told))
        if run.shown:
            self.say(run.output.read_text(errors="replace").rstrip())
        if run.tests:
            self.say(last_lines(run.output, 1).strip())  # pytest's own count: passed, failed, skipped
        self.say(f"{self.progress(run)}: {trouble or 'came to its end'} after {run.seconds:.0f} s")
        if trouble:
            self.troubles.append(f"{run.name}: {trouble}\n{last_lines(run.output)}")

    def failed(self) -> dict[str, tuple[str, Run]]:
        outcomes = ((run, read_outcome(run.told)) for run in self.runs if run.tests)
        return {test: (said, run) for run, outcome in outcomes for test, said in outcome.failed.items()}

    def once_more(self, failed: dict[str, tuple[str, Run]], deadline: float) -> list[str]:
        """Run each alone, in its run's environment. Returns those that pass now."""
        flaky = []
        for number, (test, (_, run)) in enumerate(failed.items(), 1):
            words = [*shlex.split(self.plan["again"]), test]
            again = Run(f"again-{number}", words, self.folder, run.environment, tests=True)
            kept = len(self.troubles)
            self.run_all([again], deadline)
            outcome = read_outcome(again.told)
            if len(self.troubles) == kept and not outcome.failed and outcome.tests.total():
                flaky.append(test)
            del self.troubles[kept:]
        return flaky

    def slowest(self) -> str:
        total = Outcome()
        for run in self.runs:
            found = read_outcome(run.told)
            total.seconds.update(found.seconds)
            total.processor.update(found.processor)
            total.tests.update(found.tests)
        rows = [
            f"{seconds:10.1f} {total.processor[file]:10.1f} {total.tests[file]:6d}  {file}"
            for file, seconds in total.seconds.most_common(SLOWEST)
        ]
        return "\n".join([f"the slowest files:\n{'seconds':>10} {'processor':>10} {'tests':>6}  file", *rows])


def judge(suite: Suite, once_more: bool, minutes: float) -> int:
    """Run everything, say everything; 0 where nothing failed that did not pass alone."""
    started = time.monotonic()
    deadline = started + minutes * 60
    flaky: list[str] = []
    failed: dict[str, tuple[str, Run]] = {}
    try:
        for stage in sorted({run.stage for run in suite.runs}):
            suite.run_all([run for run in suite.runs if run.stage == stage], deadline)
        failed = suite.failed()
        if once_more and failed:
            if len(failed) > NO_ACCIDENT:
                suite.say(f"{len(failed)} tests failed: no accident, none is run again")
            else:
                suite.say(f"once more, alone: {len(failed)} that failed")
                flaky = suite.once_more(failed, deadline)
    except Stopped as stopped:
        failed = suite.failed()
        suite.troubles.append(f"stopped by {stopped}")
    if any(run.tests for run in suite.runs):
        suite.say(suite.slowest())
    for trouble in suite.troubles:
        suite.say(f"FAILED {trouble}")
    for test, (said, _) in failed.items():
        indented = "\n".join(f"    {line}" for line in said.splitlines())
        suite.say(f"{'FLAKY' if test in flaky else 'FAILED'} {test}\n{indented}")
    bad = bool(suite.troubles) or len(flaky) < len(failed)
    for word, names in (("FAILED", [test for test in failed if test not in flaky]), ("FLAKY", flaky)):
        for test in names:
            suite.say(f"{word}: {test}")
    spent = time.monotonic() - started
    suite.say(f"the whole output: {suite.whole}")
    suite.say(f"{'FAILED' if bad else 'PASSED'} after {spent // 60:.0f} min {spent % 60:.0f} s")
    return int(bad)


def new_folder(keep: Path) -> Path:
    """A folder for this run's output; the oldest of earlier ones go."""
    keep.mkdir(parents=True, exist_ok=True)
    for old in sorted(path for path in keep.iterdir() if path.is_dir())[: -(KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)
    folder = keep / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder.mkdir()
    return folder


def _stop(number: int, frame: FrameType | None) -> None:
    for each in STOPS:  # a second one does not keep the first from taking everything down
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run a plan's tests side by side and say what failed, and why.")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--only", action="append", default=[], metavar="RUN", help="this run alone (may be repeated)")
    parser.add_argument("--without", action="append", default=[], metavar="RUN", help="all runs but this")
    parser.add_argument("--once-more", action="store_true", help="failed tests again, alone: FLAKY where they pass")
    options = parser.parse_args(words)
    plan = tomllib.loads(options.plan.read_text())
    unknown = {*options.only, *options.without} - {spec["name"] for spec in plan["run"]}
    if unknown:
        parser.error(f"{options.plan} has no run named {', '.join(sorted(unknown))}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    folder = new_folder(Path(os.environ.get(KEEP) or ".run/checks").absolute())
    suite = Suite(plan, folder, options.only, options.without)
    return judge(suite, options.once_more, float(plan["minutes"]))


if __name__ == "__main__":
    sys.exit(main())
