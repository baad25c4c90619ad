"""Run a strategy over recordings: configuration and columns in, one result out. The kernel does the work."""

import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.funding import Funding, pay
from engine.backtest.holdings import balance_notes, purses
from engine.backtest.metrics import Measures, max_drawdown, ratios, share
from engine.backtest.remarks import check_quotes, of_data, silent
from engine.backtest.settings import MOST_SAMPLES, Simulation
from engine.backtest.stopping import BreakerStop, as_json, stops, told
from engine.backtest.tape import read_tapes
from engine.config.schema import Config
from engine.config.terms import configure, most_notional
from engine.kernel.account.pnl import PNL_MID2, PNL_POSITION, PNL_TURNOVER, PnlReport, report
from engine.kernel.layout import PARAM_LOT_SIZE, PARAM_TICK_SIZE
from engine.kernel.quoting.actions import QUOTING_OVERLAP, QUOTING_QUEUE_TICKS
from engine.kernel.quoting.checks import LIMIT_TOTAL_ROOM
from engine.kernel.quoting.decisions import DecisionHash
from engine.kernel.sim import lane as lanes
from engine.kernel.sim import loop
from engine.kernel.sim.exchange import set_rules
from engine.kernel.sim.lane import I64, NEVER_NS, Lane, Shared, new_lane, new_shared
from engine.kernel.symbol import new_symbol
from engine.market.columns import Columns
from engine.strategy.parameters import Strategy
from engine.strategy.registry import strategy as find_strategy

SLICE_NS: Final = 100_000_000  # how often lanes that share a limit learn of each other


@dataclass(frozen=True, slots=True)
class Result:
    """What one run gave. ``equity`` is per symbol: rows of (seconds, equity, position in lots, mid in half ticks)."""

    events: int
    began_ns: int  # when the first event was handled, by the clock on the wall
    seconds: float
    orders: int
    cancels: int
    fills: list[list[Any]]
    pnl: dict[str, float]
    markouts: dict[str, float | None]
    measures: Measures
    decisions_sha256: str
    decisions: I64
    equity: dict[str, np.ndarray[Any, np.dtype[np.float64]]]
    by_symbol: dict[str, dict[str, float]]
    scales: dict[str, dict[str, float]]  # per symbol: start_ns of its clock, tick_size, lot_size
    notes: list[str]  # what was wrong with the data, or is assumed of it
    stops: list[BreakerStop]  # when and by which rules live would have stopped

    def contract(self) -> dict[str, Any]:
        """The object of ``mmctl backtest run --json``."""
        return {
            "events": self.events,
            "began_ns": self.began_ns,
            "seconds": self.seconds,
            "events_per_second": self.events / self.seconds if self.seconds > 0 else None,
            "orders": self.orders,
            "cancels": self.cancels,
            "fills": self.fills,
            "pnl": self.pnl,
            "markouts": self.markouts,
            "max_drawdown": self.measures.max_drawdown,
            "decisions_sha256": self.decisions_sha256,
            "measures": asdict(self.measures),
            "by_symbol": self.by_symbol,
            "scales": self.scales,
            "notes": self.notes,
            **as_json(self.stops),
        }


@dataclass(frozen=True, slots=True)
class RecordedTerms:
    """What a recording tells of its symbol; what else an exchange allows binds nothing (``config.terms.Terms``)."""

    tick_size: Decimal
    lot_size: Decimal
    maker_fee: Decimal
    min_lots: int = 1
    max_lots: int = 0
    min_notional: Decimal = Decimal(0)
    min_ticks: int = 1
    max_ticks: int = 0


