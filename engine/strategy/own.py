"""A strategy of the user's own: one Python file with ``quote(now_ns, view, signals, params, out)``.

The file is loaded, refused by name and line where it cannot be used, compiled behind the fence
(``engine.kernel.quoting.fence``) and tried on a quiet book. ``Own`` then tells where and why it failed, if it does
later.
"""

import ast
import contextlib
import inspect
import linecache
import sys
import traceback
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.core import ir
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from engine.kernel.layout import (
    CELL_LEFT,
    CELL_STACK,
    OUT_SIZE,
    PARAM_BASE_SIZE_LOTS,
    PARAM_COMMON,
    PARAM_LOT_SIZE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAM_TICK_SIZE,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    VIEW_ASK_LOTS,
    VIEW_ASK_TICKS,
    VIEW_BID_LOTS,
    VIEW_BID_TICKS,
    VIEW_SIZE,
    VIEW_SIZE_PERMILLE,
    VIEW_SPREAD_PERMILLE,
)
from engine.kernel.quoting import fence
from engine.kernel.quoting.fence import I64
from engine.strategy import confine
from engine.strategy.fenced import Own
from engine.strategy.parameters import Parameter, Strategy, StrategyError

ARGUMENTS: Final = 5
_TYPES: Final = (types.int64, types.int64[::1], types.float64[::1], types.float64[::1], types.int64[::1])
#: A file larger than this is no strategy.
LARGEST: Final = 1 << 20


_of_process: I64 | None = None


def use_cells(cells: I64) -> None:
    """Where strategies loaded from now on tell what they are doing, if whoever loads them names no cells of its own."""
    global _of_process
    _of_process = cells


def from_file(path: Path, name: str, cells: I64 | None = None) -> Strategy:
    """The strategy in ``path``, compiled and tried. Raises StrategyError naming the file, the line and the cause."""
    cells = cells if cells is not None else _of_process if _of_process is not None else fence.new_cells()
    module, tree = _load(path, cells)
    quote = getattr(module, "quote", None)
    if quote is None:
        raise StrategyError(f"{path}:1: it has no function quote(now_ns, view, signals, params, out)")
    plain = getattr(quote, "py_func", quote)
    if not isinstance(plain, FunctionType):
        where = f"{path}:{_defined(tree, 'quote')}"
        raise StrategyError(f"{where}: quote must be a function quote(now_ns, view, signals, params, out)")
    line = plain.__code__.co_firstlineno
    _check_signature(path, plain, line)
    parameters = _parameters(f"{path}:{_defined(tree, 'PARAMETERS')}", module)
    compiled = _Recompiled(path, module).function(plain)
    _compile(path, compiled, line)
    _check_types(path, compiled, line)
    quote_fenced, inputs = fence.fenced(compiled, cells)
    own = Own(path, line, cells)

    def replay(now_ns: int) -> None:
        cells[CELL_LEFT] = fence.ROUNDS
        cells[CELL_STACK] = 0  # asked from Python, its stack is another
        compiled(now_ns, *(array.copy() for array in inputs), np.zeros(OUT_SIZE, np.int64))

    own.replay = replay
    made = Strategy(name, quote_fenced, parameters, own=own)
    _try(path, made, own)
    return made


# --- loading ---


