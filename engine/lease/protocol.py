"""The lease as the engine sees it: an epoch that only grows, a question that costs nothing, and news of its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class LeaseError(Exception):
    """The lease's state cannot be read or written. Whoever sees it does not quote."""


class LeaseTrouble(LeaseError):
    """The medium cannot be asked just now (no file descriptor, no space, an I/O error): nothing says it is lost."""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What is known of the lease. ``holder`` names the process that holds it, empty when nobody does."""

    held: bool
    epoch: int
    holder: str
    since_ns: int  # wall clock, when the present holder took it; 0 = nobody
    age_s: float  # time since holding was last proved
    nonce: int = 0  # drawn by this acquisition; 0: not known, or an older release's


class Lease(Protocol):
    """One account's leadership. Any implementation keeps four promises.

    - Of all processes that reach its medium, at most one is between a true ``held()`` and the end of the order it
      then sends; where the medium cannot promise that (a network store), ``ttl`` bounds the overlap and ``held()``
      turns false on this side before the other side can acquire. A file reaches one host: it promises nothing of
      another host's engines, which is why ``mmctl`` refuses two hosts on one account.
    - Each acquisition has an epoch higher than every one before it on that medium, across restarts, and a nonce of
      its own, so that two media that give one epoch are told apart. Both are durable before ``acquire`` returns, and
      go into every client order id, so that orders tell who sent them.
    - ``held()`` never blocks and never raises: it may stand in the path of a tick.
    - ``on_lost`` is called once when the lease is lost without ``release``; when the callback runs ``held()`` is
      false already. A medium that cannot be asked is no loss: ``trouble()`` says why, ``held()`` turns false by
      itself once the last proof is older than ``ttl``, and true again with the next proof.
    """

    @property
    def epoch(self) -> int:
        """The epoch of the present holding, 0 before the first."""
        ...

    @property
    def nonce(self) -> int:
        """The nonce of the present holding (``engine.orders.ids``), 0 before the first."""
        ...

    def acquire(self) -> bool:
        """Try once. True when this process now holds it. Raises ``LeaseError`` when nobody can tell.

        ``LeaseTrouble`` of them may pass by itself.
        """
        ...

    def outgrow(self, epoch: int) -> None:
        """Raise the epoch of the present holding above ``epoch``, before anything was sent under it."""
        ...

    def held(self) -> bool:
        """True while the last proof is younger than the lease's ttl. No I/O: the gate asks at every tick."""

    def prove(self) -> bool:
        """Check with the medium that the lease is still ours; call it a few times per ttl. False = lost.

        True without a renewed proof while the medium cannot be asked: see ``trouble``.
        """
        ...

    def trouble(self) -> str:
        """Why the last ``prove`` could not ask the medium; empty when it could, and when nothing is held."""
        ...

    def release(self) -> None:
        """Give it up; another may acquire at once. Safe to call when not held."""
        ...

    def state(self) -> LeaseState:
        """The holder as last seen, with the age of the proof in seconds."""

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """``callback(reason)`` from the thread that found the loss."""
        ...
