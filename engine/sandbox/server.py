"""The sandbox exchange as one server on one port, started and stopped inside an event loop."""

import asyncio
import socket
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from engine.sandbox.addresses import Addresses
from engine.sandbox.admin.calls import AdminServer
from engine.sandbox.clock import ExchangeClock
from engine.sandbox.core import Core
from engine.sandbox.errors import SandboxError
from engine.sandbox.market.frames import Source
from engine.sandbox.market.price_process import TEMPERS, Temper
from engine.sandbox.market.pump import Pump
from engine.sandbox.market.replay import ReplaySource
from engine.sandbox.market.symbols import parse_names
from engine.sandbox.market.synthetic import SyntheticSource
from engine.sandbox.matching.ledger import ClientAccount
from engine.sandbox.protocol.hub import Hub
from engine.sandbox.protocol.listen_keys import ListenKey
from engine.sandbox.protocol.rest import RestServer
from engine.sandbox.protocol.streams import StreamServer
from engine.sandbox.protocol.ws_api import WsApiServer
from engine.sandbox.settings import DEFAULT_SYMBOLS, Settings
from engine.trade import Market


def temper_of(name: str) -> Temper:
    """Raises SandboxError for a name that there is not."""
    if name not in TEMPERS:
        raise SandboxError(f"unknown flow {name!r} (known: {', '.join(TEMPERS)})")
    return TEMPERS[name]


class SandboxExchange:
    """``async with SandboxExchange(Settings(...)) as sandbox`` serves until the block ends.

    ``port`` is the one listened on; ``addresses`` what to give clients. Start-up errors are ``SandboxError``.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        replay = ReplaySource(self.settings.data, self.settings) if self.settings.data else None
        names = self.settings.symbols or (() if replay else DEFAULT_SYMBOLS)
        recorded = replay.specs if replay else []
        made = [s for s in parse_names(names) if s.key not in {r.key for r in recorded}]
        self.reports = replay.reports if replay else []
        self.sources: list[Source] = [replay] if replay else []
        if made:
            self.sources.append(SyntheticSource(made, self.settings.seed, temper_of(self.settings.temper)))
        self.core = Core(self.settings, [*recorded, *made], ExchangeClock())
        self.hub = Hub(self.core.faults)
        self.pump = Pump(self.core, self.hub, self.sources)
        if self.settings.simulate:
            self.pump = self._simulated_pump(replay)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._prepared: asyncio.Task[None] | None = None

    def _simulated_pump(self, replay: ReplaySource | None) -> Pump:
        from engine.sandbox.market.lockstep import SimulatedPump
        from engine.sandbox.matching.simulated import Simulated, moments

        if replay is None or len(self.settings.data) != 1 or len(self.sources) != 1:
            raise SandboxError("simulated lock-step plays one recording (--data FILE) and nothing else")
        (track,) = replay.tracks
        tape, line = moments(track, self.settings.data[0])
        replay.opening({track.spec.key: self.core.exchange.markets[track.spec.key].book})
        self.core.simulated = Simulated(self.core.exchange, track.spec, tape, self.settings)
        pump = SimulatedPump(self.core, self.hub, track.spec.key, self.core.simulated, line)
        state = self.core.exchange.markets[track.spec.key]
        state.load(track.snapshot_id, track.bids, track.asks, self.core.clock.now_ms())
        return pump

    @property
    def addresses(self) -> Addresses:
        """Where clients on this machine reach it."""
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::", "") else self.settings.host  # noqa: S104
        return Addresses(host, self.port)

    async def start(self) -> None:
        """Listen; ``SandboxError`` where the port is taken."""
        self.core.exchange.listener = self._on_user_event
        self.core.listen_keys.on_expiry = self._on_listen_key_expiry
        application = self._application()
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await self._site(self._runner).start()
        except OSError as reason:
            await self._runner.cleanup()
            raise SandboxError(
                f"cannot listen on {self.settings.host}:{self.settings.port}: {reason.strerror or reason}; "
                "is another sandbox running there? (--port 0 takes a free port)"
            ) from None
        self.port = self._runner.addresses[0][1]
        self._prepared = asyncio.get_running_loop().create_task(self.core.prepare())
        self.pump.start()

    def _site(self, runner: web.AppRunner) -> web.BaseSite:
        """Where connections come in: a socket of our own, or one that is listened on already. Raises OSError."""
        fd = self.settings.listen_fd
        if fd is None:
            return web.TCPSite(runner, self.settings.host, self.settings.port, backlog=256)
        return web.SockSite(runner, socket.socket(fileno=fd), backlog=256)

    async def stop(self) -> None:
        """End the market, drop every connection and give the port back."""
        if self._prepared is not None:
            self._prepared.cancel()
        await self.pump.stop()
        for connection in list(self.hub.connections):
            connection.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    def failure(self) -> BaseException | None:
        """What ended the market, its timers or the preparation of matching, if something did."""
        prepared = self._prepared
        if prepared is not None and prepared.done() and not prepared.cancelled() and prepared.exception() is not None:
            return prepared.exception()
        return self.pump.failure()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _application(self) -> web.Application:
        streams = StreamServer(self.core, self.hub)
        streams.on_ack = self.pump.acknowledge
        ws_api = WsApiServer(self.core, self.hub)
        application = web.Application(client_max_size=1 << 20)
        router = application.router
        for prefix in ("", "/fstream", "/public", "/market", "/private"):
            router.add_get(prefix + "/stream", streams.handle)
            router.add_get(prefix + "/ws", streams.handle)
            router.add_get(prefix + "/ws/{names:.*}", streams.handle)
        for category in ("public", "market", "private"):
            router.add_get(f"/fstream/{category}/stream", streams.handle)
            router.add_get(f"/fstream/{category}/ws", streams.handle)
            router.add_get(f"/fstream/{category}/ws/{{names:.*}}", streams.handle)
        router.add_get("/stream/ws", streams.handle)
        router.add_get("/stream/ws/{names:.*}", streams.handle)
        router.add_get("/ws-api/v3", ws_api.handle)
        router.add_get("/ws-fapi/v1", ws_api.handle)
        AdminServer(self.core, self.hub, self.pump, self.reports).add_routes(router)
        router.add_route("*", "/{path:.*}", RestServer(self.core).handle)
        return application

    def _on_user_event(self, account: ClientAccount, market: Market, event: dict[str, Any]) -> None:
        self.hub.user_event(account.name, market, event)

    def _on_listen_key_expiry(self, key: ListenKey) -> None:
        event = {"e": "listenKeyExpired", "E": self.core.clock.now_ms(), "listenKey": key.key}
        self.hub.user_event(key.account, key.market, event, key.key)
        self.hub.drop_listen_key(key.key)


async def serve(settings: Settings, ready: "asyncio.Future[SandboxExchange] | None" = None) -> None:
    """Serve until cancelled. ``ready`` is given the running sandbox."""
    async with SandboxExchange(settings) as sandbox:
        if ready is not None:
            ready.set_result(sandbox)
        await asyncio.Event().wait()
