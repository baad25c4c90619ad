"""CONTRIBUTING and its neighbours tell the truth: every path exists, and the steps work word for word."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.needs import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
COPIED = ("engine", "mmctl", "configs", "systemd", "pyproject.toml", "requirements.lock")
SECTIONS = ("Add a strategy", "Add an exchange", "Add a metric", "Add a verb")
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"Write `([\w./-]+\.(?:py|yaml))`")
CHANGED = re.compile(r"In `([\w./-]+)`, below `(.+)`:\n")
PATH = re.compile(r"(?<![\w./-])((?:engine|mmctl|tests|docs|configs|systemd|scripts|\.ci)/[\w./-]*\w|[A-Z]+\.md)")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_path_that_is_named_exists() -> None:
    made = set(MADE.findall(TEXT))
    named = set(PATH.findall(TEXT)) - made
    assert len(named) > 15
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    assert sorted(path for path in made if (ROOT / path).exists()) == [], "an example that exists is none"


def test_every_command_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([\w-]+)(?:`|\s+#)", TEXT + (ROOT / "README.md").read_text()))
    assert {"test", "lint", "setup-dev", "demo"} <= named <= targets


def test_the_linters_before_a_commit_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for repo in hooks for hook in repo["hooks"]]
    lint = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]
    ours = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in lint.splitlines()[1:]]
    assert [entry.replace(" --force-exclude", "") for entry in entries] == ours
    assert {hook["language"] for repo in hooks for hook in repo["hooks"]} == {"system"}, "nothing is fetched"


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^(#+ .*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["# Changelog", "## [Unreleased]"]
    kinds = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}
    assert set(headings[2:]) - kinds == {
        h for h in headings[2:] if re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", h)
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, with this environment's Python as its own."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in COPIED:
        ours = ROOT / name
        if ours.is_dir():
            shutil.copytree(ours, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ours, copy / name)
    return copy


def follow(steps: str, tree: Path) -> list[str]:
    """Do what a section says, from top to bottom; returns what its commands printed."""
    said = []
    for step in re.split(r"^\d+\. ", steps, flags=re.MULTILINE)[1:]:
        made, changed = MADE.search(step), CHANGED.search(step)
        for language, body in BLOCK.findall(step):
            text = textwrap.dedent(body) if not changed else re.sub(r"^ {3}", "", body, flags=re.MULTILINE)
            if language == "sh":
                said += [run(line, tree) for line in text.splitlines()]
            elif changed:
                path, anchor = tree / changed[1], changed[2]
                lines = path.read_text().splitlines(keepends=True)
                places = [number for number, line in enumerate(lines) if line.strip() == anchor]
                assert len(places) == 1, f"{changed[1]} holds {len(places)} lines {anchor}"
                lines.insert(places[0] + 1, text)
                path.write_text("".join(lines))
            else:
                assert made is not None, f"where does this belong?\n{text}"
                (tree / made[1]).write_text(text)
    return said


def run(line: str, tree: Path) -> str:
    words = [sys.executable if word == ".venv/bin/python" else word for word in shlex.split(line)]
    own = {"MMCTL_STATE": str(tree / "state"), "NO_COLOR": "1", "PYTHONPATH": str(tree)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MMCTL_")} | own
    done = subprocess.run(words, cwd=tree, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("title", "seen"),
    [
        ("Add a strategy", ["fixed.yaml: ok"]),
        ("Add an exchange", ["kraken.yaml: ok"]),
        ("Add a metric", ["Smallest step of the symbol's price"]),
        ("Add a verb", ["127.0.0.1", '"event":"host"']),
    ],
)
def test_its_steps_work_word_for_word(tree: Path, title: str, seen: list[str]) -> None:
    assert title in SECTIONS
    said = follow(section(title), tree)
    assert len(said) == len(seen)
    for text, words in zip(said, seen, strict=True):
        assert words in text
