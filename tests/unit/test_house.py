"""One name for each thing, and files and functions of a size that can be read."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kernel import layout
from tests.needs import ROOT

LONGEST = 400  # lines of a file
WIDEST = 10  # parameters of a function
ONE_LETTER = re.compile(r"[A-Z]_[A-Z0-9]")


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def body(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def test_no_public_class_of_the_engine_has_the_name_of_another() -> None:
    homes = defaultdict(list)
    for path in files("engine"):
        for node in body(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(shown(path))
    assert {name: at for name, at in homes.items() if len(at) > 1} == {}


def assigned(path: Path) -> Iterator[str]:
    for node in body(path):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_an_index_of_the_kernel_is_named_by_a_word() -> None:
    letters = [
        f"{shown(path)}: {name}" for path in files("engine/kernel") for name in assigned(path) if ONE_LETTER.match(name)
    ]
    assert letters == []


def test_a_strategy_file_of_one_letter_names_reads_the_same_cells() -> None:
    given: dict[str, int] = {}
    exec("from engine.kernel.layout import *", given)
    for letter, word in {"V": "VIEW", "S": "SIGNAL", "P": "PARAM", "O": "OUT"}.items():
        cells = {
            name.removeprefix(f"{word}_"): index for name, index in vars(layout).items() if name.startswith(f"{word}_")
        }
        assert len(cells) > 5
        assert {rest: given[f"{letter}_{rest}"] for rest in cells} == cells


@pytest.mark.parametrize("folder", ["engine", "mmctl", "tests", "benchmarks", "scripts"])
def test_no_file_is_longer_than_can_be_read_at_once(folder: str) -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files(folder)}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_no_function_outside_the_command_line_has_more_parameters_than_can_be_kept_in_mind() -> None:
    wide = []
    for path in files("engine", "mmctl", "tests", "benchmarks", "scripts"):
        if path.is_relative_to(ROOT / "mmctl" / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                if len([name for name in names if name not in ("self", "cls")]) > WIDEST:
                    wide.append(f"{shown(path)}:{node.lineno} {node.name}")
    assert wide == []


def test_every_room_says_in_its_first_line_what_it_holds() -> None:
    silent = []
    for path in files("engine", "mmctl"):
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))):
            silent.append(shown(path))
        if not (path.parent / "__init__.py").exists():
            silent.append(f"{shown(path.parent)} has no __init__.py")
    assert silent == []
