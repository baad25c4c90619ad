"""What a docstring must say beyond its being there (ruff asks for that of modules, classes and functions).

Every public method says what it does, and whatever returns a number says of what. A method of a class that has all of
a Protocol described in its room, or what a screen's framework calls by name, needs no second text.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NUMBERS = frozenset({"int", "float", "Decimal", "Units", "I64", "F64", "U8", "NDArray"})
SCREENS = "mmctl/tui/"  # there textual calls these, and never we:
FRAMEWORK = re.compile(r"(compose|render\w*|on_[a-z_]+|watch_\w+)$")
UNITS = re.compile(
    r"""\b(ticks?|lots?|htl|tick-lots?|(milli|micro|nano)?seconds?|s|ms|us|ns|minutes?|hours?|days?|since\ 1970|time
    |quote|base|currency|units?|USDT|bps?|basis\ points?|fractions?|ratio|rate|share|probability|variance|deviation|mean
    |permille|millionths?|1e-?\d+|price|count(s|ed)?|number|how\ (many|often|far)|index|id|ids|epoch|nonce|counter
    |codes?|bytes?|bits?|sign(ed)?|position|row|rows|weight|leverage|seed|pid|port|descriptors?|version|size|length
    |steps?|lines|digits|words?|hash|state|kind|shape|array|column|table|cells?|latency|fall|square)\b|\[|``[A-Z_]+\*``|0""",
    re.VERBOSE | re.IGNORECASE,
)


class Spoken(NamedTuple):
    """One public method or function."""

    where: str
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None


def _functions(tree: ast.Module, where: str) -> Iterator[Spoken]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Spoken(f"{where}:{node.lineno}", node.name, node, None)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield Spoken(f"{where}:{inner.lineno}", inner.name, inner, node)


def _public(source: str, where: str) -> list[Spoken]:
    return [one for one in _functions(ast.parse(source), where) if not one.name.startswith("_")]


def _is_number(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether what is returned is one number or one array of numbers, or nothing in its place."""
    returns = node.returns
    if isinstance(returns, ast.BinOp):  # ``int | None``
        returns = returns.left
    if isinstance(returns, ast.Subscript):  # ``NDArray[np.int64]``, ``npt.NDArray[...]``
        returns = returns.value
    return (returns.attr if isinstance(returns, ast.Attribute) else getattr(returns, "id", "")) in NUMBERS


def _is_protocol(owner: ast.ClassDef) -> bool:
    return any(ast.unparse(base).split("[")[0] == "Protocol" for base in owner.bases)


def _names(found: list[Spoken]) -> dict[ast.ClassDef, set[str]]:
    """The public methods of each class, by name."""
    names: dict[ast.ClassDef, set[str]] = defaultdict(set)
    for one in found:
        if one.owner is not None:
            names[one.owner].add(one.name)
    return names


def silent(found: list[Spoken]) -> list[str]:
    """The methods of one room that do not say what they do, and that no Protocol of the room describes."""
    names = _names(found)
    protocols = [methods for owner, methods in names.items() if _is_protocol(owner)]
    return [
        f"{one.where} {one.owner.name}.{one.name}"
        for one in found
        if one.owner is not None
        and not ast.get_docstring(one.node)
        and not (one.where.startswith(SCREENS) and FRAMEWORK.match(one.name))
        and (
            _is_protocol(one.owner)
            or not any(one.name in methods and methods <= names[one.owner] for methods in protocols)
        )
    ]


def unitless(found: list[Spoken]) -> list[str]:
    """Numbers of which neither name nor docstring says what they count."""
    units = re.compile(
        r"_(ns|us|ms|s|e8|bps|lots|ticks|id|ids|bytes|permille|ratio|count)$|^(ticks|lots|seconds|main)$"
    )
    return [
        f"{one.where} {one.name}: {text.splitlines()[0]}"
        for one in found
        if (text := ast.get_docstring(one.node) or "")
        and _is_number(one.node)
        and not units.search(one.name)
        and not UNITS.search(text)
    ]


def _rooms() -> dict[str, list[Spoken]]:
    """Every public function and method by its room (the first two folders)."""
    rooms: dict[str, list[Spoken]] = defaultdict(list)
    for top in ("engine", "mmctl"):
        for path in sorted((ROOT / top).rglob("*.py")):
            where = path.relative_to(ROOT)
            room = str(Path(*where.parts[:2])) if len(where.parts) > 2 else top
            rooms[room] += _public(path.read_text(), str(where))
    return rooms


def test_every_method_says_what_it_does() -> None:
    assert not [line for found in _rooms().values() for line in silent(found)]


def test_every_number_says_what_it_counts() -> None:
    assert not [line for found in _rooms().values() for line in unitless(found)]


SAMPLE = '''
class Seam(Protocol):
    def known(self) -> int:
        """Lots."""
    def bare(self) -> int: ...

class Whole:
    def known(self) -> int:
        return 1
    def bare(self) -> int:
        return 1

class Book:
    def known(self) -> int:
        return 1
    def name(self) -> str:
        return "x"
    def on_trade(self) -> None:
        self.traded = True
    def depth(self) -> float:
        """How deep it is."""
    def width_ticks(self) -> int:
        """How wide it is."""
    def _inner(self) -> int:
        return 1
'''


def test_what_is_missing_is_found() -> None:
    found = _public(SAMPLE, "sample.py")
    assert [line.split(" ")[1] for line in silent(found)] == ["Seam.bare", "Book.known", "Book.name", "Book.on_trade"]
    assert [line.split(" ")[1] for line in unitless(found)] == ["depth:"]


def test_what_textual_calls_may_be_silent() -> None:
    found = _public(SAMPLE, f"{SCREENS}sample.py")
    assert [line.split(" ")[1] for line in silent(found)] == ["Seam.bare", "Book.known", "Book.name"]
