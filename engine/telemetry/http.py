"""The engine's HTTP listener: metrics, health, role, state and control. Answers come from memory and never wait.

Loopback by default; mmctl reaches it through its SSH connection. Paths and codes: see ``Listener.routes``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from engine.telemetry.body import encode
from engine.telemetry.cells import Counter
from engine.telemetry.control import ControlDesk, refuse
from engine.telemetry.exporter import CONTENT_TYPE, Exporter
from engine.telemetry.state import Json, StateSource

BACKLOG: Final = 64
STOP_S: Final = 1.0  # connections that are still open are closed after this

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenError(Exception):
    """The address cannot be listened on; the message says which and why."""


class Listener:
    """One engine's HTTP listener. ``start`` binds, ``stop`` lets go; both within a second."""

    def __init__(
        self, source: StateSource, exporter: Exporter, desk: ControlDesk | None, *, max_body: int = 65_536
    ) -> None:
        self._source, self._exporter, self._desk, self._max_body = source, exporter, desk, max_body
        self._runners: list[web.AppRunner] = []
        self._codes: dict[int, Counter] = {
            kind: exporter.counter("mm_http_requests_total", code=f"{kind}xx") for kind in (2, 4, 5)
        }
        self.port = 0  # bound port of the main listener
        self.metrics_port: int | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/metrics", self._metrics),
            web.get("/health", self._health),
            web.get("/liveness", self._liveness),
            web.get("/readiness", self._readiness),
            web.get("/primary", self._primary),
            web.get("/standby", self._standby),
            web.get("/api/risk/status", self._reading(self._source.risk)),
            web.get("/api/state", self._reading(self._source.state)),
            web.get("/api/orders", self._reading(self._source.orders)),
            web.get("/api/events", self._events),
            web.get("/api/why", self._reading(self._source.why)),
            web.post("/api/control/{verb}", self._control),
        ]

    async def start(self, host: str = "127.0.0.1", port: int = 8080, metrics_port: int | None = None) -> None:
        """Listen on ``host:port`` (0 = any free port), and serve /metrics on ``metrics_port`` too when given."""
        try:
            self.port = await self._serve(self.routes(), host, port)
            if metrics_port is not None:
                only = [web.get("/metrics", self._metrics), web.get("/health", self._health)]
                self.metrics_port = await self._serve(only, host, metrics_port)
        except ListenError:
            await self.stop()
            raise

    async def stop(self) -> None:
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()

    async def _serve(self, routes: list[web.RouteDef], host: str, port: int) -> int:
        app = web.Application(client_max_size=self._max_body, middlewares=[self._guard])
        app.add_routes(routes)
        runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=30, shutdown_timeout=STOP_S, handle_signals=False
        )
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise ListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        return int(runner.addresses[0][1])

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every error is JSON, and every answer is counted."""
        try:
            response = await handler(request)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            response = refuse(error.status, error.reason, **allow).response()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in an answer is a 503, never silence and never a page of HTML
            response = refuse(503, f"{request.path} could not be answered: {type(error).__name__}").response()
        counter = self._codes.get(response.status // 100)
        if counter is not None:
            counter.inc()
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _reading(self, read: Callable[[], Json]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            return _answer(200, read())

        return answer

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._exporter.page(), headers={"Content-Type": CONTENT_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        body = self._source.health()
        return _answer(200 if body.get("status") in ("ok", "degraded") else 503, body)

    def _standing(self) -> Json:
        """The one body of liveness, readiness and role."""
        ready, reason = self._source.ready()
        return {"role": self._source.role(), "ready": ready, "reason": reason or None}

    async def _liveness(self, request: web.Request) -> web.Response:
        return _answer(200, self._standing())

    async def _readiness(self, request: web.Request) -> web.Response:
        body = self._standing()
        return _answer(200 if body["ready"] else 503, body)

    async def _primary(self, request: web.Request) -> web.Response:
        body = self._standing()
        return _answer(200 if body["role"] == "primary" else 503, body)

    async def _standby(self, request: web.Request) -> web.Response:
        body = self._standing()
        return _answer(200 if body["role"] == "standby" else 503, body)

    async def _events(self, request: web.Request) -> web.Response:
        text = request.query.get("since", "0")
        if not text.isdecimal() or len(text) > 18:
            return refuse(400, "since must be a whole number").response()
        return _answer(200, self._source.events(int(text)))

    async def _control(self, request: web.Request) -> web.Response:
        if self._desk is None:
            return refuse(403, "this process takes no commands").response()
        return (await self._desk.handle(request)).response()


def _answer(status: int, body: Json) -> web.Response:
    return web.Response(status=status, body=encode(body), content_type="application/json")
