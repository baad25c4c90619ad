"""The fence around a user's strategy: it gets copies, and what it wants is read and bounded before the limits see it.

``fenced`` makes of a user's compiled function one with ``QUOTE_SIGNATURE`` that the drivers call as any other. The
user's function sees arrays of its own, filled anew before every call; the arrays the limits are checked on never reach
it. Its exceptions end here, and from its first one, or its first senseless quote, it is not asked again until
``CELL_STATE`` is cleared. Where it is and since when stands in the cells: int64 at an address that never moves, which
another process may map.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.arrayobj import make_array, populate_array

from engine.kernel.jit import inner as compiled_apart
from engine.kernel.layout import (
    CELL_COUNT,
    CELL_FAILED_NS,
    CELL_LEFT,
    CELL_LINE,
    CELL_OUT,
    CELL_SINCE,
    CELL_STACK,
    CELL_STATE,
    CELLS,
    OUT_ASK_LOTS,
    OUT_ASK_REASON,
    OUT_ASK_TICKS,
    OUT_BID_LOTS,
    OUT_BID_REASON,
    OUT_BID_TICKS,
    OUT_FALLBACK,
    OUT_SIZE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    VIEW_POSITION_LOTS,
    VIEW_SIZE,
)
from engine.kernel.quoting.actions import QUOTE_SIGNATURE, sane
from engine.kernel.quoting.checks import REASON_MAX_INVENTORY, REASON_NONE, REASON_NOT_WANTED, REASONS

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

FAILED_RAISED: Final = 1
FAILED_SENSELESS: Final = 2

#: What a fenced strategy returns for a decision that could not be made.
NO_DECISION: Final = -1

#: Rounds of all loops, and calls of functions, of one decision: about a millisecond of a plain loop.
ROUNDS: Final = 1_000_000
#: Bytes of stack a decision may use. The smallest stack a thread of ours has is far above it.
STACK: Final = 256 * 1024

_WORD: Final = cgutils.intp_t


class EndlessLoop(Exception):
    """A decision went round its loops, or called itself, more often than any quote needs."""


def _load(_context: Any, _address: Any) -> Any:
    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.load_atomic(pointer, ordering="monotonic", align=8)

    return types.int64(types.int64), build


def _store(_context: Any, _address: Any, _value: Any) -> Any:
    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], _WORD.as_pointer())
        builder.store_atomic(arguments[1], pointer, ordering="monotonic", align=8)
        return target.get_dummy_value()

    return types.none(types.int64, types.int64), build


def _stack(_context: Any) -> Any:
    """Where the stack is now."""

    def build(_target: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once(builder, _WORD), _WORD)

    return types.int64(), build


def _array_at(kind: Any) -> Any:
    def typed(_context: Any, _address: Any, _length: Any) -> Any:
        array = types.Array(kind, 1, "C")

        def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            made = make_array(array)(target, builder)
            eight = _WORD(8)
            data = builder.inttoptr(arguments[0], target.get_data_type(kind).as_pointer())
            populate_array(made, data=data, shape=[arguments[1]], strides=[eight], itemsize=eight, meminfo=None)
            return made._getvalue()

        return array(types.int64, types.int64), build

    return typed


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
stack: Any = intrinsic(_stack)
integers_at: Any = intrinsic(_array_at(types.int64))
floats_at: Any = intrinsic(_array_at(types.float64))


# --- what is put into the user's file: does nothing where Python runs it ---
# (numba wants an overload and what it returns to have one signature, annotations included: so there are none)


def at_line(cells: int, line: int) -> None:
    """The next statement is at ``line``."""


def go_round(cells: int, line: int) -> bool:
    """One more round of a loop, or call. True; raises EndlessLoop after too many."""
    return True


def call(cells: int, line: int) -> None:
    """A function begins. Raises EndlessLoop where too much stack is used."""


def whole(value: Any) -> Any:
    """``value``, which becomes an integer next. Raises ValueError for NaN, OverflowError for what is too large."""
    return value


@overload(at_line)
def _at_line(cells, line):  # type: ignore[no-untyped-def]
    def compiled(cells, line):  # type: ignore[no-untyped-def]
        store(cells + 8 * CELL_LINE, line)

    return compiled


@overload(go_round)
def _go_round(cells, line):  # type: ignore[no-untyped-def]
    def compiled(cells, line):  # type: ignore[no-untyped-def]
        left = load(cells + 8 * CELL_LEFT) - 1
        store(cells + 8 * CELL_LEFT, left)
        if left < 0:
            store(cells + 8 * CELL_LINE, line)
            raise EndlessLoop("a decision went round its loops a million times without an end")
        return True

    return compiled


@overload(call)
def _call(cells, line):  # type: ignore[no-untyped-def]
    def compiled(cells, line):  # type: ignore[no-untyped-def]
        go_round(cells, line)
        if load(cells + 8 * CELL_STACK) - stack() > STACK:
            store(cells + 8 * CELL_LINE, line)
            store(cells + 8 * CELL_LEFT, -1)
            raise EndlessLoop("a function calls itself without an end")

    return compiled


@overload(whole)
def _whole(value):  # type: ignore[no-untyped-def]
    if not isinstance(value, types.Float):
        return lambda value: value

    def compiled(value):  # type: ignore[no-untyped-def]
        if value != value:
            raise ValueError("cannot convert float NaN to integer")
        if not -4e18 < value < 4e18:
            raise OverflowError("cannot convert a float so large to integer")
        return value

    return compiled


# --- the fence ---

_KEPT: Final[list[tuple[Any, ...]]] = []  # arrays that compiled code knows by address


def new_cells() -> I64:
    """Cells of this process alone."""
    return np.zeros(CELLS, np.int64)


@compiled_apart
def _within(side: int, wanted: I64, view: I64, params: F64, out: I64) -> None:
    """One side of what the strategy wants into ``out``, within the inventory; a side it leaves empty has a reason."""
    ticks = wanted[OUT_BID_TICKS] if side > 0 else wanted[OUT_ASK_TICKS]
    lots = wanted[OUT_BID_LOTS] if side > 0 else wanted[OUT_ASK_LOTS]
    reason = wanted[OUT_BID_REASON] if side > 0 else wanted[OUT_ASK_REASON]
    room = int(params[PARAM_MAX_INVENTORY_LOTS]) - side * view[VIEW_POSITION_LOTS]
    if lots > 0:
        lots = min(lots, max(room, 0))
        reason = REASON_NONE if lots > 0 else REASON_MAX_INVENTORY
    elif not 0 < reason < REASONS:
        reason = REASON_NOT_WANTED
    if side > 0:
        out[OUT_BID_TICKS], out[OUT_BID_LOTS], out[OUT_BID_REASON] = ticks, lots, reason
    else:
        out[OUT_ASK_TICKS], out[OUT_ASK_LOTS], out[OUT_ASK_REASON] = ticks, lots, reason


def fenced(inner: Any, cells: I64) -> tuple[Any, tuple[I64, F64, F64]]:
    """``inner``, compiled, as the drivers call a strategy; and the arrays it is given: view, signals and params of the
    decision that failed, once one has. They and ``cells`` stay where they are until the process ends, because what was
    compiled knows them by address alone."""
    own_view, own_signals = np.zeros(VIEW_SIZE, np.int64), np.zeros(SIGNALS_SIZE)
    own_params, own_out = np.zeros(PARAMS_SIZE), np.zeros(OUT_SIZE, np.int64)
    _KEPT.append((cells, own_view, own_signals, own_params, own_out))
    base = cells.ctypes.data
    view_at, signals_at = own_view.ctypes.data, own_signals.ctypes.data
    params_at, out_at = own_params.ctypes.data, own_out.ctypes.data

    @njit(QUOTE_SIGNATURE)
    def guarded(now_ns: int, view: I64, signals: F64, params: F64, out: I64) -> int:
        if load(base + 8 * CELL_STATE) != 0:
            return NO_DECISION
        given, seen = integers_at(view_at, VIEW_SIZE), floats_at(signals_at, SIGNALS_SIZE)
        taken, wanted = floats_at(params_at, PARAMS_SIZE), integers_at(out_at, OUT_SIZE)
        for at in range(VIEW_SIZE):
            given[at] = view[at]
        for at in range(SIGNALS_SIZE):
            seen[at] = signals[at]
        for at in range(PARAMS_SIZE):
            taken[at] = params[at]
        wanted[:] = 0
        store(base + 8 * CELL_LEFT, ROUNDS)
        store(base + 8 * CELL_STACK, stack())
        store(base + 8 * CELL_COUNT, load(base + 8 * CELL_COUNT) + 1)
        store(base + 8 * CELL_SINCE, now_ns)
        code = NO_DECISION
        failed = False
        try:
            code = int(inner(now_ns, given, seen, taken, wanted))
        except Exception:  # noqa: BLE001 - whatever it is, it must not reach the path of a tick
            failed = True
        store(base + 8 * CELL_SINCE, 0)
        if failed or load(base + 8 * CELL_LEFT) < 0:
            store(base + 8 * CELL_STATE, FAILED_RAISED)
            store(base + 8 * CELL_FAILED_NS, now_ns)
            for at in range(VIEW_SIZE):  # it may have written to its own: the failure is told from what it was given
                given[at] = view[at]
            for at in range(SIGNALS_SIZE):
                seen[at] = signals[at]
            for at in range(PARAMS_SIZE):
                taken[at] = params[at]
            return NO_DECISION
        if code != 0:
            return code
        out[OUT_FALLBACK] = wanted[OUT_FALLBACK]
        if sane(wanted):
            _within(1, wanted, view, params, out)
            _within(-1, wanted, view, params, out)
        else:
            store(base + 8 * CELL_STATE, FAILED_SENSELESS)
            store(base + 8 * CELL_FAILED_NS, now_ns)
            for at in range(OUT_SIZE):
                store(base + 8 * (CELL_OUT + at), wanted[at])
                out[at] = wanted[at]
        return 0

    return guarded, (own_view, own_signals, own_params)
