"""Time that passes only when nobody has anything left to do: waiting costs nothing and repeats exactly."""

import asyncio
import math
import random
import sys
import time
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from concurrent.futures import Future as ConcurrentFuture
from contextlib import contextmanager
from contextvars import ContextVar
from heapq import heappop
from types import ModuleType
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")

SECOND: Final = 1_000_000_000
MANY_CANCELLED: Final = 50
START_NS: Final = 1_000 * SECOND  # monotonic
WALL_NS: Final = 1_723_161_256 * SECOND  # 2024-08-08: the wall clock when the monotonic one stood at zero
OWNER: ContextVar[object] = ContextVar("owner", default=None)
"""Which engine process the running code belongs to; None for the exchange and the schedule."""


class Clock:
    """Stands in for the module ``time`` inside the engine. One clock for the engine and the exchange."""

    def __init__(self) -> None:
        self.ns = START_NS

    def monotonic_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND

    def time_ns(self) -> int:
        return WALL_NS + self.ns

    def time(self) -> float:
        return (WALL_NS + self.ns) / SECOND

    perf_counter_ns, perf_counter = monotonic_ns, monotonic


class _Waiting:
    """In place of the event loop's selector: waiting is moving the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits and nothing will ever happen")
        if timeout > 0:
            self._clock.ns += max(math.ceil(timeout * SECOND), 1)
        return []

    def close(self) -> None:
        return


class Loop(asyncio.BaseEventLoop):
    """asyncio's own loop on made-up time; what is meant for a thread runs at once.

    ``born`` keeps every task with its owner, in order, so that a killed process loses its own and no other's.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._scheduled: list[Any]  # of asyncio's own base class, whose types say nothing of it
        self._ready: deque[Any]
        self._timer_cancelled_count: int
        self._stopping: bool
        self._clock_resolution: float
        self._selector = _Waiting(clock)
        self._made_up = clock
        self.born: list[tuple[object, asyncio.Task[Any]]] = []
        self.set_task_factory(self._bear)

    def time(self) -> float:
        return self._made_up.ns / SECOND

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Arguments]], _T], *args: *_Arguments
    ) -> Future[_T]:
        future: Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it, as a thread would
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        """One round of asyncio's loop without what sockets, threads and debugging need: the same order, in less time.

        Where many timers were cancelled, the round is asyncio's own, which clears them away.
        """
        if self._timer_cancelled_count > MANY_CANCELLED:
            super()._run_once()  # type: ignore[misc]  # its types leave out what is private
            return
        timers, ready, clock = self._scheduled, self._ready, self._made_up
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1
            heappop(timers)._scheduled = False
        if not ready and not self._stopping:
            self._selector.select(timers[0]._when - clock.ns / SECOND if timers else None)
        end_s = clock.ns / SECOND + self._clock_resolution
        while timers and timers[0]._when < end_s:
            timer = heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _bear(self, loop: Any, work: Any, **options: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        self.born.append((OWNER.get() if context is None else context.get(OWNER), task))
        return task

    def _process_events(self, event_list: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return


class AtOnce(Executor):
    """An executor that does the work in the call."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "ConcurrentFuture[Any]":
        future: ConcurrentFuture[Any] = ConcurrentFuture()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed to whoever asks, as a thread would
            future.set_exception(error)
        return future


class Present:
    """What the engine's modules see as ``time``: the clock of the schedule that is running now."""

    clock = Clock()

    def __getattr__(self, name: str) -> Any:
        return getattr(Present.clock, name)


class SeededModule:
    """In place of the module ``random`` where the engine spreads reconnects: its dice come from the schedule."""

    dice = random.Random(0)

    @staticmethod
    def Random() -> random.Random:
        return random.Random(SeededModule.dice.getrandbits(32))


@contextmanager
def in_place_of(module: ModuleType, name: str, other: Any) -> Iterator[None]:
    """``module.name`` is ``other`` meanwhile."""
    kept = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, kept)


@contextmanager
def made_up_time() -> Iterator[None]:
    """Inside, every module of the engine takes its time from ``Present``."""
    present = Present()
    changed = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("engine.") and getattr(module, "time", None) is time
    ]
    for module in changed:
        setattr(module, "time", present)  # noqa: B010 - a module's attribute, unknown to the type checker
    try:
        yield
    finally:
        for module in changed:
            setattr(module, "time", time)  # noqa: B010
