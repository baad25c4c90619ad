"""Every strategy by name, and a user's own from a file. A new strategy is one file and one line of ``STRATEGIES``."""

import importlib
import importlib.util
import linecache
import sys
import traceback
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numba import njit
from numba.core.errors import NumbaError

from engine.kernel.layout import (
    O_ASK_LOTS,
    O_BID_LOTS,
    OUT_SIZE,
    P_BASE_SIZE_LOTS,
    P_LOT_SIZE,
    P_MAX_INVENTORY_LOTS,
    P_TICK_SIZE,
    PARAM_COMMON,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    V_ASK_LOTS,
    V_ASK_TICKS,
    V_BID_LOTS,
    V_BID_TICKS,
    V_SIZE_PERMILLE,
    V_SPREAD_PERMILLE,
    VIEW_SIZE,
)
from engine.kernel.quoting import QUOTE_SIGNATURE, sane
from engine.strategy.parameters import Parameter, Strategy, StrategyError


class _Strategies(Mapping[str, Strategy]):
    """Strategies by name, each imported when it is asked for: importing one compiles it, or loads what was compiled."""

    def __init__(self, **modules: str) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> Strategy:
        found: Strategy = importlib.import_module(self._modules[name]).STRATEGY
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


STRATEGIES: Final = _Strategies(
    basic="engine.strategy.basic",
    glft="engine.strategy.glft",
    adaptive="engine.strategy.adaptive",
)
#: Names older configurations use.
ALIASES: Final = {"basic_mm": "basic"}


def strategy(name: str, file: Path | None = None) -> Strategy:
    """The strategy called ``name``, or the one in ``file``. Raises StrategyError naming what is wrong and where."""
    if file is not None:
        return from_file(Path(file), name)
    found = STRATEGIES.get(ALIASES.get(name, name))
    if found is None:
        near = get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(STRATEGIES)}"
        raise StrategyError(f"no strategy is called {name}; {hint}")
    return found


def from_file(path: Path, name: str) -> Strategy:
    """A user's strategy: a Python file with ``quote(now_ns, view, signals, params, out)`` and, if it takes any,
    ``PARAMETERS``, a list of ``Parameter``. The function is compiled and tried on a quiet book before it is used."""
    module = _import(path)
    quote = getattr(module, "quote", None)
    if quote is None:
        raise StrategyError(f"{path}: it has no function quote(now_ns, view, signals, params, out)")
    parameters = tuple(getattr(module, "PARAMETERS", ()))
    if any(not isinstance(parameter, Parameter) for parameter in parameters):
        raise StrategyError(f"{path}: PARAMETERS must be a list of engine.strategy.parameters.Parameter")
    if PARAM_COMMON + len(parameters) > PARAMS_SIZE:
        raise StrategyError(f"{path}: at most {PARAMS_SIZE - PARAM_COMMON} parameters, found {len(parameters)}")
    plain = getattr(quote, "py_func", quote)
    compiled = _compile(path, plain)
    made = Strategy(name, compiled, parameters)
    _try(path, plain, made)
    return made


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        raise StrategyError(f"{path}: no such strategy file")
    spec = importlib.util.spec_from_file_location(f"user_strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise StrategyError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise StrategyError(f"{path}:{_line(path, error)}: {type(error).__name__}: {error}") from error
    return module


def _compile(path: Path, plain: Any) -> Any:
    try:
        return njit(QUOTE_SIGNATURE, error_model="numpy")(plain)
    except NumbaError as error:
        at = getattr(error, "loc", None)
        line = at.line if at is not None else plain.__code__.co_firstlineno
        source = linecache.getline(str(path), line).strip()
        raise StrategyError(f"{path}:{line}: cannot be compiled: {_cause(error)} | {source}") from error
    except TypeError as error:
        raise StrategyError(f"{path}:{plain.__code__.co_firstlineno}: cannot be compiled: {error}") from error


def _cause(error: NumbaError) -> str:
    """The first telling line of numba's long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Failed in nopython")), type(error).__name__)[:200]


def _line(path: Path, error: BaseException) -> int:
    """The line of ``path`` where an exception came from, 0 if none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] or 0 if lines else 0


def _try(path: Path, plain: Any, made: Strategy) -> None:
    """Quote once on a quiet book, with and without signals: an error or a senseless quote is found here."""
    view = np.zeros(VIEW_SIZE, np.int64)
    view[V_BID_TICKS], view[V_ASK_TICKS], view[V_BID_LOTS], view[V_ASK_LOTS] = 100_000, 100_010, 500, 500
    view[V_SIZE_PERMILLE] = view[V_SPREAD_PERMILLE] = 1000
    params = np.zeros(PARAMS_SIZE)
    params[P_TICK_SIZE], params[P_LOT_SIZE] = 0.01, 0.001
    params[P_BASE_SIZE_LOTS], params[P_MAX_INVENTORY_LOTS] = 10, 100
    for at, parameter in enumerate(made.parameters):
        params[PARAM_COMMON + at] = parameter.default
    line = plain.__code__.co_firstlineno
    for signals in (np.full(SIGNALS_SIZE, np.nan), np.ones(SIGNALS_SIZE)):
        out = np.zeros(OUT_SIZE, np.int64)
        with np.errstate(all="ignore"):
            try:
                code = plain(1, view.copy(), signals, params, out.copy())
                code = made.quote(1, view.copy(), signals, params, out)
            except Exception as error:
                where = _line(path, error) or line
                raise StrategyError(f"{path}:{where}: {type(error).__name__}: {error}") from error
        if code != 0:
            raise StrategyError(f"{path}:{line}: quote returned {code} on a quiet book; 0 means it could quote")
        if not sane(out):
            raise StrategyError(
                f"{path}:{line}: quote makes no sense on a quiet book (NaN turned into a price, a negative size, or a"
                f" bid at or above its ask): {out.tolist()}"
            )
        if out[O_BID_LOTS] > 100 or out[O_ASK_LOTS] > 100:
            raise StrategyError(f"{path}:{line}: quote asks for more than the maximum inventory")
