"""Proving the lease from its taking until the pulse does it: a start may wait longer than the lease lasts."""

import asyncio
from collections.abc import Callable
from typing import Final

from engine.lease.protocol import Lease

PROVE_S: Final = 1.0  # how often


class LeaseProver:
    """``start`` once the lease is taken. ``on_lost`` is called once when a proof fails; nothing is proved after it."""

    def __init__(self, lease: Lease, on_lost: Callable[[str], None]) -> None:
        self._lease, self._on_lost = lease, on_lost
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Prove at once and then every ``PROVE_S``, in a task of the running loop; called once, after the taking."""
        task = asyncio.ensure_future(self._prove())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Safe to call when it does not run."""
        for task in self._tasks:
            task.cancel()

    async def _prove(self) -> None:
        while True:
            if not await asyncio.to_thread(self._lease.prove):
                self._on_lost("the lease was lost")
                return
            await asyncio.sleep(PROVE_S)
