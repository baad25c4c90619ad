"""A run in real time, taken again: its recorded inputs through the kernel, its journal's decisions beside the result.

Where ``replay`` simulates the exchange, here the exchange's part is given: frames, and what became of each order. From
them the kernel parses, keeps the book, estimates, quotes, checks and settles anew; every decision must come out as
the journal has it. An order that nobody decided on shows as adopted.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.journalled import ACTIONS, I64, Journalled, first_difference, rows_of, sha256
from engine.backtest.tape import TapeError
from engine.kernel.book.feed import FeedSizes, views
from engine.kernel.book.levels import BOOK_STATE
from engine.kernel.book.order_book import GAP, STALE
from engine.kernel.book.sync import forget, want_refresh
from engine.kernel.codec.parse import as_frame
from engine.kernel.codec.requests import NO_BUFFER
from engine.kernel.layout import VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE
from engine.kernel.quoting.actions import (
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_SIDE,
    ACTION_TICKS,
    CANCEL,
    PLACE,
    WORK_AHEAD,
    WORK_BORN_NS,
    WORK_ID,
    WORK_LEAVES,
    WORK_LEVEL,
    WORK_SIDE,
    WORK_STATE,
    WORK_TICKS,
)
from engine.kernel.symbol import SYM_WORKING, new_symbol
from engine.kernel.tick import FOUND_DECIDED, TAKE_AND_DECIDE, decide_now, take_frame, tick
from engine.live.tick.tap import FORMAT
from engine.market.recording import ReadReport, RecordingError, frames
from engine.strategy.parameters import Strategy
from engine.strategy.registry import strategy as find_strategy

MARK: Final = b'{"mm":'
FORMATS: Final = (1, FORMAT)
ALWAYS: Final = 1 << 62


@dataclass(slots=True)
class Relived:
    """What one run's inputs gave. ``decisions`` as in ``replay``; ``adopted``: orders no decision had placed."""

    symbol: str
    epoch: int
    frames: int = 0
    ticks: int = 0  # decisions taken, most of which change nothing
    adopted: int = 0
    complete: bool = True
    decisions: I64 = field(default_factory=lambda: np.zeros((0, 6), np.int64))
    live_decisions: int = 0
    live_sha256: str = ""
    replayed_sha256: str = ""
    first_difference: str = ""

    @property
    def same(self) -> bool:
        """Whether the replay decided exactly as the live engine did."""
        return self.live_sha256 == self.replayed_sha256


class _Run:
    """The kernel's arrays of one symbol, driven by the lines."""

    def __init__(self, head: dict[str, Any], strategy: Strategy) -> None:
        memory = new_symbol(int(head["tick_e8"]), int(head["lot_e8"]), FeedSizes())
        memory.quote_by(strategy.quote)
        memory.calm[:] = -ALWAYS, ALWAYS, -ALWAYS, ALWAYS  # what had to be looked at is told
        self.memory, self.position = memory, 0
        self._waits: tuple[int, bytes] | None = None
        self.book, self.sync, _, _ = views(memory.book_block)
        self.epoch = -1
        self.rows: list[tuple[int, ...]] = []
        self.placed: list[tuple[int, int, int]] = []  # decided on, and not yet seen among the working orders
        self.known: set[str] = set()
        self.frames = self.ticks = self.adopted = 0

    def frame(self, ns: int, payload: bytes) -> None:
        """One frame. It waits for the next line, which says whether it was decided on in the call that took it."""
        self.end()
        self.frames += 1
        self._waits = (ns, payload)

    def end(self) -> None:
        """Take the frame that waits, if one does, without a decision."""
        if self._waits is not None:
            (ns, payload), self._waits = self._waits, None
            take_frame(as_frame(payload), ns, self.memory.block)

    def line(self, word: dict[str, Any]) -> None:
        """One of the engine's own lines. Raises KeyError, TypeError or ValueError for one that cannot be read."""
        if word["mm"] == "tick":
            self._tick(word.get("position"))
            return
        self.end()
        match word["mm"]:
            case "decide":
                self._hold(word.get("position"))
                at_ns = int(word["at"])
                self._decided(at_ns, decide_now(at_ns, self.memory.block, self.position))
            case "declined":
                self._declined(word)
            case "orders":
                self._orders(word["rows"])
            case "set":
                self._set(word)
            case "sync":
                self._sync(word["what"])
            case "estimates":
                self.memory.estimate(float(word["volatility_s"]), float(word["intensity_s"]))
            case "half_lives":
                self.memory.forget_by(float(word["volatility_s"]), float(word["intensity_s"]))
            case "lead":
                self.epoch = int(word["epoch"])
            case other:
                raise ValueError(f"a line of the kind {other!r}, which this program does not know")

    def _hold(self, position: int | None) -> None:
        """``position`` lots are held; None: as many as before."""
        if position is not None:
            self.position = position

    def _tick(self, position: int | None) -> None:
        """The frame that waits was taken and decided on in one call, and so it is here.

        Where its line is lost nothing is decided, and what was decided live shows as a difference.
        """
        self._hold(position)
        if self._waits is None:
            return
        (ns, payload), self._waits = self._waits, None
        found, told = tick(as_frame(payload), ns, TAKE_AND_DECIDE, self.memory.block, self.position, NO_BUFFER)
        if found & FOUND_DECIDED:
            self._decided(ns, told)

    def _decided(self, at_ns: int, told: int) -> None:
        self.ticks += 1
        for row in self.memory.actions[: told & 255].tolist():
            if row[ACTION_KIND] in (PLACE, CANCEL):
                self.rows.append((at_ns, 0, row[ACTION_SIDE], row[ACTION_KIND], row[ACTION_TICKS], row[ACTION_LOTS]))
                if row[ACTION_KIND] == PLACE:
                    self.placed.append((row[ACTION_SIDE], row[ACTION_TICKS], row[ACTION_LOTS]))

    def _declined(self, word: dict[str, Any]) -> None:
        tail = (word["side"], ACTIONS[word["action"]], word["ticks"], word["lots"])
        for at in range(len(self.rows) - 1, -1, -1):
            if self.rows[at][2:] == tail:
                del self.rows[at]
                break
        if word["action"] == "place" and (key := (word["side"], word["ticks"], word["lots"])) in self.placed:
            self.placed.remove(key)

    def _orders(self, rows: Sequence[Sequence[Any]]) -> None:
        self.memory.head[SYM_WORKING] = len(rows)
        for at, (client_id, side, ticks, leaves, state, *birth) in enumerate(rows):
            row = self.memory.work[at]
            row[WORK_ID], row[WORK_SIDE], row[WORK_TICKS], row[WORK_LEAVES], row[WORK_STATE] = (
                at,
                side,
                ticks,
                leaves,
                state,
            )
            row[WORK_AHEAD], row[WORK_LEVEL], row[WORK_BORN_NS] = -1, 0, birth[0] if birth else 0
            if client_id not in self.known:
                self.known.add(client_id)
                ours = next((one for one in self.placed if one[:2] == (side, ticks) and leaves <= one[2]), None)
                if ours is None:
                    self.adopted += 1
                else:
                    self.placed.remove(ours)

    def _set(self, word: dict[str, Any]) -> None:
        memory = self.memory
        memory.view[[VIEW_SIZE_PERMILLE, VIEW_SPREAD_PERMILLE]] = word["size_permille"], word["spread_permille"]
        memory.limits[: len(word["limits"])] = word["limits"]  # of an engine that knew fewer: the others bind nothing
        memory.pace[:], memory.rules[:] = word["pace"], word["rules"]
        if word["params"] is not None:
            memory.params[:] = word["params"]

    def _sync(self, what: str) -> None:
        match what:
            case "forget":
                forget(self.sync)
            case "refresh":
                want_refresh(self.sync)
            case "gap":
                self.book.meta[BOOK_STATE] = GAP
            case "stale":
                self.book.meta[BOOK_STATE] = STALE
            case _:
                raise ValueError(f"the book was touched by {what!r}, which this program does not know")


