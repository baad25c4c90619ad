"""One act on many hosts at once: every host's result, or every host's error, under one deadline."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from mmctl.fleet.errors import DeadlineExceeded, OperatorError

T = TypeVar("T")
K = TypeVar("K")
# Each act has its own deadline below this one; the margin lets its own, better error come first.
MARGIN_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What one host gave: a value, or the error that kept it from giving one."""

    value: T | None
    error: Exception | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


def on_each(items: Mapping[str, K], act: Callable[[str, K], T], deadline: float) -> dict[str, Outcome[T]]:
    """Run ``act(name, item)`` on every item in a thread of its own; returns all outcomes, in the items' order.

    A host that does not answer within ``deadline`` seconds gets a DeadlineExceeded; the others are not held up
    by it. Errors never propagate: the caller sees them all.
    """
    outcomes: dict[str, Outcome[T]] = {}
    begun = time.monotonic()

    def one(name: str, item: K) -> None:
        try:
            outcomes[name] = Outcome(act(name, item), None, time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - handed to the caller, host by host
            outcomes[name] = Outcome(None, error, time.monotonic() - begun)

    threads = {name: threading.Thread(target=one, args=(name, item), daemon=True) for name, item in items.items()}
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, begun + deadline + MARGIN_SECONDS - time.monotonic()))
    late = DeadlineExceeded(f"no answer within {deadline:g} s")
    return {name: outcomes.get(name, Outcome(None, late, time.monotonic() - begun)) for name in items}


def exit_code_of(outcomes: Mapping[str, Outcome[T]], mixed: int, failed: int) -> int:
    """0 when all are well; the common code when all failed alike; ``mixed`` when only some did."""
    codes = {
        o.error.exit_code if isinstance(o.error, OperatorError) else (failed if o.error else 0)
        for o in outcomes.values()
    }
    if codes == {0}:
        return 0
    return codes.pop() if len(codes) == 1 else mixed
