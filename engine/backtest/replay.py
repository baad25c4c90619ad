"""A live run's journalled decisions against the backtester on the same market: the same, and if not, where?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.backtest.driver import Result
from engine.backtest.isolated import run
from engine.backtest.journalled import Journalled, first_difference, rows_of, sha256
from engine.backtest.settings import Simulation
from engine.backtest.tape import TapeError, read_tapes
from engine.config.schema import Config


@dataclass(frozen=True, slots=True)
class Replay:
    """``first_difference`` is empty when every decision was reproduced; else it names time, and both sides."""

    live_decisions: int
    live_sha256: str
    replayed_decisions: int
    replayed_sha256: str
    first_difference: str
    result: Result

    @property
    def same(self) -> bool:
        """Whether the replay decided exactly as the live engine did."""
        return self.live_sha256 == self.replayed_sha256


def replay(
    journalled: Sequence[Journalled], paths: Sequence[Path], config: Config, simulation: Simulation | None = None
) -> Replay:
    """Run ``paths``, each symbol from its first journalled decision, and compare. Raises as ``driver.run`` does.

    Decisions of several engines (one a symbol) are given together, in order of time and symbol. ``simulation`` must
    be what the live run met: latencies, queue model, partial fills.
    """
    symbols = [columns.symbol for columns, _ in read_tapes(paths)]
    live = rows_of(journalled, symbols)
    if not len(live):
        raise TapeError("the journal holds no decision to replay")
    starts = {symbols[number]: int(live[live[:, 1] == number, 0][0]) for number in np.unique(live[:, 1]).tolist()}
    result = run(paths, config, replace(simulation or Simulation(), starts=starts))
    difference = first_difference(live, result.decisions)
    return Replay(len(live), sha256(live), len(result.decisions), result.decisions_sha256, difference, result)
