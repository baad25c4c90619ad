"""Acts with their two audit lines, and emergencies, which neither wait for a trail nor are refused by it.

``act_recorded``: intent in the operator's trail, the act, then both lines in the host's. An emergency is first an act:
``Minutes`` writes its intent beside it, in a thread that may fail or hang, and its outcome when it is over.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mmctl.cli.reach import Engine
from mmctl.cli.run import Run
from mmctl.fleet.errors import OperatorError
from mmctl.fleet.parallel import on_each
from mmctl.ledger.audit import Entry, append_here, append_there

T = TypeVar("T")

#: What the trails may take after an emergency is over, seconds: here, and on the hosts.
HERE_SECONDS = 5.0
THERE_SECONDS = 20.0


def act_recorded(run: Run, engine: Engine, verb: str, reason: str, act: Callable[[], T]) -> T:
    """``act()``, with intent and outcome in both trails; what could not be recorded is said on stderr."""
    target = f"{engine.target.name}:{engine.name}"
    intent = Entry(run.run_id, verb, target, "intent", {"reason": reason})
    _here(run, intent)
    try:
        result = act()
    except BaseException as error:
        what = error.what if isinstance(error, OperatorError) else type(error).__name__
        _finish(run, engine, intent, Entry(run.run_id, verb, target, "failed", {"reason": reason, "error": what}))
        raise
    _finish(run, engine, intent, Entry(run.run_id, verb, target, "done", {"reason": reason, "result": str(result)}))
    return result


def _here(run: Run, entry: Entry) -> None:
    try:
        append_here(entry)
    except Exception as error:  # noqa: BLE001 - told; the act does not depend on it
        run.out.problem(f"the audit trail here cannot be written: {_said(error)}")


def _finish(run: Run, engine: Engine, intent: Entry, outcome: Entry) -> None:
    _here(run, outcome)
    try:
        wrong = append_there(engine.transport, engine.site.layout, intent)
        wrong = append_there(engine.transport, engine.site.layout, outcome) or wrong
        if wrong:
            run.out.problem(wrong)
    except Exception as error:  # noqa: BLE001 - told; the act has an outcome already
        run.out.problem(f"{engine.name}: not in the host's audit trail: {_said(error)}")


class Minutes:
    """The audit lines of one emergency on some hosts. Nothing in here raises, and nothing waits without an end."""

    def __init__(self, run: Run, verb: str, reason: str) -> None:
        self._run, self._verb, self._reason = run, verb, reason
        self._intents: dict[str, Entry] = {}
        self._lines: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._faults: list[str] = []
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def intend(self, target: str, **detail: Any) -> None:
        """What is about to be done to ``target``; returns at once."""
        self._intents[target] = self._entry(target, "intent", detail)
        self._lines.put(self._intents[target])

    def close(self, outcomes: Mapping[str, tuple[bool, str]], hosts: Mapping[str, Engine]) -> list[str]:
        """How it ended, by target: whether done, and the words; here and on ``hosts``. Returns what is not recorded."""
        ends = {
            target: self._entry(target, "done" if ok else "failed", {"result" if ok else "error": text})
            for target, (ok, text) in outcomes.items()
        }
        for entry in ends.values():
            self._lines.put(entry)
        self._lines.put(None)
        begun = time.monotonic()
        told = {name: engine for name, engine in hosts.items() if name in self._intents and name in ends}
        there = on_each(told, lambda name, engine: self._there(engine, self._intents[name], ends[name]), THERE_SECONDS)
        self._writer.join(max(0.1, HERE_SECONDS - (time.monotonic() - begun)))
        if self._writer.is_alive():
            self._faults.append(f"the audit trail here did not take its lines within {HERE_SECONDS:g} s")
        faults = [f"the audit trail here cannot be written: {fault}" for fault in dict.fromkeys(self._faults)]
        for name, outcome in there.items():
            if outcome.error is not None:
                faults.append(f"{told[name].name}: not in the host's audit trail: {_said(outcome.error)}")
            elif outcome.value:
                faults.append(outcome.value)
        return faults

    def _entry(self, target: str, phase: str, detail: Mapping[str, Any]) -> Entry:
        return Entry(self._run.run_id, self._verb, target, phase, {"reason": self._reason, **detail})

    def _there(self, engine: Engine, *entries: Entry) -> str:
        return "".join({append_there(engine.transport, engine.site.layout, entry) for entry in entries})

    def _write(self) -> None:
        while (entry := self._lines.get()) is not None:
            try:
                append_here(entry)
            except Exception as error:  # noqa: BLE001 - told when the act is over
                self._faults.append(_said(error))


def _said(error: BaseException) -> str:
    if isinstance(error, OperatorError):
        return error.what
    return str(error) or type(error).__name__
