"""Decisions as the journal holds them, as rows of numbers; and where two sequences of decisions part."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.kernel.quoting.actions import CANCEL, PLACE
from engine.kernel.quoting.decisions import COLUMNS, DecisionHash

I64 = npt.NDArray[np.int64]
Journalled = tuple[int, str, int, str, int, int]
"""A row of the journal's table ``decisions``: ns, symbol, side, action, ticks, lots."""

ACTIONS: Final = {"place": PLACE, "cancel": CANCEL}
_NAMES: Final = {code: name for name, code in ACTIONS.items()}


def rows_of(journalled: Iterable[Journalled], symbols: Sequence[str]) -> I64:
    """Decision rows as the hash takes them, in the order they were taken. Raises ValueError for what it cannot know."""
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    rows: list[tuple[int, ...]] = []
    for ns, symbol, side, action, ticks, lots in journalled:
        if symbol not in numbers or action not in ACTIONS:
            raise ValueError(f"a decision to {action} on {symbol} has no place in a replay of {', '.join(symbols)}")
        rows.append((ns, numbers[symbol], side, ACTIONS[action], ticks, lots))
    return np.array(rows, np.int64).reshape(-1, COLUMNS)


def sha256(rows: I64) -> str:
    """SHA-256 of decisions, in hex: equal for equal decisions."""
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
