"""What judges a change, judged: a tiny suite that passes, fails, fails once, breaks off, and what is said of each."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.needs import ROOT

RUNNER = ROOT / "scripts/run_tests.py"
PYTEST = "python -m pytest -q -p no:cacheprovider -p tests.record --rootdir ."
GOOD = "def test_good():\n    pass\n"
BAD = "def test_bad():\n    print('first words')\n    assert 2 + 2 == 5, 'arithmetic is broken'\n"
ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first, "not the first time"
"""


class Suite:
    """A folder with tests and a plan; ``run`` judges it as a change is judged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept"
        self.plan = folder / "plan.toml"
        self.runs: list[str] = []

    def add(self, name: str, text: str, options: str = "") -> "Suite":
        """A run of one test file."""
        (self.folder / f"test_{name}.py").write_text(text)
        return self.add_run(name, f"{PYTEST} test_{name}.py {options}", "tests = true")

    def add_run(self, name: str, command: str, more: str = "") -> "Suite":
        self.runs.append(f"[[run]]\nname = {json.dumps(name)}\ncommand = {json.dumps(command)}\n{more}\n")
        return self

    def start(self, *options: str, minutes: float = 5) -> "subprocess.Popen[str]":
        self.plan.write_text(f"minutes = {minutes}\nagain = {json.dumps(PYTEST)}\n" + "".join(self.runs))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        own = {"PYTHONPATH": str(ROOT), "MM_CHECKS": str(self.kept), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, str(RUNNER), str(self.plan), *options]
        return subprocess.Popen(command, cwd=self.folder, env=inherited | own, stdout=subprocess.PIPE, text=True)

    def run(self, *options: str, minutes: float = 5) -> tuple[int, str]:
        with self.start(*options, minutes=minutes) as process:
            out, _ = process.communicate(timeout=240)
        return process.returncode, out

    def output(self) -> str:
        """What the newest run kept."""
        return sorted(self.kept.iterdir())[-1].joinpath("output.log").read_text()


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_a_suite_that_passes_says_so_with_its_slowest_files_its_time_and_its_output(suite: Suite) -> None:
    code, out = suite.add("one", GOOD).add("two", GOOD).run("--once-more")
    assert code == 0, out
    table, _, rest = out.partition("the slowest files:")[2].partition("the whole output: ")
    rows = [line.split()[2:] for line in table.splitlines() if ".py" in line]
    assert sorted(rows) == [["1", "test_one.py"], ["1", "test_two.py"]]
    named = Path(rest.splitlines()[0])
    assert named.read_text() == suite.output()
    assert "1 passed" in named.read_text()
    assert rest.splitlines()[-1].startswith("PASSED after 0 min ")
    assert "FAILED" not in out
    assert "FLAKY" not in out


@pytest.mark.parametrize("options", [(), ("--once-more",)])
def test_a_failing_test_fails_the_whole_and_is_named_with_its_last_lines(
    suite: Suite, options: tuple[str, ...]
) -> None:
    code, out = suite.add("one", GOOD).add("two", BAD).run(*options)
    assert code == 1
    assert "FAILED: test_two.py::test_bad\n" in out
    assert "arithmetic is broken" in out
    assert "first words" in suite.output()
    assert out.splitlines()[-1].startswith("FAILED after ")


def test_a_test_that_passes_alone_is_named_flaky_and_does_not_fail_the_whole(suite: Suite) -> None:
    code, out = suite.add("one", GOOD).add("two", ONCE).run("--once-more")
    assert code == 0, out
    assert "FLAKY: test_two.py::test_once\n" in out
    assert "not the first time" in out, "why it failed the first time"
    assert "FAILED" not in out


def test_without_a_second_look_a_flaky_test_fails_the_whole(suite: Suite) -> None:
    code, out = suite.add("two", ONCE).run()
    assert (code, "FAILED: test_two.py::test_once\n" in out) == (1, True)


def test_of_two_failed_tests_one_flaky_is_no_excuse_for_the_other(suite: Suite) -> None:
    code, out = suite.add("one", BAD).add("two", ONCE).run("--once-more")
    assert code == 1
    assert "FAILED: test_one.py::test_bad\n" in out
    assert "FLAKY: test_two.py::test_once\n" in out


def test_many_failures_are_no_accident(suite: Suite) -> None:
    text = "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_many(n):\n    assert n < 0\n"
    code, out = suite.add("many", text).run("--once-more")
    assert code == 1
    assert "11 tests failed: no accident" in out
    assert out.count("FAILED: test_many.py::test_many[") == 11


@pytest.mark.parametrize(
    "ending",
    [
        "import os\ndef test_ends():\n    os._exit(0)\n",
        "import os\ndef test_ends():\n    os.kill(os.getpid(), 9)\n",
        "import pytest\ndef test_ends():\n    pytest.exit('no more', returncode=0)\n",
        "raise KeyboardInterrupt\n",
        "",  # a file without a test
    ],
)
def test_a_run_that_broke_off_is_never_a_pass(suite: Suite, ending: str) -> None:
    broken = GOOD.replace("good", "a_good") + ending if ending else ""
    code, out = suite.add("one", GOOD).add("two", broken).run("--once-more")
    assert code == 1, out
    assert "FAILED two: broke off" in out
    assert "FAILED one" not in out


def test_a_file_that_cannot_be_read_fails_the_whole(suite: Suite) -> None:
    code, out = suite.add("one", "import nothing_of_that_name\n").run("--once-more")
    assert code == 1
    assert "nothing_of_that_name" in out


def test_another_command_fails_the_whole_with_its_last_lines(suite: Suite) -> None:
    suite.add("one", GOOD).add_run("lint", "python -c \"print('line 3 is too long'); raise SystemExit(2)\"")
    code, out = suite.run("--once-more")
    assert code == 1
    assert "FAILED lint: exit code 2\n    line 3 is too long" in out
    code, out = suite.run("--without", "lint")
    assert code == 0, out


def test_stages_follow_each_other_and_what_is_to_be_shown_is_shown(suite: Suite) -> None:
    text = "from pathlib import Path\ndef test_two():\n    assert Path('prepared').exists()\n"
    suite.add_run("last", "python -c \"print('covered: 81.5 %')\"", "stage = 3\nshown = true")
    suite.add("two", text)
    suite.runs[-1] += "stage = 2\n"
    suite.add_run("first", "python -c \"import time, pathlib; time.sleep(1); pathlib.Path('prepared').touch()\"")
    code, out = suite.run()
    assert code == 0, out
    told = [out.index(words) for words in ("first:", "two (1 tests", "covered: 81.5 %\nlast:")]
    assert told == sorted(told)


def test_what_is_imported_is_compiled_once_whatever_the_shell_says(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (suite.folder / "asked.py").touch()
    suite.add_run("one", "python -c \"import sys; sys.path.insert(0, '.'); import asked\"")
    code, out = suite.run()
    assert code == 0, out
    assert list(suite.folder.glob("__pycache__/asked.*.pyc"))


def test_what_hangs_is_ended_and_named(suite: Suite) -> None:
    suite.add("one", GOOD).add_run("still", "python -c \"print('waiting', flush=True); import time; time.sleep(600)\"")
    code, out = suite.run(minutes=0.1)
    assert code == 1
    assert "FAILED still: was stopped before its end\n    waiting" in out


@pytest.mark.parametrize("more", [(), (signal.SIGINT, signal.SIGHUP)])
def test_stopped_from_outside_it_takes_down_what_it_started(suite: Suite, more: tuple[signal.Signals, ...]) -> None:
    """However often, and by whatever signal, it is asked while what it started takes its second to end."""
    mark = suite.folder / "pid"
    text = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (time.sleep(1), sys.exit(1)))\n"
        f"open({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    (suite.folder / "sleeper.py").write_text(text)
    with suite.add_run("still", "python sleeper.py").start() as process:
        end = time.monotonic() + 60
        while not (mark.exists() and mark.read_text()):
            assert time.monotonic() < end, "the run did not start within 60 s"
            time.sleep(0.02)
        for number in (signal.SIGTERM, *more):
            process.send_signal(number)
            time.sleep(0.3)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "stopped by SIGTERM" in out
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_a_run_nobody_planned_is_refused(suite: Suite) -> None:
    code, _ = suite.add("one", GOOD).run("--only", "two")
    assert code == 2


def test_only_the_newest_outputs_are_kept(suite: Suite) -> None:
    for number in range(7):
        (suite.kept / f"2026010{number}").mkdir(parents=True)
    suite.add_run("one", "true").run()
    assert len(list(suite.kept.iterdir())) == 5
