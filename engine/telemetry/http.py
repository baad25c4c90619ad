"""The engine's HTTP listener: metrics, health, role, state and control. Answers come from memory and never wait.

Loopback by default; mmctl reaches it through its SSH connection. Paths and codes: see ``Listener.routes``. Who may
connect, and for how long, is the door's (``telemetry.door``); under which name, ``telemetry.hosts``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from aiohttp import web

from engine.metric import ScrapeGroup
from engine.telemetry.body import encode
from engine.telemetry.cells import Counter
from engine.telemetry.control import ControlDesk, refuse
from engine.telemetry.descriptors import for_connections
from engine.telemetry.door import Door, Guest
from engine.telemetry.exporter import Exporter
from engine.telemetry.exposition import Format, wanted
from engine.telemetry.hosts import Names
from engine.telemetry.limiter import TokenBucket
from engine.telemetry.moments import BadQuestion, readable
from engine.telemetry.seats import TOTAL, Seats
from engine.telemetry.sentinel_seen import HEADER, SentinelSeen
from engine.telemetry.state import Json, Readings, StateSource

STOP_S: Final = 1.0  # connections that are still open are closed after this
PAGES_S: Final = 4.0  # metrics pages made in a second, ten at once; more are the last one again: each takes
PAGES_AT_ONCE: Final = 10.0  # milliseconds of the processor that ticks come over
SCRAPED: Final = {group.query: group for group in ScrapeGroup}
MOST_HEAD: Final = 65_536  # of a request's line and headers together
MOST_HEADERS: Final = 64
LONGEST_FIELD: Final = 8_190
_silent: Final = logging.getLogger("mm.http")  # what is wrong with a stranger's request must not fill our log
_silent.disabled = True

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenError(Exception):
    """The address cannot be listened on; the message says which and why."""


class Listener:
    """One engine's HTTP listener. ``start`` binds, ``stop`` lets go; both within a second."""

    def __init__(
        self,
        source: StateSource,
        exporter: Exporter,
        desk: ControlDesk | None,
        *,
        max_body: int = 65_536,
        hosts: Sequence[str] = (),
        seats: Seats | None = None,
        readings: Readings | None = None,
        sentinel: SentinelSeen | None = None,
    ) -> None:
        self._source, self._exporter, self._desk, self._max_body = source, exporter, desk, max_body
        self._readings, self._sentinel = readings, sentinel
        self._hosts, self._names = tuple(hosts), Names("127.0.0.1", hosts)
        self._seats = seats or Seats(for_connections(TOTAL))
        self._door: Door | None = None
        self._page: dict[tuple[Format, ScrapeGroup | None], bytes] = {}  # the last one of each kind
        self._pages = TokenBucket(PAGES_S, PAGES_AT_ONCE)
        self._open = exporter.gauge("mm_http_connections")
        self._turned_away = {
            why: exporter.counter("mm_http_turned_away_total", reason=why)
            for why in ("refused", "displaced", "overdue", "oversized", "no_descriptor", "host")
        }
        self._runners: list[web.AppRunner] = []
        self._codes: dict[int, Counter] = {
            kind: exporter.counter("mm_http_requests_total", code=f"{kind}xx") for kind in (2, 4, 5)
        }
        self.port = 0  # bound port of the main listener
        self.metrics_port: int | None = None

    def routes(self) -> list[web.RouteDef]:
        """Every path that is answered, with what answers it."""
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
            web.get("/api/fills", self._detail(lambda readings, query: readings.fills(query))),
            web.get("/api/book", self._detail(lambda readings, query: readings.book(query))),
            web.get("/api/latency", self._detail(lambda readings, query: readings.latency(query))),
            web.post("/api/control/{verb}", self._control),
        ]

    async def start(self, host: str = "127.0.0.1", port: int = 8080, metrics_port: int | None = None) -> None:
        """Listen on ``host:port`` (0 = any free port), and serve /metrics on ``metrics_port`` too when given."""
        self._names = Names(host, self._hosts)
        self._door = Door(self._seats, self._turn_away, most_bytes=self._max_body + MOST_HEAD)
        try:
            self.port = await self._serve(self.routes(), host, port)
            if metrics_port is not None:
                only = [web.get("/metrics", self._metrics), web.get("/health", self._health)]
                self.metrics_port = await self._serve(only, host, metrics_port)
        except ListenError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let nobody in any more, give the requests in progress their end, then close what is left."""
        door, self._door = self._door, None
        if door is not None:
            door.shut()
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()
        if door is not None:
            door.end_all()

    def _turn_away(self, reason: str) -> None:
        self._turned_away[reason].inc()

    async def _serve(self, routes: list[web.RouteDef], host: str, port: int) -> int:
        app = web.Application(client_max_size=self._max_body, middlewares=[self._guard])
        app.add_routes(routes)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_silent,
            keepalive_timeout=30,
            lingering_time=STOP_S,
            max_headers=MOST_HEADERS,
            max_field_size=LONGEST_FIELD,
            shutdown_timeout=STOP_S,
            handle_signals=False,
        )
        await runner.setup()
        self._runners.append(runner)
        server, door = runner.server, self._door
        if server is None or door is None:
            raise ListenError("the listener was not set up")
        try:
            return await door.open(server, host, port)
        except OSError as error:
            raise ListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every error is JSON, and every answer is counted."""
        guest = self._door.guest(request.protocol) if self._door is not None else None
        if guest is not None:
            guest.busy()
        try:
            response = await self._answered(request, handler, guest)
        finally:
            if guest is not None:
                guest.answered()
        counter = self._codes.get(response.status // 100)
        if counter is not None:
            counter.inc()
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    async def _answered(self, request: web.Request, handler: Handler, guest: Guest | None) -> web.StreamResponse:
        if not self._names.known(request.headers.getall("Host", [])):
            self._turn_away("host")
            return refuse(421, "this host is not known by that name: see monitoring.hosts").response()
        if request.method not in ("GET", "HEAD") and not self._names.same_origin(request.headers.getall("Origin", [])):
            self._turn_away("host")
            return refuse(403, "a page of another site may not command").response()
        if guest is not None:
            await guest.in_turn()
        try:
            return await handler(request)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return refuse(error.status, error.reason, **allow).response()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in an answer is a 503, never silence and never a page of HTML
            return refuse(503, f"{request.path} could not be answered: {type(error).__name__}").response()

    def _reading(self, read: Callable[[], Json]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            return _unknown(request) or _answer(200, readable(read()))

        return answer

    def _detail(self, read: Callable[[Readings, Mapping[str, str]], Json | Awaitable[Json]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            if self._readings is None:
                return refuse(404, "this process keeps no such figures").response()
            try:
                found = read(self._readings, request.query)
                return _answer(200, found if isinstance(found, dict) else await found)
            except BadQuestion as error:
                return refuse(error.status, str(error)).response()

        return answer

    async def _metrics(self, request: web.Request) -> web.Response:
        """``?group=key`` or ``slow``: the metrics made to be scraped so often; none: all."""
        stray = _unknown(request, "group")
        if stray is not None:
            return stray
        asked = request.query.getall("group", [])
        if len(asked) > 1 or any(name not in SCRAPED for name in asked):
            return refuse(400, f"group is one of {', '.join(SCRAPED)}; without it all metrics are shown").response()
        group = SCRAPED[asked[0]] if asked else None
        kind = (wanted(",".join(request.headers.getall("Accept", []))), group)
        if not self._pages.take() or kind not in self._page:
            self._open.set(len(self._seats.taken))
            self._page[kind] = await self._exporter.page_in_pieces(*kind)
        return web.Response(body=self._page[kind], headers={"Content-Type": kind[0].value, "Vary": "Accept"})

    async def _health(self, request: web.Request) -> web.Response:
        said = request.headers.get(HEADER)
        if said is not None and self._sentinel is not None:
            self._sentinel.looked(said)
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
        stray = _unknown(request, "since")
        if stray is not None:
            return stray
        text = request.query.get("since", "0")
        if not text.isdecimal() or not text.isascii() or len(text) > 18:
            return refuse(400, "since must be a whole number").response()
        return _answer(200, self._source.events(int(text)))

    async def _control(self, request: web.Request) -> web.Response:
        if self._desk is None:
            return refuse(403, "this process takes no commands").response()
        return (await self._desk.handle(request)).response()


def _unknown(request: web.Request, *names: str) -> web.Response | None:
    """The refusal of a parameter that is none of ``names``: misspelt, it would be answered as if it were not there."""
    for name in request.query:
        if name not in names:
            known = f"known is {', '.join(names)}" if names else "none is known here"
            return refuse(400, f"unknown parameter {name[:40]}; {known}").response()
    return None


def _answer(status: int, body: Json) -> web.Response:
    return web.Response(status=status, body=encode(body), content_type="application/json")
