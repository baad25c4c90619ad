"""A strategy over one window of a recording: the book is built from the start, trading begins with the window."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.backtest.driver import build_lane, run_lanes
from engine.backtest.metrics import max_drawdown
from engine.backtest.remarks import check_quotes
from engine.backtest.settings import Simulation
from engine.backtest.tape import TapeError, read_columns, tape_of
from engine.config.schema import Config
from engine.config.terms import most_notional
from engine.kernel.account.pnl import equity
from engine.kernel.sim.lane import CURSOR_SAMPLES, CURSOR_START_NS, CURVE_DRAWDOWN, Lane, Tape
from engine.market.columns import Columns, save
from engine.strategy.parameters import Strategy

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start_ns`` until before ``end_ns``, local time."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end_ns - self.start_ns) * 1e-9


@dataclass(frozen=True, slots=True)
class Score:
    """What one set of parameters earned in one window, quote currency. ``changes``: of equity, one every sample."""

    total: float
    drawdown: float
    fills: int
    changes: F64

    @property
    def sharpe(self) -> float | None:
        """Mean over standard deviation of the changes, not annualised; None where they do not vary."""
        if self.changes.size < 3:
            return None
        spread = float(self.changes.std(ddof=1))
        return float(self.changes.mean()) / spread if spread > 0 else None


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """Every symbol of a search, read once a process."""

    columns: tuple[Columns, ...]
    tapes: tuple[Tape, ...]

    @property
    def span(self) -> Window:
        """The time all symbols have in common."""
        return Window(
            max(int(tape.local_ns[0]) for tape in self.tapes), min(int(tape.local_ns[-1]) for tape in self.tapes) + 1
        )

    def digest(self) -> str:
        """SHA-256 of the market itself: a recording and the columns made from it have the same one."""
        found = hashlib.sha256()
        for columns in sorted(self.columns, key=lambda one: one.symbol):
            found.update(f"{columns.symbol} {columns.tick_e8} {columns.lot_e8}".encode())
            for array in (columns.kind, columns.exch_ns, columns.local_ns, columns.ticks, columns.lots):
                found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def open_market(paths: Sequence[Path]) -> RecordedMarket:
    """Read each file, one a symbol. Raises TapeError."""
    columns = tuple(read_columns(path) for path in paths)
    if not columns:
        raise TapeError("no data: name at least one recording")
    for at, one in enumerate(columns):
        if one.symbol in (other.symbol for other in columns[:at]):
            raise TapeError(f"{paths[at]}: {one.symbol} is in another file already; give one file a symbol")
    tapes = tuple(tape_of(one, str(path)) for one, path in zip(columns, paths, strict=True))
    return RecordedMarket(columns, tapes)


def share_columns(market: RecordedMarket, folder: Path) -> list[Path]:
    """Write column files that any number of processes map into the same memory."""
    paths = []
    for columns in market.columns:
        paths.append(folder / f"{columns.symbol}.columns")
        save(columns, paths[-1])
    return paths


def check_covered(market: RecordedMarket, window: Window, what: str) -> None:
    """Raises TapeError where a symbol has no usable book in ``window``: nothing could be learnt there."""
    for columns, tape in zip(market.columns, market.tapes, strict=True):
        first, last = np.searchsorted(tape.local_ns, (window.start_ns, window.end_ns))
        if last <= first:
            raise TapeError(f"{what} ({_times(window)}) is empty: no message of {columns.symbol}")
        if not tape.live[first:last].any():
            raise TapeError(f"{what} ({_times(window)}): the book of {columns.symbol} is never in sequence")


def _times(window: Window) -> str:
    start, end = np.array([window.start_ns, window.end_ns], "datetime64[ns]").astype("datetime64[ms]")
    return f"{start}Z to {end}Z"


def measure(
    market: RecordedMarket, config: Config, simulation: Simulation, strategy: Strategy, window: Window
) -> Score:
    """Run ``config``'s strategy in ``window`` alone: flat before it, its position marked to mid at the end.

    Signals that need history start with the window. Raises StrategyError, SettingsError, or ArithmeticError when
    the profit is not a finite number.
    """
    all_lanes = [
        build_lane(columns, tape, config, simulation, strategy)
        for columns, tape in zip(market.columns, market.tapes, strict=True)
    ]
    for lane in all_lanes:
        lane.cursor[CURSOR_START_NS] = window.start_ns
    units = [columns.tick_e8 * columns.lot_e8 / 1e16 for columns in market.columns]
    most = most_notional(config)
    total_notional = None if most is None else float(most)
    outputs, _ = run_lanes(all_lanes, units, strategy, total_notional, until_ns=window.end_ns - 1)
    check_quotes(all_lanes, strategy)
    curve = _curve(all_lanes, window, simulation.sample_s)
    total = sum(float(equity(lane.pnl.row, unit)) for lane, unit in zip(all_lanes, units, strict=True))
    curve[-1] = total  # the part of a sample that is left counts with the one before it
    if not np.isfinite(total) or not np.all(np.isfinite(curve)):
        raise ArithmeticError(f"the profit is not a finite number: {total}")
    return Score(
        total=total,
        drawdown=float(all_lanes[0].curve[CURVE_DRAWDOWN]) if len(all_lanes) == 1 else max_drawdown(curve),
        fills=sum(len(rows) for output in outputs for rows in output.fills),
        changes=np.diff(curve),
    )


def _curve(all_lanes: Sequence[Lane], window: Window, sample_s: float) -> F64:
    """Equity of all symbols together, every ``sample_s`` from the window's start."""
    grid: F64 = np.arange(0.0, window.seconds, sample_s, dtype=np.float64)
    total = np.zeros_like(grid)
    for lane in all_lanes:
        rows = lane.samples[: lane.cursor[CURSOR_SAMPLES]]
        seconds = rows[:, 0] + (int(lane.tape.local_ns[0]) - window.start_ns) * 1e-9
        at = np.searchsorted(seconds, grid, side="right") - 1
        total += np.where(at >= 0, rows[np.maximum(at, 0), 1], 0.0)
    return total
