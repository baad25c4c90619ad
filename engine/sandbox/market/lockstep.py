"""The market of a simulated lock-step: one tick at a time, each only when the client has dealt with the one before.

A client has dealt with what it was sent when it answers the ping behind it: WebSocket keeps frames of one connection
in order, and a client that handles a frame in the call that receives it answers the ping afterwards. So first the
market's connection is waited for, then all others, since the orders of a tick are written before its ping is answered.
"""

import asyncio
from typing import Final

import orjson

from engine.sandbox.core import Core
from engine.sandbox.errors import SandboxError
from engine.sandbox.market.frames import Frame
from engine.sandbox.market.pump import Pump
from engine.sandbox.market.symbols import MarketKey
from engine.sandbox.matching.simulated import Moment, Simulated
from engine.sandbox.protocol.connection import ClientConnection
from engine.sandbox.protocol.hub import Hub

PATIENCE_S: Final = 60.0
YIELD_EVERY: Final = 64
MOMENT_S: Final = 0.001


class SimulatedPump(Pump):
    """Plays ``line`` on one market; ``hold_s`` of it, then it pauses by itself until it is resumed."""

    def __init__(self, core: Core, hub: Hub, key: MarketKey, simulated: Simulated, line: list[Moment]) -> None:
        super().__init__(core, hub, [])
        self._key, self._simulated, self._line = key, simulated, line
        self._settling: asyncio.Task[None] | None = None
        hold_s = core.settings.hold_s
        self._hold_ns = line[0].local_ns + round(hold_s * 1e9) if line and hold_s > 0 else None
        self.local_ns = self._told_ms = 0
        simulated.on_request = self._on_request

    async def _market(self) -> None:
        await self._hub.listened.wait()
        for at, moment in enumerate(self._line):
            if self._hold_ns is not None and moment.local_ns >= self._hold_ns:
                self._hold_ns = None
                self.pause()
            await self._running.wait()
            self.local_ns = moment.local_ns
            if moment.tick:
                await self._tick(moment)
            else:
                self._send(moment)
                if at % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        self.ended.set()
        await self._settle()

    async def _tick(self, moment: Moment) -> None:
        for row in self._simulated.heard(moment.local_ns):
            await self._tell(row)
        market, symbol = self._key
        notice = {"lockstep": {"n": self.frames + 1, "local_ns": moment.local_ns}}
        readers = self._hub.readers(market, symbol)
        for connection in readers:
            connection.send(orjson.dumps(notice))
        self._send(moment)
        await self._dealt_with(readers)
        await self._dealt_with([c for c in self._hub.connections if c not in readers])

    def _send(self, moment: Moment) -> None:
        self.emit(Frame(self._key, moment.kind, orjson.loads(moment.raw), moment.raw, moment.local_ns))

    async def _tell(self, row: list[int]) -> None:
        """One answer, and the next only when it has arrived: they come over several connections."""
        await self._give(row)
        await self._dealt_with(list(self._hub.connections))

    async def _give(self, row: list[int]) -> None:
        """Each answer in a millisecond of its own: of a recording played fast, two would seem to be of one moment."""
        if self._core.clock.now_ms() == self._told_ms:
            await asyncio.sleep(MOMENT_S)
        self._told_ms = self._core.clock.now_ms()
        self._simulated.tell(row)
        await asyncio.sleep(0)  # whoever waits for it writes it now

    async def _dealt_with(self, connections: list[ClientConnection]) -> None:
        for connection in connections:
            connection.ask()
        for connection in connections:
            if connection.answered.is_set():
                continue
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await connection.answered.wait()
            except TimeoutError:
                raise SandboxError(f"a client did not answer a ping for {PATIENCE_S:g} s in lock-step") from None

    # --- while the market stands still ---

    def _on_request(self) -> None:
        still = self.ended.is_set() or not self._running.is_set()
        if still and (self._settling is None or self._settling.done()):
            self._settling = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        """Before the start and after the end requests are answered at once: nothing else will move time."""
        while rows := self._simulated.settled():
            for row in rows:
                await self._give(row)
