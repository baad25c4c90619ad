"""A live run's journalled decisions against the backtester on the same market: the same, and if not, where?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.backtest.apart import run
from engine.backtest.driver import Result
from engine.backtest.settings import Simulation
from engine.backtest.tape import TapeError, read_tapes
from engine.config.schema import Config
from engine.kernel.decisions import COLUMNS, DecisionHash
from engine.kernel.quoting import CANCEL, PLACE

I64 = npt.NDArray[np.int64]
Journalled = tuple[int, str, int, str, int, int]
"""A row of the journal's table ``decisions``: ns, symbol, side, action, ticks, lots."""

ACTIONS: Final = {"place": PLACE, "cancel": CANCEL}
_NAMES: Final = {code: name for name, code in ACTIONS.items()}


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
        return self.live_sha256 == self.replayed_sha256


def rows_of(journalled: Iterable[Journalled], symbols: Sequence[str]) -> I64:
    """Decision rows as the hash takes them, in the order they were taken. Raises ValueError for what it cannot know."""
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    rows: list[tuple[int, ...]] = []
    for ns, symbol, side, action, ticks, lots in journalled:
        if symbol not in numbers or action not in ACTIONS:
            raise ValueError(f"a decision to {action} on {symbol} has no place in a replay of {', '.join(symbols)}")
        rows.append((ns, numbers[symbol], side, ACTIONS[action], ticks, lots))
    return np.array(rows, np.int64).reshape(-1, COLUMNS)


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


def sha256(rows: I64) -> str:
    hashed = DecisionHash()
    hashed.add(rows)
    return hashed.hexdigest()


def first_difference(live: I64, replayed: I64) -> str:
    """Where two sequences of decisions part, both sides named; empty where they do not."""
    shared = min(len(live), len(replayed))
    unequal = np.flatnonzero((live[:shared] != replayed[:shared]).any(axis=1))
    if not len(unequal) and len(live) == len(replayed):
        return ""
    at = int(unequal[0]) if len(unequal) else shared
    return f"decision {at + 1}: live {_text(live, at)}, replayed {_text(replayed, at)}"


def _text(rows: I64, at: int) -> str:
    if at >= len(rows):
        return "nothing more"
    ns, _, side, action, ticks, lots = rows[at].tolist()
    return f"{_NAMES.get(action, action)} {'buy' if side > 0 else 'sell'} {lots} lots at {ticks} ticks at {ns} ns"
