"""No circle of imports, neither of modules nor of rooms, in the engine and in the operator's tool.

Every import counts: also one inside a function, and one for the type checker alone. A room is what lies directly in
``engine`` or ``mmctl``: a folder with all that is in it, or a single file.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Graph = Mapping[str, set[str]]


def modules_of(root: Path, packages: Iterable[str]) -> dict[str, Path]:
    """Every module below ``root`` by its dotted name; a package by its own name."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path) -> Iterator[tuple[str, ...]]:
    """For each import in a file, what it may mean, the nearest first: a module, or a name in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*inside[: len(inside) - node.level + 1], *base.split(".")]).strip(".")
            yield from ((f"{base}.{alias.name}", base) for alias in node.names)


def graph_of(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Which of ``modules`` each of them imports."""
    found: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for meanings in imported(name, path):
            found[name].update(next(([meant] for meant in meanings if meant in modules and meant != name), []))
    return found


def rooms_of(graph: Graph) -> dict[str, set[str]]:
    """Which rooms each room looks into."""
    found: dict[str, set[str]] = {}
    for name, targets in graph.items():
        room = ".".join(name.split(".")[:2])
        found.setdefault(room, set()).update({".".join(target.split(".")[:2]) for target in targets} - {room})
    return found


def circles(graph: Graph) -> list[list[str]]:
    """The sets of nodes that reach each other, each sorted: what is left once no leaf and no root can be taken away."""
    left = {name: {target for target in targets if target in graph} for name, targets in graph.items()}
    while True:
        wanted = {target for targets in left.values() for target in targets}
        idle = {name for name, targets in left.items() if not targets or name not in wanted}
        if not idle:
            break
        left = {name: targets - idle for name, targets in left.items() if name not in idle}
    found = []
    reach = {name: _reached(left, name) for name in left}
    while reach:
        name = min(reach)
        circle = sorted({other for other in reach[name] if name in reach.get(other, ())})
        for member in circle or [name]:
            del reach[member]
        if circle:
            found.append(circle)
    return found


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for target in graph[ahead.pop()] - seen:
            seen.add(target)
            ahead.append(target)
    return seen


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    found = graph_of(modules_of(ROOT, ("engine", "mmctl")))
    assert len(found) > 300
    assert sum(map(len, found.values())) > 1000
    return found


def test_no_modules_import_each_other(graph: dict[str, set[str]]) -> None:
    assert circles(graph) == []


def test_no_rooms_look_into_each_other(graph: dict[str, set[str]]) -> None:
    assert circles(rooms_of(graph)) == []


@pytest.mark.parametrize(
    "back",
    [
        "import house.two.b",
        "from house.two import b",
        "from house.two.b import thing",
        "def late():\n    from house.two.b import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.two.b import Thing",
        "from ..two import b",
        "from ..two.b import thing",
    ],
)
def test_a_circle_is_found_however_it_is_imported(tmp_path: Path, back: str) -> None:
    files = {
        "house/one/a.py": back,
        "house/two/b.py": "from house.two import c",
        "house/two/c.py": "from house.one.a import x",
        "house/two/leaf.py": "from house.one import a",
        "house/top.py": "from house.two import leaf",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    made = graph_of(modules_of(tmp_path, ["house"]))
    assert circles(made) == [["house.one.a", "house.two.b", "house.two.c"]]
    assert circles(rooms_of(made)) == [["house.one", "house.two"]]


def test_rooms_may_be_in_a_circle_that_no_modules_are_in() -> None:
    made = {"h.a.x": {"h.b.x"}, "h.b.x": set[str](), "h.b.y": {"h.a.y"}, "h.a.y": set[str]()}
    assert circles(made) == []
    assert circles(rooms_of(made)) == [["h.a", "h.b"]]
