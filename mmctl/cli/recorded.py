"""An act on one host with its two audit lines. An emergency neither waits for the host's trail nor is refused by it.

The operator's own trail gets the intent before the act. The host's trail gets both lines after it: a host that hangs
must not hold up a halt, and one that cannot write must not prevent it.
"""

from collections.abc import Callable
from typing import TypeVar

from mmctl.cli.reach import Engine
from mmctl.cli.run import Run
from mmctl.fleet.errors import OperatorError
from mmctl.ledger.audit import Entry, append_here, append_there

T = TypeVar("T")


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
    except OSError as error:
        run.out.problem(f"the audit trail here cannot be written: {error}")


def _finish(run: Run, engine: Engine, intent: Entry, outcome: Entry) -> None:
    _here(run, outcome)
    try:
        wrong = append_there(engine.transport, engine.site.layout, intent)
        wrong = append_there(engine.transport, engine.site.layout, outcome) or wrong
        if wrong:
            run.out.problem(wrong)
    except OperatorError as error:
        run.out.problem(f"{engine.name}: not in the host's audit trail: {error.what}")