def build_lane(
    columns: Columns,
    tape: lanes.Tape,
    config: Config,
    simulation: Simulation,
    strategy: Strategy,
    purse: I64 | None = None,
) -> Lane:
    """One symbol, ready to run. Raises StrategyError or SettingsError."""
    tick, lot = Decimal(columns.tick_e8) / 10**8, Decimal(columns.lot_e8) / 10**8
    symbol = new_symbol(columns.tick_e8, columns.lot_e8)
    configure(symbol, config, strategy, RecordedTerms(tick, lot, Decimal(repr(simulation.maker_fee))))
    symbol.rules[QUOTING_QUEUE_TICKS], symbol.rules[QUOTING_OVERLAP] = simulation.queue_ticks, simulation.overlap
    lane = new_lane(
        tape,
        symbol,
        latency=simulation.latency.build(),
        start_ns=simulation.starts.get(columns.symbol, int(tape.local_ns[0]) + int(simulation.start_after_s * 1e9)),
        sample_ns=int(simulation.sample_s * 1e9),
        maker_fee=simulation.maker_fee,
        taker_fee=simulation.taker_fee,
        purse=purse,
        watch=strategy.watch,
        # what runs in a recording's time, and is replayed, does not look between its ticks
        look_ns=int(config.strategy.tick_interval) if config.venue.clock == "wall" else NEVER_NS,
    )
    set_rules(
        lane.exchange,
        0,
        lot_size=float(lot),
        queue_model=simulation.queue_code(),
        n=simulation.n,
        partial_fills=simulation.partial_fills,
        maker_fee=simulation.maker_fee,
        taker_fee=simulation.taker_fee,
    )
    return lane


class _Outputs:
    """Decisions and fills of one lane, drained as the kernel fills its arrays."""

    def __init__(self, funding: Iterable[Funding] = ()) -> None:
        self.funding = deque(funding)  # what is still to come, in order of time
        self.shared: Shared = new_shared()
        self.decisions: list[I64] = []
        self.fills: list[I64] = []

    def drain(self) -> None:
        for rows, kept, at in ((self.shared.decisions, self.decisions, 0), (self.shared.fills, self.fills, 1)):
            kept.append(rows[: self.shared.tally[at]].copy())
            self.shared.tally[at] = 0


def _advance(lane: Lane, outputs: _Outputs, number: int, strategy: Strategy, until_ns: int) -> None:
    while outputs.funding and outputs.funding[0].ns <= until_ns:
        due = outputs.funding.popleft()
        _run_to(lane, outputs, number, strategy, due.ns)
        pay(lane, float(lane.params[PARAM_TICK_SIZE] * lane.params[PARAM_LOT_SIZE]), due)
    _run_to(lane, outputs, number, strategy, until_ns)


def _run_to(lane: Lane, outputs: _Outputs, number: int, strategy: Strategy, until_ns: int) -> None:
    while loop.run(lane, outputs.shared, number, strategy.quote, until_ns) == lanes.MORE:
        outputs.drain()


def _share_limit(all_lanes: Sequence[Lane], units: Sequence[float], total: float) -> None:
    """Give each lane what the others' positions leave of the account's notional limit."""
    held = [
        abs(int(lane.pnl.row[PNL_POSITION])) * 0.5 * float(lane.pnl.row[PNL_MID2]) * unit
        for lane, unit in zip(all_lanes, units, strict=True)
    ]
    for lane, unit in zip(all_lanes, units, strict=True):
        lane.limits[LIMIT_TOTAL_ROOM] = max(0, int((total - sum(held)) / unit))


def run_lanes(
    all_lanes: Sequence[Lane],
    units: Sequence[float],
    strategy: Strategy,
    total_notional: float | None,
    until_ns: int = loop.NEVER,
    funding: Sequence[Sequence[Funding]] = (),
) -> tuple[list[_Outputs], float]:
    """Run every lane to its end or to ``until_ns``; returns their outputs and the seconds spent, compilation not
    included.

    ``funding`` is per lane, in order of time.

    Symbols only meet in the account's notional limit. Without one each runs on its own; with one they go in slices
    of simulated time and learn of each other between them.
    """
    outputs = [_Outputs(due) for due in (funding or [()] * len(all_lanes))]
    if strategy.own is not None:
        strategy.own.reset()
    loop.compile_run(all_lanes[0], outputs[0].shared)
    began = time.perf_counter()
    if total_notional is None or len(all_lanes) == 1:
        for number, lane in enumerate(all_lanes):
            _advance(lane, outputs[number], number, strategy, until_ns)
    else:
        now = min(int(lane.tape.local_ns[0]) for lane in all_lanes)
        end = min(until_ns, max(int(lane.tape.local_ns[-1]) for lane in all_lanes))
        while now <= end:
            now += SLICE_NS
            _share_limit(all_lanes, units, total_notional)
            for number, lane in enumerate(all_lanes):
                _advance(lane, outputs[number], number, strategy, min(now, until_ns))
    seconds = time.perf_counter() - began
    for output in outputs:
        output.drain()
    return outputs, seconds


