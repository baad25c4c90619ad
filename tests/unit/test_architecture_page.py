"""docs/architecture.md and docs/vocabulary.md against the code: every room, every arrow, every file that is named."""

import ast
import configparser
import re
from pathlib import Path

import pytest

from tests.needs import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DRAWING = PAGE.split("```")[1]
EXPLAINS = 57  # column from which the drawing's lines explain themselves
#: Not in the drawing: what only starts the others, and small tables that their whole side shares.
ENTRIES = {"engine", "engine.__main__", "mmctl", "mmctl.__main__", "mmctl.formats"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for side in ("engine", "mmctl") for path in (ROOT / side).rglob("*.py")}


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports when it runs, in its functions too; what only a type checker reads is
    left out."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (full & MODULES.keys()) or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return found & MODULES.keys()


def arrows() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        to = {room_of(target) for target in imported(path)} - {room_of(module)} - ENTRIES
        if to and room_of(module) not in ENTRIES:
            found.setdefault(room_of(module), set()).update(to)
    return found


def table_of_arrows() -> dict[str, set[str]]:
    section = PAGE.split("### The arrows")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", section, re.MULTILINE)
    return {room: set(re.findall(r"`([a-z_.]+)`", to)) for room, to in rows}


def test_the_table_has_every_direction_of_import_and_no_other() -> None:
    assert table_of_arrows() == arrows()


def layers() -> dict[str, list[set[str]]]:
    """The layers that the linter keeps, the highest first, by side."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    found = {}
    for side in ("engine", "mmctl"):
        (contract,) = (part for part in contracts.values() if part.get("containers", "").split() == [side])
        lines = [
            {f"{side}.{room.strip()}" for room in line.split(":")} for line in contract["layers"].split("\n") if line
        ]
        found[side] = [line - ENTRIES for line in lines if line - ENTRIES]
    return found


def drawn() -> dict[str, list[set[str]]]:
    """The lines of the drawing that show rooms; what explains a line stands at its right and is left out."""
    rooms = {room_of(module) for module in MODULES} - ENTRIES
    found: dict[str, list[set[str]]] = {"mmctl": [], "engine": []}
    side = "mmctl"
    for line in DRAWING.splitlines():
        side = "engine" if "the engine's side" in line else side
        shown = {f"{side}.{word}" for word in re.findall(r"[a-z]+", line[:EXPLAINS])} & rooms
        if shown:
            found[side].append(shown)
    found["engine"][-2:] = [found["engine"][-2] | found["engine"][-1]]  # the ground takes two lines
    return found


def test_the_drawing_shows_the_layers_that_the_linter_keeps_and_every_room_is_in_one() -> None:
    assert drawn() == layers()
    assert {room for lines in layers().values() for line in lines for room in line} == {
        room_of(module) for module in MODULES
    } - ENTRIES


def test_every_arrow_goes_down() -> None:
    at = {room: number for lines in drawn().values() for number, line in enumerate(lines) for room in line}
    up = [
        f"{room} -> {target}"
        for room, to in arrows().items()
        for target in to
        if room.split(".")[0] == target.split(".")[0] and at[room] >= at[target]
    ]
    assert up == []


def test_every_room_stands_on_the_page_in_one_line() -> None:
    rooms = {str(path.parent.relative_to(ROOT)) for path in MODULES.values() if path.name == "__init__.py"}
    told = re.findall(r"^\| `((?:engine|mmctl)/[a-z_/]+)` \| .+ \|$", PAGE, re.MULTILINE)
    assert sorted(told) == sorted(rooms - {"engine", "mmctl"})


@pytest.mark.parametrize("page", ["architecture.md", "vocabulary.md", "venues.md", "backtesting.md", "sandbox.md"])
def test_every_file_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:engine|mmctl|tests|scripts|benchmarks)/[\w/]+\.py)`", text))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize("way", ["a tick", "a fill", "a reload", "a release"])
def test_each_way_is_told_file_by_file(way: str) -> None:
    section = PAGE.split(f"## How {way} passes")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \d+[a-z]? \| .+ \|$", section, re.MULTILINE)
    assert len(rows) >= 6
    assert all(re.search(r"`(?:engine|mmctl)/[\w/]+\.py`", row) for row in rows)


def test_no_word_of_the_vocabulary_means_two_things() -> None:
    text = (ROOT / "docs" / "vocabulary.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    rows = [row for row in cells if len(row) == 5 and row[4].startswith("`")]
    words = [word.strip() for row in rows for word in row[0].split(",")]
    assert len(rows) > 50
    assert len(words) == len(set(words))
    assert [row for row in rows if not re.search(r"[\u4e00-\u9fff]", row[1])] == []
