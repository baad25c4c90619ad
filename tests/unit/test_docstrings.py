"""What a docstring must say beyond its being there (ruff asks for that of modules, classes and functions).

A method says what it does unless it is short and its name says it; whatever returns a number says of what. A method
that does what a Protocol of its room already describes, or what a framework calls by name, needs no second text.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SHORT = 3  # lines: a method as long as that may speak by its name
NUMBERS = frozenset({"int", "float", "Decimal", "Units", "I64", "F64", "U8", "NDArray"})
FRAMEWORK = re.compile(r"(compose|render\w*|on_[a-z_]+|watch_\w+)$")  # of a screen: called by textual, never by us
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


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.body[-1].end_lineno or 0) - node.body[0].lineno + 1


def _is_protocol(owner: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in owner.bases)


def silent(found: list[Spoken], described: frozenset[str]) -> list[str]:
    """Methods that ought to say what they do. ``described``: names that a Protocol within reach describes."""
    return [
        f"{one.where} {one.owner.name}.{one.name}"
        for one in found
        if one.owner is not None
        and not ast.get_docstring(one.node)
        and (_is_protocol(one.owner) or one.name not in described)
        and not FRAMEWORK.match(one.name)
        and (_is_number(one.node) or _lines(one.node) > SHORT)
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


def _described(found: list[Spoken]) -> frozenset[str]:
    return frozenset(
        one.name for one in found if one.owner is not None and _is_protocol(one.owner) and ast.get_docstring(one.node)
    )


def test_every_method_that_its_name_does_not_explain_says_what_it_does() -> None:
    assert not [line for found in _rooms().values() for line in silent(found, _described(found))]


def test_every_number_says_what_it_counts() -> None:
    assert not [line for found in _rooms().values() for line in unitless(found)]


SAMPLE = '''
class Seam(Protocol):
    def known(self) -> int:
        """Lots."""
    def bare(self) -> int: ...

class Book:
    def known(self) -> int:
        return 1
    def spread(self) -> float | None:
        return 1.0
    def name(self) -> str:
        return "x"
    def walk(self) -> None:
        a = 1
        b = 2
        c = 3
        d = 4
    def depth(self) -> float:
        """How deep it is."""
    def width_ticks(self) -> int:
        """How wide it is."""
    def _inner(self) -> int:
        return 1
'''


def test_what_is_missing_is_found() -> None:
    found = _public(SAMPLE, "sample.py")
    assert [line.split(" ")[1] for line in silent(found, _described(found))] == [
        "Seam.bare",
        "Book.spread",
        "Book.walk",
    ]
    assert [line.split(" ")[1] for line in unitless(found)] == ["depth:"]
