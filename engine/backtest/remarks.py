"""What is told of a run beside its numbers: quotes that failed, why nothing was done, what was wrong with the data."""

from collections.abc import Sequence

import numpy as np

from engine.config.schema import Config
from engine.kernel.layout import OUT_ASK_REASON, OUT_BID_REASON
from engine.kernel.quoting.checks import LIMIT_FAILED, LIMIT_SENSELESS, Reason
from engine.kernel.sim.lane import CURSOR_ORDERS, Lane
from engine.market.columns import Columns
from engine.strategy.parameters import Strategy, StrategyError


def check_quotes(all_lanes: Sequence[Lane], strategy: Strategy) -> list[str]:
    """What is to be told of the quotes. Raises StrategyError where a user's strategy failed: then nothing can be."""
    own = strategy.own
    if own is not None and own.failed:
        when = np.datetime64(own.failed_ns, "ns").astype("datetime64[ms]")
        raise StrategyError(f"{own.failure()} (decision of {when}Z)")
    senseless = sum(int(lane.limits[LIMIT_SENSELESS]) for lane in all_lanes)
    failed = sum(int(lane.limits[LIMIT_FAILED]) for lane in all_lanes)
    where = f"{own.path}:{own.line}" if own is not None else strategy.name
    notes = [f"{where}: {senseless} quotes made no sense and were not placed"] if senseless else []
    return [*notes, *([f"{where}: the strategy reported an error {failed} times"] if failed else [])]


def silent(all_lanes: Sequence[Lane], symbols: Sequence[Columns], config: Config) -> list[str]:
    """Why nothing was done, where nothing was; and that the configured symbol is another."""
    names = [columns.symbol for columns in symbols]
    notes = []
    if config.strategy.symbol not in names:
        notes.append(f"strategy.symbol {config.strategy.symbol} is not in the data, which is of {', '.join(names)}")
    for name, lane in zip(names, all_lanes, strict=True):
        if not lane.cursor[CURSOR_ORDERS]:
            last = {int(lane.out[at]) for at in (OUT_BID_REASON, OUT_ASK_REASON)}
            reasons = [reason.text for reason in Reason if int(reason) in last]
            notes.append(f"{name}: no order was placed; at the end: {' / '.join(reasons)}")
    return notes


def of_data(columns: Columns) -> list[str]:
    """What was wrong with, or assumed of, one symbol's data."""
    found = columns.report
    what = {"gaps in the feed": found.gaps, "crossed books": found.crossed, "bad lines": found.bad_lines}
    counted = [f"{count} {name}" for name, count in what.items() if count]
    return [*found.notes, *([f"{columns.symbol}: {', '.join(counted)}"] if counted else [])]
