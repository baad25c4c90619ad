"""The count of what the tests ran fails where too little ran, and where nothing was counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import ROOT

PYPROJECT = '[tool.coverage.run]\nsource = ["engine", "mmctl"]\nbranch = true\n'
BRANCHING = "def choose(high):\n    if high:\n        return 2\n    return 1\n"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def judge(folder: Path, *files: str) -> tuple[int, str]:
    done = run(folder, str(ROOT / "scripts/count_coverage.py"), *files)
    return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("engine/orders", "engine/risk", "mmctl/cli"):
        (tmp_path / name).mkdir(parents=True)
        for package in (tmp_path / name, (tmp_path / name).parent):
            (package / "__init__.py").touch()
        (tmp_path / name / "rules.py").write_text(BRANCHING)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


def counted(project: Path, name: str, *calls: str) -> str:
    """A count of what ``calls`` run, each of them as ``package high``."""
    lines = ["import importlib"]
    for call in calls:
        package, high = call.split()
        lines.append(f"importlib.import_module('{package}.rules').choose({high})")
    (project / "calls.py").write_text("\n".join(lines))
    done = run(project, "-m", "coverage", "run", f"--data-file={name}", "calls.py")
    assert done.returncode == 0, done.stderr
    return name


EVERYTHING = [
    f"{package} {high}" for package in ("engine.orders", "engine.risk", "mmctl.cli") for high in (True, False)
]


def test_everything_that_ran_is_enough_and_the_figures_are_told(project: Path) -> None:
    code, said = judge(project, counted(project, "one", *EVERYTHING))
    assert code == 0, said
    rows = {line.split("  ")[-1].strip(): line.split() for line in said.splitlines()[1:]}
    assert rows["engine/risk"][:4] == ["4", "4", "100.0", "100.0"]
    assert rows["all of it"][:4] == ["12", "12", "100.0", "100.0"]


def test_what_two_runs_counted_counts_together(project: Path) -> None:
    files = [counted(project, "one", *EVERYTHING[:3]), counted(project, "two", *EVERYTHING[3:])]
    assert judge(project, files[0])[0] == 1
    assert judge(project, *files)[0] == 0


def test_a_branch_of_the_risk_that_never_ran_is_too_little(project: Path) -> None:
    code, said = judge(project, counted(project, "one", *(call for call in EVERYTHING if call != "engine.risk True")))
    assert code == 1
    assert "engine/risk: below 95 %" in said
    assert "engine/orders: below" not in said
    assert "80 %" not in said


def test_files_that_no_test_imports_count_as_not_run(project: Path) -> None:
    (project / "mmctl/cli/forgotten.py").write_text("x = 1\n" * 4)
    code, said = judge(project, counted(project, "one", *EVERYTHING))
    assert (code, "engine and mmctl: below 80 %" in said) == (1, True)


@pytest.mark.parametrize("files", [(), ("one", "never written")])
def test_nothing_counted_is_no_success(project: Path, files: tuple[str, ...]) -> None:
    counted(project, "one", *EVERYTHING)
    code, said = judge(project, *files)
    assert code == 1
    assert "nothing was counted" in said