def _fills(rows: I64, symbols: Sequence[Columns]) -> list[list[Any]]:
    """The contract's fills: [exchange_ts_ns, symbol, side, price, quantity, maker]."""
    made = []
    for ns, symbol, side, ticks, lots, maker, _ in rows.tolist():
        columns = symbols[symbol]
        price, quantity = ticks * columns.tick_e8 / 1e8, lots * columns.lot_e8 / 1e8
        made.append([ns, columns.symbol, "buy" if side > 0 else "sell", price, quantity, bool(maker)])
    return made


def _markouts(all_lanes: Sequence[Lane]) -> dict[str, float | None]:
    from engine.kernel.account.pnl import HORIZON_NAMES

    sums = sum((lane.pnl.markout for lane in all_lanes), np.zeros((len(HORIZON_NAMES), 2)))
    return {name: share(*row) if row[1] else None for name, row in zip(HORIZON_NAMES, sums.tolist(), strict=True)}


def _total_equity(all_lanes: Sequence[Lane], sample_s: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Equity of all symbols together, every ``sample_s`` from the first tick of the first."""
    first = min(int(lane.tape.local_ns[0]) for lane in all_lanes)
    last = max(int(lane.tape.local_ns[-1]) for lane in all_lanes)
    grid = np.arange(0.0, (last - first) * 1e-9 + sample_s, sample_s)
    total = np.zeros_like(grid)
    for lane in all_lanes:
        rows = lane.samples[: lane.cursor[lanes.CURSOR_SAMPLES]]
        offset = (int(lane.tape.local_ns[0]) - first) * 1e-9
        at = np.searchsorted(rows[:, 0] + offset, grid, side="right") - 1
        total += np.where(at >= 0, rows[np.maximum(at, 0), 1], 0.0)
    return total


def _measures(all_lanes: Sequence[Lane], units: Sequence[float], lots: Sequence[float], sample_s: float) -> Measures:
    equity = _total_equity(all_lanes, sample_s)
    sharpe, sortino = ratios(np.diff(equity), sample_s)

    def counted(at: int) -> int:
        return sum(int(lane.cursor[at]) for lane in all_lanes)

    turnover = sum(float(lane.pnl.row[PNL_TURNOVER]) * unit for lane, unit in zip(all_lanes, units, strict=True))
    observed = counted(lanes.CURSOR_TIME_NS)
    drawdown = float(all_lanes[0].curve[lanes.CURVE_DRAWDOWN]) if len(all_lanes) == 1 else max_drawdown(equity)
    base = [float(lane.curve[lanes.CURVE_POSITION_NS]) * lot for lane, lot in zip(all_lanes, lots, strict=True)]
    return Measures(
        max_drawdown=drawdown,
        sharpe=sharpe,
        sortino=sortino,
        fill_ratio=share(counted(lanes.CURSOR_FILLED), counted(lanes.CURSOR_ORDERS)),
        reject_ratio=share(counted(lanes.CURSOR_REJECTED), counted(lanes.CURSOR_ORDERS)),
        cancel_ratio=share(counted(lanes.CURSOR_CANCELS), counted(lanes.CURSOR_ORDERS)),
        quote_uptime=share(counted(lanes.CURSOR_UPTIME_NS), observed),
        turnover=turnover,
        mean_inventory=share(sum(base), observed / len(all_lanes)) or 0.0,
        max_inventory=max(
            float(lane.cursor[lanes.CURSOR_MAX_POSITION]) * lot for lane, lot in zip(all_lanes, lots, strict=True)
        ),
        return_over_trade=share(float(equity[-1]), turnover),
    )


def run(paths: Sequence[Path], config: Config, simulation: Simulation | None = None) -> Result:
    """Backtest ``config``'s strategy over ``paths`` (one recording or column file a symbol).

    Raises TapeError, StrategyError or SettingsError, each naming file or key, and cause.
    """
    settings = simulation or Simulation()
    chosen = find_strategy(config.strategy.name, config.strategy.file)
    data = read_tapes(paths, settings.candles, skip_bad=settings.skip_bad_lines)
    span_s = max(float(tape.local_ns[-1] - tape.local_ns[0]) for _, tape in data) * 1e-9
    settings = replace(settings, sample_s=max(settings.sample_s, math.ceil(span_s / MOST_SAMPLES)))
    opened = purses([columns for columns, _ in data], config, settings)
    all_lanes = [
        build_lane(columns, tape, config, settings, chosen, purse)
        for (columns, tape), purse in zip(data, opened, strict=True)
    ]
    symbols = [columns for columns, _ in data]
    lots = [columns.lot_e8 / 1e8 for columns in symbols]
    units = [columns.tick_e8 * columns.lot_e8 / 1e16 for columns in symbols]
    most = most_notional(config)
    total = None if most is None else float(most)
    due = [_funding(settings, columns.symbol, tape) for columns, tape in data]
    outputs, seconds = run_lanes(all_lanes, units, chosen, total, funding=due)
    began_ns = time.time_ns() - round(seconds * 1e9)
    checked = check_quotes(all_lanes, chosen)
    stopped = stops(all_lanes, symbols, [np.concatenate(output.fills) for output in outputs], due, config)
    notes = [*told(stopped), *checked, *silent(all_lanes, symbols, config), *balance_notes(symbols, config)]
    return _result(all_lanes, outputs, symbols, units, lots, began_ns, seconds, settings, notes, stopped)


def _funding(settings: Simulation, symbol: str, tape: lanes.Tape) -> list[Funding]:
    """What falls due on ``symbol`` while its tape runs."""
    first, last = int(tape.local_ns[0]), int(tape.local_ns[-1])
    return [one for one in settings.funding if one.symbol == symbol and first <= one.ns <= last]


def _result(
    all_lanes: Sequence[Lane],
    outputs: Sequence[_Outputs],
    symbols: Sequence[Columns],
    units: Sequence[float],
    lots: Sequence[float],
    began_ns: int,
    seconds: float,
    settings: Simulation,
    notes: Sequence[str],
    stopped: list[BreakerStop],
) -> Result:
    decisions = np.concatenate([rows for output in outputs for rows in output.decisions])
    decisions = decisions[np.lexsort((decisions[:, 1], decisions[:, 0]))]
    fills = np.concatenate([rows for output in outputs for rows in output.fills])
    fills = fills[np.lexsort((fills[:, 1], fills[:, 0]))]
    hashed = DecisionHash()
    hashed.add(decisions)
    reports = [
        report(lane.pnl, columns.tick_e8, columns.lot_e8) for lane, columns in zip(all_lanes, symbols, strict=True)
    ]
    return Result(
        events=sum(int(lane.tape.start[lane.cursor[lanes.CURSOR_LOCAL]]) for lane in all_lanes),
        began_ns=began_ns,
        seconds=seconds,
        orders=sum(int(lane.cursor[lanes.CURSOR_ORDERS]) for lane in all_lanes),
        cancels=sum(int(lane.cursor[lanes.CURSOR_CANCELS]) for lane in all_lanes),
        fills=_fills(fills, symbols),
        pnl=_sum_pnl(reports),
        markouts=_markouts(all_lanes),
        measures=_measures(all_lanes, units, lots, settings.sample_s),
        decisions_sha256=hashed.hexdigest(),
        decisions=decisions,
        equity={
            columns.symbol: lane.samples[: lane.cursor[lanes.CURSOR_SAMPLES]]
            for lane, columns in zip(all_lanes, symbols, strict=True)
        },
        by_symbol={columns.symbol: _sum_pnl([one]) for columns, one in zip(symbols, reports, strict=True)},
        scales={
            columns.symbol: {
                "start_ns": int(lane.tape.local_ns[0]),
                "tick_size": columns.tick_e8 / 1e8,
                "lot_size": columns.lot_e8 / 1e8,
            }
            for lane, columns in zip(all_lanes, symbols, strict=True)
        },
        notes=[*(note for columns in symbols for note in of_data(columns)), *notes],
        stops=stopped,
    )


def _sum_pnl(reports: Sequence[PnlReport]) -> dict[str, float]:
    names = ("total", "spread", "inventory", "fees", "funding", "hedge", "realized", "unrealized", "realized_fifo")
    made = {name: float(sum((getattr(one, name) for one in reports), Decimal(0))) for name in names}
    if not all(math.isfinite(value) for value in made.values()):
        raise ArithmeticError(f"profit and loss is not finite: {made}")
    return made
