"""What must survive the process beside the journal: breaker and day, halt mark, operator's switch, clean-stop mark.

Small JSON files in the data directory, replaced by rename and flushed to the disk, readable by the sentinel.
"""

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.live.switch import Switch

CLOCKS_APART_NS: Final = 60_000_000_000  # the stamp of a backup has the operator's clock


class MemoryUnreadable(Exception):
    """A file is there and cannot be read. The engine must not start as if there were none.

    ``passing``: for want of file descriptors, which says nothing about the file.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class StrategyMark:
    """A user's strategy that an engine did not come back from: the file with this content is not asked again."""

    sha256: str
    where: str  # FILE:LINE
    reason: str
    deaths: int = 1  # engines in a row that ended in a decision of it; one may be chance, where nobody saw it stuck


@dataclass(frozen=True, slots=True)
class HaltMark:
    """Written by the sentinel or an operator: the engine of this account must not quote."""

    ns: int
    actor: str
    reason: str


class Memory:
    """One account's files in ``folder``: ``risk-A.json``, ``halt-A.json``, ``switch-A.json``, ``stopped-A.json``;
    ``journal-A.json`` says which journal was led with, ``accept-A.json`` that a person lets the ledger be read from the
    exchange, ``backup-A.json`` when the last sound backup was made."""

    def __init__(self, folder: Path, account: str) -> None:
        self.folder = folder
        self._risk = folder / f"risk-{account}.json"
        self._halt = folder / f"halt-{account}.json"
        self._switch = folder / f"switch-{account}.json"
        self._stopped = folder / f"stopped-{account}.json"
        self._journal = folder / f"journal-{account}.json"
        self._accept = folder / f"accept-{account}.json"
        self._strategy = folder / f"strategy-{account}.json"
        self._cells = f"strategy-{account}-*.cells"
        self._backup = folder / f"backup-{account}.json"

    def load_risk(self) -> dict[str, Any] | None:
        """What ``save_risk`` stored, None if nothing. Raises ``MemoryUnreadable``."""
        return _read(self._risk)

    def save_risk(self, state: Mapping[str, Any]) -> None:
        """Keep risk's state; ``OSError`` where the disk does not take it."""
        _write(self._risk, state)

    def halt_mark(self) -> HaltMark | None:
        """The mark, or None. A mark that cannot be read counts as one: it was meant to stop us.

        Whether one is there is asked without opening it: no file descriptor left is no reason to halt.
        """
        try:
            self._halt.stat()
        except FileNotFoundError:
            return None
        except OSError:
            pass  # not known: reading it decides
        try:
            found = _read(self._halt)
        except MemoryUnreadable as error:
            return HaltMark(0, "unknown", f"{error}")
        if found is None:
            return None
        return HaltMark(_int(found.get("ns")), str(found.get("actor", "unknown")), str(found.get("reason", "")))

    def set_halt(self, mark: HaltMark) -> None:
        """Leave the mark that keeps engines from quoting, across restarts."""
        _write(self._halt, {"ns": mark.ns, "actor": mark.actor, "reason": mark.reason})

    def clear_halt(self) -> None:
        """Take the mark of a halt away."""
        self._halt.unlink(missing_ok=True)

    def switch(self) -> Switch | None:
        """How the operator's switch was set last, None if never. Raises ``MemoryUnreadable``."""
        found = _read(self._switch)
        return None if found is None else Switch.read(found)

    def set_switch(self, switch: Switch) -> None:
        """Keep what the operator last asked for."""
        _write(self._switch, switch.as_dict())

    def load_lineage(self) -> dict[str, Any] | None:
        """What ``save_lineage`` stored, None if nothing. Raises ``MemoryUnreadable``."""
        return _read(self._journal)

    def save_lineage(self, state: Mapping[str, Any]) -> None:
        """Keep whose journal this folder belongs to."""
        _write(self._journal, state)

    def acceptance(self) -> HaltMark | None:
        """Who accepted that the journal is not the one led with, and why; None where nobody did, or unreadably."""
        try:
            found = _read(self._accept)
        except MemoryUnreadable:
            return None
        if found is None:
            return None
        return HaltMark(_int(found.get("ns")), str(found.get("actor", "unknown")), str(found.get("reason", "")))

    def accept(self, mark: HaltMark) -> None:
        """Leave the mark that lets the next start read the ledger from the exchange's trades."""
        _write(self._accept, {"ns": mark.ns, "actor": mark.actor, "reason": mark.reason})

    def clear_acceptance(self) -> None:
        """Take that mark away."""
        self._accept.unlink(missing_ok=True)

    def backup_ns(self) -> int | None:
        """When the newest backup of this host was made, as ``mmctl backup create`` left it once the copy had proved
        sound; None where none is known, also where the stamp cannot be read or is of a time to come."""
        try:
            ns = _int((_read(self._backup) or {}).get("made_ns"))
        except MemoryUnreadable:
            return None
        return ns if 0 < ns <= time.time_ns() + CLOCKS_APART_NS else None

    def cells(self) -> list[Path]:
        """Where engines of this account tell what their user's strategy is doing, those that have ended too."""
        return sorted(self.folder.glob(self._cells))

    def own_cells(self) -> Path:
        """The file of this process's cells."""
        return self.folder / self._cells.replace("*", str(os.getpid()))

    def strategy_mark(self) -> StrategyMark | None:
        """The mark, or None. One that cannot be read counts for every file: it was meant to stop one."""
        try:
            found = _read(self._strategy)
        except MemoryUnreadable as error:
            return StrategyMark("", "?", str(error))
        if found is None:
            return None
        where, reason = str(found.get("where", "?")), str(found.get("reason", ""))
        return StrategyMark(str(found.get("sha256", "")), where, reason, _int(found.get("deaths")))

    def mark_strategy(self, mark: StrategyMark) -> None:
        """Keep that a strategy's code ended the engine, so that it is not loaded again."""
        _write(
            self._strategy, {"sha256": mark.sha256, "where": mark.where, "reason": mark.reason, "deaths": mark.deaths}
        )

    def clear_strategy(self) -> None:
        """Let the strategy be loaded again."""
        self._strategy.unlink(missing_ok=True)

    def mark_stopped(self, ns: int, epoch: int) -> None:
        """The engine ended with zero open orders proved."""
        _write(self._stopped, {"ns": ns, "epoch": epoch, "pid": os.getpid()})

    def mark_running(self) -> None:
        """Raises ``OSError``, also where a halt could not be kept: then nothing may be quoted."""
        probe = self._stopped.with_suffix(".probe")
        _write(probe, {"pid": os.getpid()})
        probe.unlink(missing_ok=True)
        self._stopped.unlink(missing_ok=True)

    def stopped_cleanly(self) -> bool:
        """Whether the engine before us ended in order; False also where that cannot be read."""
        try:
            return _read(self._stopped) is not None
        except MemoryUnreadable:
            return False


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        passing = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
        raise MemoryUnreadable(f"cannot read {path}: {error}", passing=passing) from None
    if not isinstance(found, dict):
        raise MemoryUnreadable(f"cannot read {path}: not a JSON object")
    return found


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """Whole or not at all, and on the disk when this returns. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
