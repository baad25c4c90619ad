"""POST /api/control/*: who may command, how often, once each, and written down before and after.

Order of the checks: token (constant time) -> rate -> body -> idempotency key -> intent recorded -> done -> outcome
recorded. The verbs that make things safer (halt, cancel, flatten) have a rate budget that the others cannot spend, and
halt has one of its own, which only halts spend that were carried out. They are done even when the record cannot be
written: that is told in the answer.
"""

import asyncio
import hmac
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from engine.telemetry.body import decode, encode
from engine.telemetry.limiter import TokenBucket
from engine.telemetry.state import VERBS, Control, ControlRecord, ControlRefused, Json

SAFER: Final = frozenset({"halt", "cancel", "flatten"})
KEPT: Final = 1_000  # answers kept for repeated idempotency keys
DEADLINE_S: Final = 30.0
HTTP_CONFLICT: Final = 409
_KEY: Final = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_ACTOR: Final = re.compile(r"[^A-Za-z0-9._@:/ -]")

Audit = Callable[[ControlRecord], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """The HTTP answer to one control request."""

    status: int
    body: Json
    headers: Mapping[str, str]

    def response(self) -> web.Response:
        """The answer as the HTTP server sends it."""
        return web.Response(
            status=self.status, body=encode(self.body), content_type="application/json", headers=dict(self.headers)
        )


def _reply(status: int, body: Json, **headers: str) -> Reply:
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def refuse(status: int, error: str, **headers: str) -> Reply:
    """The answer to what is not done: ``status`` and why."""
    return _reply(status, {"error": error}, **headers)


class ControlDesk:
    """Takes commands for ``control``. ``audit`` gets the intent before the act; if it fails, nothing is done."""

    def __init__(
        self,
        control: Control,
        token: str | None,
        audit: Audit,
        *,
        rate: float = 2.0,
        deadline_s: float = DEADLINE_S,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._control, self._audit, self._deadline_s, self._wall_ns = control, audit, deadline_s, wall_ns
        self._token = token.encode() if token else None
        self._halts, self._safer, self._others = (TokenBucket(rate, _burst(rate)) for _ in range(3))
        self._strangers = TokenBucket(1.0, 5.0)  # wrong tokens: guessing is slow, and the right token is not held up
        self._kept: OrderedDict[str, tuple[str, asyncio.Future[Reply]]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def set_rate(self, rate: float) -> None:
        """Commands a second from now on, on average; a flood under way is held to it at once."""
        for bucket in (self._halts, self._safer, self._others):
            bucket.change(rate, _burst(rate))

    async def handle(self, request: web.Request) -> Reply:
        """The answer to one POST."""
        if self._token is None:
            return refuse(403, "control is off: monitoring.control_token is not set")
        if not self._known(request):
            wait = self._strangers.take()
            if wait:
                return refuse(429, "too many requests without the right token", Retry_After=_seconds(wait))
            return refuse(401, "the bearer token is missing or wrong", WWW_Authenticate="Bearer")
        verb = request.match_info["verb"]
        if verb not in VERBS:
            return refuse(404, f"unknown command {verb[:32]!r}; known: {', '.join(VERBS)}")
        wait = 0.0 if verb == "halt" else (self._safer if verb in SAFER else self._others).take()
        if wait:
            return refuse(429, "too many commands", Retry_After=_seconds(wait))
        body = await _body(request)
        if isinstance(body, Reply):
            return body
        key = request.headers.get("Idempotency-Key", "")
        if not _KEY.fullmatch(key):
            return refuse(400, "the header Idempotency-Key is needed: 8 to 128 letters, digits, . _ : -")
        return await self._once(verb, body, key, request)

    def _known(self, request: web.Request) -> bool:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token or b"")
        return kind.lower() == "bearer" and same

    async def _once(self, verb: str, body: Mapping[str, Any], key: str, request: web.Request) -> Reply:
        """The first request with ``key`` acts; any other with it gets the same answer, even while the act goes on."""
        print_of = encode([verb, dict(sorted(body.items()))]).decode()
        kept = self._kept.get(key)
        if kept is not None:
            if kept[0] != print_of:
                return refuse(422, "this idempotency key was used for another command")
            answer = await asyncio.shield(kept[1])
            return replace(answer, headers={**answer.headers, "Idempotent-Replay": "true"})
        wait = self._halts.take() if verb == "halt" else 0.0
        if wait:
            return refuse(429, "too many halts", Retry_After=_seconds(wait))
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._kept[key] = (print_of, future)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        actor = _ACTOR.sub("?", request.headers.get("X-Actor", "unknown"))[:64]
        record = ControlRecord(self._wall_ns(), verb, actor, request.remote or "", key, "intent")
        # its own task: a client that hangs up does not stop a cancel half-way
        task = asyncio.create_task(self._act(record, body, future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(future)

    async def _act(self, record: ControlRecord, body: Mapping[str, Any], future: asyncio.Future[Reply]) -> None:
        faults: list[str] = []
        try:
            self._audit(record)
        except Exception as error:  # noqa: BLE001 - fails closed: what cannot be written down is not done, if it can wait
            if record.verb not in SAFER:
                self._kept.pop(record.key, None)
                future.set_result(
                    refuse(503, f"the audit record could not be written ({type(error).__name__}); nothing was done")
                )
                return
            faults.append(f"the intent was not recorded: {type(error).__name__}")
        outcome, detail, reply = await self._do(record, body)
        if record.verb == "halt" and outcome == "refused" and reply.status == HTTP_CONFLICT:
            self._halts.give_back()  # another account's, or no leader: nothing was halted
        try:
            self._audit(replace(record, ns=self._wall_ns(), outcome=outcome, detail=detail))
        except Exception as error:  # noqa: BLE001 - the act is done; say that its record is missing
            faults.append(f"the outcome was not recorded: {type(error).__name__}")
        if faults:
            reply = replace(reply, body={**reply.body, "audit": "; ".join(faults)})
        future.set_result(reply)

    async def _do(self, record: ControlRecord, body: Mapping[str, Any]) -> tuple[str, str, Reply]:
        try:
            async with asyncio.timeout(self._deadline_s):
                done = await self._control.control(record.verb, body, record.actor)
        except ControlRefused as error:
            return "refused", error.reason, refuse(error.status, error.reason)
        except TimeoutError:
            text = f"{record.verb} did not finish within {self._deadline_s:g} s; its result is unknown"
            return "failed", text, refuse(504, text)
        except Exception as error:  # noqa: BLE001 - reported to the operator and the audit trail
            text = f"{record.verb} failed: {type(error).__name__}: {error}"
            return "failed", text, refuse(500, text)
        return "done", "", _reply(200, {"verb": record.verb, "key": record.key, **done})


async def _body(request: web.Request) -> Mapping[str, Any] | Reply:
    try:
        raw = await asyncio.wait_for(request.read(), 5.0)
    except web.HTTPRequestEntityTooLarge:
        return refuse(413, "the body is too large")
    except (TimeoutError, ConnectionError):
        return refuse(408, "the body did not arrive within 5 s")
    if not raw:
        return {}
    try:
        body = decode(raw)
    except ValueError as error:
        return refuse(400, str(error) if "nested" in str(error) else "the body is not JSON")
    return body if isinstance(body, dict) else refuse(400, "the body must be a JSON object")


def _burst(rate: float) -> float:
    return max(5.0, rate * 5)


def _seconds(wait: float) -> str:
    return str(max(1, math.ceil(wait)))
