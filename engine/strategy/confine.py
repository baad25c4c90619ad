"""A user's strategy file as it is run: its own text, told line by line where it is, and with an end to every loop.

Into every function of the file go: the line of each statement, one round of the decision's budget for each pass of a
loop and each call, and a check before a float becomes an integer (``engine.kernel.quoting.fence``). Decorators of numba
are taken off: how the file is compiled is decided by us, with bounds checked and Python's rules for a division by zero.
What a strategy must not do at all (print, leave compiled code) is refused by name and line. Pure: text in, tree out.
"""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.strategy.parameters import StrategyError

#: Names the tree uses; a file that has such a name of its own is refused.
CELLS_NAME: Final = "_mm_cells"
AT_LINE: Final = "_mm_at_line"
GO_ROUND: Final = "_mm_go_round"
CALL: Final = "_mm_call"
WHOLE: Final = "_mm_whole"
PREFIX: Final = "_mm_"

_COMPILERS: Final = {"njit", "jit", "generated_jit"}
_OUTSIDE: Final = {"objmode", "vectorize", "guvectorize", "cfunc", "jitclass", "stencil", "intrinsic", "overload"}
_FORBIDDEN: Final = {
    "print": "a strategy must not print; say what is wrong by the code it returns",
    "input": "a strategy must not read a terminal",
    "open": "a strategy must not open a file; read what it needs at the top of the file, outside its functions",
    "exec": "a strategy must not run text",
    "eval": "a strategy must not run text",
    "carray": "a strategy must not make arrays of addresses",
    "farray": "a strategy must not make arrays of addresses",
    "as_strided": "a strategy must not make arrays beyond their bounds",
}
_SILENT: Final = (ast.FunctionDef, ast.Pass, ast.Global, ast.Nonlocal, ast.Break, ast.Continue)
_TO_INTEGER: Final = {"int", "int64", "int32", "int_", "intp"}
_OF_MATH: Final = {"floor", "ceil", "trunc"}


def confined(text: bytes, path: Path) -> ast.Module:
    """The tree to compile. Raises StrategyError naming file, line and cause."""
    try:
        tree = ast.parse(text, str(path))
    except SyntaxError as error:
        raise StrategyError(f"{path}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, or nested beyond what Python can read
        raise StrategyError(f"{path}:1: cannot be read as Python: {error}") from None
    for node in ast.walk(tree):
        own = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        if own.startswith(PREFIX):
            raise StrategyError(f"{path}:{node.lineno}: names that begin with {PREFIX} are the engine's own")  # type: ignore[attr-defined]
    for function in _compiled(tree):
        _refuse(function, path)
    try:
        made = _Confined(_names_of_math(tree)).visit(tree)
    except RecursionError:
        raise StrategyError(f"{path}:1: it is nested too deeply") from None
    return ast.fix_missing_locations(made)


def _compiled(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions that ``quote`` calls, by name, itself first. Others run where the file is loaded, and may."""
    known = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: list[ast.FunctionDef] = []
    waiting = ["quote"]
    while waiting:
        function = known.pop(waiting.pop(), None)
        if function is None:
            continue
        found.append(function)
        waiting += [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
    return found


def _refuse(function: ast.FunctionDef, path: Path) -> None:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = _tail(node.func)
        if cause := _FORBIDDEN.get(name):
            raise StrategyError(f"{path}:{node.lineno}: {cause}")
        if name in _OUTSIDE:
            raise StrategyError(f"{path}:{node.lineno}: a strategy must not use {name}")
    for decorator in function.decorator_list:
        name = _tail(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name in _OUTSIDE:
            raise StrategyError(f"{path}:{decorator.lineno}: a strategy must not use {name}; use njit")


def _tail(node: ast.expr) -> str:
    """The last part of a dotted name: njit of numba.njit."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _names_of_math(tree: ast.Module) -> set[str]:
    """The names in this file under which math's floor, ceil and trunc are known, dotted ones too."""
    found = {"round"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "math":
            found |= {name.asname or name.name for name in node.names if name.name in _OF_MATH}
            found |= _OF_MATH if any(name.name == "*" for name in node.names) else set()
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name == "math":
                    found |= {f"{name.asname or 'math'}.{function}" for function in _OF_MATH}
    return found


class _Confined(ast.NodeTransformer):
    """Works on functions only: what stands outside of them runs once, where the file is loaded."""

    def __init__(self, of_math: set[str]) -> None:
        self._of_math = of_math
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        kept = []
        for decorator in node.decorator_list:
            name = _tail(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name not in _COMPILERS:
                kept.append(decorator)
        node.decorator_list = kept
        self._depth += 1
        node.body = [_say(CALL, node.lineno), *self._block(node.body)]
        self._depth -= 1
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node  # never compiled

    def _block(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            if not isinstance(statement, _SILENT):
                made.append(_say(AT_LINE, statement.lineno))
            made.append(self.visit(statement))
        return made

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not self._depth:
            return super().generic_visit(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and all(isinstance(one, ast.stmt) for one in value):
                setattr(node, field, self._block(value))
            elif isinstance(value, list):
                setattr(node, field, [self.visit(one) if isinstance(one, ast.AST) else one for one in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._loop(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._loop(node)

    def _loop(self, node: ast.While | ast.For) -> ast.AST:
        self.generic_visit(node)
        if self._depth:
            node.body.insert(0, _say(GO_ROUND, node.lineno))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        if self._depth:
            node.ifs.insert(0, _ask(GO_ROUND, node.target.lineno))
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if self._depth and len(node.args) == 1 and not node.keywords and self._makes_integers(node.func):
            node.args[0] = ast.copy_location(
                ast.Call(ast.Name(WHOLE, ast.Load()), [node.args[0]], []),
                node.args[0],
            )
        return node

    def _makes_integers(self, function: ast.expr) -> bool:
        if _tail(function) in _TO_INTEGER:
            return True
        dotted = _tail(function)
        if isinstance(function, ast.Attribute):
            dotted = f"{_tail(function.value)}.{dotted}"
        return dotted in self._of_math


def _ask(name: str, line: int) -> ast.Call:
    made = ast.Call(ast.Name(name, ast.Load()), [ast.Name(CELLS_NAME, ast.Load()), ast.Constant(line)], [])
    for node in ast.walk(made):
        node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = line, 0, line, 0  # type: ignore[attr-defined]
    return made


def _say(name: str, line: int) -> ast.Expr:
    return ast.copy_location(ast.Expr(asked := _ask(name, line)), asked)