def relive(path: Path, strategy_file: Path | None = None) -> Relived:
    """Take the run recorded in ``path`` again. ``strategy_file`` is where the user's own strategy is now.

    Raises TapeError naming the file, the line and the cause; StrategyError for a strategy that is not there.
    """
    report = ReadReport()
    run: _Run | None = None
    head: dict[str, Any] = {}
    number = 0
    try:
        for ns, payload in frames(path, report):
            number = report.lines
            if not payload.startswith(MARK):
                if run is None:
                    raise TapeError(f"{path}:{number}: a frame before the line that says what is recorded")
                run.frame(ns, payload)
                continue
            word = json.loads(payload)
            if word["mm"] == "begin":
                head = _head(path, number, word, run)
                run = _Run(head, _strategy(path, head, strategy_file))
            elif run is not None:
                run.line(word)
            else:
                raise TapeError(f'{path}:{number}: not the inputs of a run: they begin with a line "begin"')
    except RecordingError as error:
        raise TapeError(str(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise TapeError(f"{path}:{number}: not a line of the inputs of a run: {cause}") from None
    if run is not None:
        run.end()
    else:
        raise TapeError(f"{path}: a recording, but not the inputs of a run (store.inputs: true makes them)")
    found = Relived(str(head["symbol"]), run.epoch, run.frames, run.ticks, run.adopted, not report.truncated)
    found.decisions = np.array(run.rows, np.int64).reshape(-1, 6)
    return found


def compare(found: Relived, journalled: Sequence[Journalled]) -> Relived:
    """Put the journal's decisions beside those of ``relive``: hashes, and the first difference where there is one.

    A file cut at its end (the engine was killed) is compared as far as it goes. Raises ValueError for a foreign symbol.
    """
    live = rows_of(journalled, [found.symbol])
    if not found.complete:
        live = live[: len(found.decisions)]
    found.live_decisions = len(live)
    found.live_sha256, found.replayed_sha256 = sha256(live), sha256(found.decisions)
    found.first_difference = first_difference(live, found.decisions)
    return found


def _head(path: Path, number: int, word: dict[str, Any], before: _Run | None) -> dict[str, Any]:
    if before is not None:
        raise TapeError(f"{path}:{number}: a second run begins; give one file a run")
    if word["format"] not in FORMATS:
        raise TapeError(
            f"{path}:{number}: inputs of format {word['format']}; this program reads {FORMATS[0]} to {FORMAT}"
        )
    return word


def _strategy(path: Path, head: dict[str, Any], file: Path | None) -> Strategy:
    named = Path(head["strategy_file"]) if head["strategy_file"] else None
    chosen = file or named
    if head["strategy_sha256"]:
        if chosen is None or not chosen.is_file():
            raise TapeError(f"{path}: its strategy {chosen or head['strategy']} is not there; name the file")
        if hashlib.sha256(chosen.read_bytes()).hexdigest() != head["strategy_sha256"]:
            raise TapeError(f"{path}: {chosen} is not the strategy this run was made with (its SHA-256 differs)")
    return find_strategy(str(head["strategy"]), chosen if head["strategy_sha256"] else None)