def _load(path: Path, cells: I64) -> tuple[ModuleType, ast.Module]:
    """The module of ``path``, run once, and its syntax tree. What it prints goes to stderr."""
    try:
        if path.is_dir():
            raise StrategyError(f"{path}: a folder, not a strategy file")
        if not path.is_file():
            raise StrategyError(f"{path}: no such strategy file")
        text = path.read_bytes()
    except OSError as error:
        raise StrategyError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(text) > LARGEST:
        raise StrategyError(f"{path}: larger than {LARGEST >> 20} MiB; this is no strategy")
    try:
        text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise StrategyError(f"{path}:{line}: not UTF-8 text (byte {text[error.start]:#04x})") from None
    tree = confine.confined(text, path)
    module = ModuleType(f"user_strategy_{path.stem}")
    module.__file__ = str(path)
    module.__dict__.update(
        {
            confine.CELLS_NAME: int(cells.ctypes.data),
            confine.AT_LINE: fence.at_line,
            confine.GO_ROUND: fence.go_round,
            confine.CALL: fence.call,
            confine.WHOLE: fence.whole,
        }
    )
    sys.modules[module.__name__] = module
    linecache.checkcache(str(path))
    try:
        code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        raise StrategyError(f"{path}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise StrategyError(f"{path}:1: cannot be read as Python: {error}") from None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(code, module.__dict__)  # noqa: S102 - the user's own program, as a module is
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a file that calls sys.exit must not end us
        cause = f"{type(error).__name__}: {error}".rstrip(": ")
        raise StrategyError(f"{path}:{_line(path, error)}: {cause}") from None
    return module, tree


def _line(path: Path, error: BaseException) -> int:
    """The line of ``path`` where an exception came from, 1 if none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] or 1 if lines else 1


def _check_signature(path: Path, plain: FunctionType, line: int) -> None:
    try:
        inspect.signature(plain).bind(*range(ARGUMENTS))
        keywords = [one for one in inspect.signature(plain).parameters.values() if one.kind is one.KEYWORD_ONLY]
    except TypeError:
        keywords = [None]  # type: ignore[list-item]
    if keywords or plain.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        shown = f"quote{inspect.signature(plain)}"
        wanted = "it must be quote(now_ns, view, signals, params, out) and return a number"
        raise StrategyError(f"{path}:{line}: cannot be compiled: {wanted}, found {shown}")


def _defined(tree: ast.Module, name: str) -> int:
    """The line that gives ``name`` its last value at the top of the file, 1 if none does."""
    line = 1
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        if name in named or getattr(node, "name", "") == name:
            line = node.lineno
    return line


def _parameters(where: str, module: ModuleType) -> tuple[Parameter, ...]:
    given = getattr(module, "PARAMETERS", ())
    wrong = f"{where}: PARAMETERS must be a list of engine.strategy.parameters.Parameter"
    if not isinstance(given, list | tuple) or any(not isinstance(parameter, Parameter) for parameter in given):
        raise StrategyError(wrong)
    if PARAM_COMMON + len(given) > PARAMS_SIZE:
        raise StrategyError(f"{where}: at most {PARAMS_SIZE - PARAM_COMMON} parameters, found {len(given)}")
    names = [parameter.name for parameter in given]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise StrategyError(f"{where}: PARAMETERS has {twice} twice")
    for parameter in given:
        low, high, default = parameter.low, parameter.high, parameter.default
        if not all(isinstance(value, int | float) for value in (low, high, default)) or not low <= default <= high:
            raise StrategyError(
                f"{where}: parameter {parameter.name}: its default {default} must be from {low} to {high}"
            )
    return tuple(given)


# --- compiling ---


class _Recompiled:
    """Compiles the file's functions, and those of others that they call, anew: bounds checked, Python's error model."""

    def __init__(self, path: Path, module: ModuleType) -> None:
        self._path, self._module = str(path), module
        self._made: dict[int, Any] = {}
        for name, value in list(vars(module).items()):
            made = self._replaced(value, ours=True)
            if made is not None:
                setattr(module, name, made)

    def function(self, plain: FunctionType) -> Any:
        return self._replaced(plain, ours=True)

    def _replaced(self, value: Any, *, ours: bool) -> Any:
        """A compiled function in the place of ``value``, None where that is no function to compile."""
        plain = getattr(value, "py_func", value) if isinstance(value, Dispatcher) else value
        if not isinstance(plain, FunctionType):
            return None
        of_file = plain.__code__.co_filename == self._path
        if not of_file and not isinstance(value, Dispatcher):
            return None  # numba's own, or Python's
        if id(plain) not in self._made:
            source = plain
            if not of_file:
                source = FunctionType(
                    plain.__code__, dict(plain.__globals__), plain.__name__, plain.__defaults__, plain.__closure__
                )
            self._made[id(plain)] = njit(boundscheck=True, error_model="python")(source)
            if not of_file:
                for name in plain.__code__.co_names:
                    inner = self._replaced(source.__globals__.get(name), ours=False)
                    if inner is not None:
                        source.__globals__[name] = inner
        return self._made[id(plain)]


def _compile(path: Path, compiled: Any, line: int) -> None:
    try:
        compiled.compile(_TYPES)
    except NumbaError as error:
        at = getattr(error, "loc", None)
        if at is not None and at.filename == str(path):
            line = at.line
        source = linecache.getline(str(path), line).strip()
        raise StrategyError(f"{path}:{line}: cannot be compiled: {_cause(error)} | {source}") from None
    except Exception as error:  # noqa: BLE001 - numba fails in many ways on what it does not know
        raise StrategyError(f"{path}:{line}: cannot be compiled: {type(error).__name__}: {error}") from None


def _cause(error: NumbaError) -> str:
    """The first telling line of numba's long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Failed in nopython")), type(error).__name__)[:200]


def _check_types(path: Path, compiled: Any, line: int) -> None:
    """A quote returns a whole number on every path, and what is put into whole numbers is whole."""
    found = compiled.overloads[_TYPES]
    returned = found.signature.return_type
    if not isinstance(returned, types.Integer | types.Boolean):
        what = {types.none: "nothing", types.float64: "a float"}.get(returned, str(returned))
        if isinstance(returned, types.Optional):
            what = "nothing on one of its paths"
        raise StrategyError(f"{path}:{line}: quote returns {what}; it must return 0, or a whole number for an error")
    for dispatcher in _reached(compiled, {}):
        for made in dispatcher.overloads.values():
            _check_stores(path, made.type_annotation)


def _reached(dispatcher: Any, seen: dict[int, Any]) -> list[Any]:
    """``dispatcher`` and all it calls by a global name."""
    if id(dispatcher) not in seen:
        seen[id(dispatcher)] = dispatcher
        plain = dispatcher.py_func
        for name in plain.__code__.co_names:
            inner = plain.__globals__.get(name)
            if isinstance(inner, Dispatcher):
                _reached(inner, seen)
    return list(seen.values())


def _check_stores(path: Path, annotation: Any) -> None:
    if annotation is None:
        return
    for block in annotation.blocks.values():
        for node in block.body:
            if not isinstance(node, ir.SetItem | ir.StaticSetItem) or node.loc.filename != str(path):
                continue
            into, value = annotation.typemap.get(node.target.name), annotation.typemap.get(node.value.name)
            value = getattr(value, "dtype", value)
            if isinstance(getattr(into, "dtype", None), types.Integer) and isinstance(value, types.Float):
                source = linecache.getline(str(path), node.loc.line).strip()
                cause = "a float is put where prices in ticks and sizes in lots are whole numbers: int(...) makes one"
                raise StrategyError(f"{path}:{node.loc.line}: {cause} | {source}")


# --- trying ---


def _try(path: Path, made: Strategy, own: Own) -> None:
    """Quote once on a quiet book, with and without signals: an error or a senseless quote is found here."""
    view = np.zeros(VIEW_SIZE, np.int64)
    view[VIEW_BID_TICKS], view[VIEW_ASK_TICKS], view[VIEW_BID_LOTS], view[VIEW_ASK_LOTS] = 100_000, 100_010, 500, 500
    view[VIEW_SIZE_PERMILLE] = view[VIEW_SPREAD_PERMILLE] = 1000
    params = np.zeros(PARAMS_SIZE)
    params[PARAM_TICK_SIZE], params[PARAM_LOT_SIZE] = 0.01, 0.001
    params[PARAM_BASE_SIZE_LOTS], params[PARAM_MAX_INVENTORY_LOTS] = 10, 100
    for at, parameter in enumerate(made.parameters):
        params[PARAM_COMMON + at] = parameter.default
    for signals in (np.full(SIGNALS_SIZE, np.nan), np.ones(SIGNALS_SIZE)):
        out = np.zeros(OUT_SIZE, np.int64)
        code = made.quote(1, view, signals, params, out)
        if own.failed:
            raise StrategyError(own.failure() + " (on a quiet book)")
        if code != 0:
            raise StrategyError(f"{path}:{own.line}: quote returned {code} on a quiet book; 0 means it could quote")
    own.reset()
