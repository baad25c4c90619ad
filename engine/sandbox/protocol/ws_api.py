"""The WebSocket API of both markets: /ws-api/v3 (spot) and /ws-fapi/v1 (futures), on the same table as REST."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from engine.sandbox.core import Core
from engine.sandbox.endpoints.routes import ROUTES
from engine.sandbox.errors import ApiError, bad_key, bad_key_format
from engine.sandbox.protocol.api import Endpoint, Security
from engine.sandbox.protocol.auth import ApiKey, check_time, check_ws, ws_text
from engine.sandbox.protocol.connection import ClientConnection
from engine.sandbox.protocol.hub import Hub, UserSubscription
from engine.sandbox.protocol.params import Params
from engine.sandbox.protocol.requests import Asked, NoAnswer, answer
from engine.trade import Market

SPOT_METHODS = {
    "ping": "GET /api/v3/ping",
    "time": "GET /api/v3/time",
    "exchangeInfo": "GET /api/v3/exchangeInfo",
    "depth": "GET /api/v3/depth",
    "trades.recent": "GET /api/v3/trades",
    "trades.aggregate": "GET /api/v3/aggTrades",
    "klines": "GET /api/v3/klines",
    "avgPrice": "GET /api/v3/avgPrice",
    "ticker.24hr": "GET /api/v3/ticker/24hr",
    "ticker.price": "GET /api/v3/ticker/price",
    "ticker.book": "GET /api/v3/ticker/bookTicker",
    "order.place": "POST /api/v3/order",
    "order.test": "POST /api/v3/order/test",
    "order.status": "GET /api/v3/order",
    "order.cancel": "DELETE /api/v3/order",
    "order.cancelReplace": "POST /api/v3/order/cancelReplace",
    "openOrders.status": "GET /api/v3/openOrders",
    "openOrders.cancelAll": "DELETE /api/v3/openOrders",
    "account.status": "GET /api/v3/account",
    "allOrders": "GET /api/v3/allOrders",
    "myTrades": "GET /api/v3/myTrades",
    "userDataStream.start": "POST /api/v3/userDataStream",
    "userDataStream.ping": "PUT /api/v3/userDataStream",
    "userDataStream.stop": "DELETE /api/v3/userDataStream",
}
USDM_METHODS = {
    "ping": "GET /fapi/v1/ping",
    "time": "GET /fapi/v1/time",
    "depth": "GET /fapi/v1/depth",
    "ticker.price": "GET /fapi/v1/ticker/price",
    "ticker.book": "GET /fapi/v1/ticker/bookTicker",
    "order.place": "POST /fapi/v1/order",
    "order.modify": "PUT /fapi/v1/order",
    "order.status": "GET /fapi/v1/order",
    "order.cancel": "DELETE /fapi/v1/order",
    "account.position": "GET /fapi/v2/positionRisk",
    "v2/account.position": "GET /fapi/v3/positionRisk",
    "account.balance": "GET /fapi/v2/balance",
    "v2/account.balance": "GET /fapi/v3/balance",
    "account.status": "GET /fapi/v2/account",
    "v2/account.status": "GET /fapi/v3/account",
    "userDataStream.start": "POST /fapi/v1/listenKey",
    "userDataStream.ping": "PUT /fapi/v1/listenKey",
    "userDataStream.stop": "DELETE /fapi/v1/listenKey",
}


@dataclass(slots=True)
class ApiSession:
    """One connection: the key it logged on with, and its user-data subscriptions."""

    connection: ClientConnection
    market: Market
    key: ApiKey | None = None
    authorized_ms: int = 0
    connected_ms: int = 0
    next_subscription: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


Local = Callable[[ApiSession, dict[str, object], Params], Any]


class WsApiServer:
    """Serves requests in the order they arrive; one slowed by latency or a fault does not hold up the next."""

    def __init__(self, core: Core, hub: Hub) -> None:
        self._core, self._hub = core, hub
        self._methods = {
            Market.SPOT: {name: self._endpoint(target) for name, target in SPOT_METHODS.items()},
            Market.USDM: {name: self._endpoint(target) for name, target in USDM_METHODS.items()},
        }
        self._local: dict[str, Local] = {
            "session.logon": self._logon,
            "session.status": self._status,
            "session.logout": self._logout,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def _endpoint(self, target: str) -> tuple[Endpoint, str]:
        method, path = target.split(" ")
        return ROUTES[(method, path)], path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket of the order API until it closes."""
        socket = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = ClientConnection(request, socket)
        self._hub.connections[connection] = None
        market = Market.USDM if "ws-fapi" in request.path else Market.SPOT
        session = ApiSession(connection, market, connected_ms=self._core.clock.now_ms())
        show_limits = request.query.get("returnRateLimits", "true") != "false"
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._on_message(session, message.data, show_limits)
                elif message.type is WSMsgType.PING:
                    connection.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    connection.on_pong(message.data)
        finally:
            self._hub.forget(connection)
            for task in session.tasks:
                task.cancel()
        return socket

    async def _on_message(self, session: ApiSession, text: str, show_limits: bool) -> None:
        number: object = None
        try:
            message = orjson.loads(text)
            if not isinstance(message, dict) or not isinstance(message.get("method"), str):
                raise ApiError(-1135, "Invalid JSON Request")
            number = message.get("id")
            raw = message.get("params") or {}
            if not isinstance(raw, dict):
                raise ApiError(-1135, "Invalid JSON Request")
        except orjson.JSONDecodeError:
            session.connection.send(_refusal(None, ApiError(-1135, "Invalid JSON Request"), None))
            return
        except ApiError as refused:
            session.connection.send(_refusal(number, refused, None))
            return
        work = self._serve(session, number, message["method"], raw, show_limits)
        settings = self._core.settings
        if (
            self._core.simulated is not None
            or self._core.faults.active
            or settings.entry_latency_ms
            or settings.response_latency_ms
        ):
            task = asyncio.get_running_loop().create_task(work)
            session.tasks.add(task)
            task.add_done_callback(session.tasks.discard)
        else:
            await work

    async def _serve(
        self, session: ApiSession, number: object, method: str, raw: dict[str, object], show_limits: bool
    ) -> None:
        raw_limits = raw.pop("returnRateLimits", None) if method not in ("session.logon",) else None
        show = show_limits if raw_limits is None else bool(raw_limits)
        signed = raw if raw_limits is None else raw | {"returnRateLimits": raw_limits}
        try:
            result = await self._result(session, method, raw, signed)
            payload: dict[str, Any] = {"id": number, "status": 200, "result": result}
            if show:
                payload["rateLimits"] = self._limits(session)
            session.connection.send(orjson.dumps(payload))
        except ApiError as refused:
            refused.data = refused.data or self._until(refused)
            session.connection.send(_refusal(number, refused, self._limits(session) if show else None))
        except NoAnswer:
            session.connection.drop()

    async def _result(self, session: ApiSession, method: str, raw: dict[str, object], signed: dict[str, object]) -> Any:
        params = Params({name: ws_text(value) for name, value in raw.items() if value is not None})
        local = self._local.get(method)
        if local is not None:
            self._core.limits.request(session.connection.address, session.market, 2)
            return local(session, signed, params)
        found = self._methods[session.market].get(method)
        if found is None:
            raise ApiError(-1000, f"Unknown method '{method}'.")
        endpoint, path = found

        def authenticate() -> ApiKey | None:
            return self._authenticate(session, endpoint.security, signed, params)

        asked = Asked(endpoint, params, path, session.connection.address, authenticate)
        result, _ = await answer(self._core, asked)
        return result

    def _authenticate(
        self, session: ApiSession, security: Security, raw: dict[str, object], params: Params
    ) -> ApiKey | None:
        """The request's own key and signature where it has them, else the session's key with a timestamp."""
        if security is Security.NONE:
            return None
        if "apiKey" in params:
            key = self._core.keys.find(params["apiKey"])
            if security is not Security.KEY:
                check_ws(key, raw, params, self._core.clock)
            return key
        if session.key is None:
            raise bad_key_format() if security is Security.KEY else bad_key()
        if security is not Security.KEY:
            check_time(params, self._core.clock)
        return session.key

    def _until(self, refused: ApiError) -> dict[str, int] | None:
        """Over the WebSocket API Binance says in the error's data until when it will not listen."""
        after = refused.headers.get("Retry-After")
        if after is None:
            return None
        now = self._core.clock.now_ms()
        return {"serverTime": now, "retryAfter": now + int(after) * 1000}

    def _limits(self, session: ApiSession) -> list[dict[str, object]]:
        account = session.key.account if session.key is not None else None
        return self._core.limits.rows(session.connection.address, session.market, account)

    def _logon(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        """Only Ed25519 keys may log on, as on the exchange."""
        key = self._core.keys.find(params.required("apiKey"))
        if key.ed25519 is None:
            raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")
        check_ws(key, raw, params, self._core.clock)
        session.key, session.authorized_ms = key, self._core.clock.now_ms()
        return self._status(session, raw, params)

    def _status(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        return {
            "apiKey": session.key.settings.key if session.key is not None else None,
            "authorizedSince": session.authorized_ms if session.key is not None else None,
            "connectedSince": session.connected_ms,
            "returnRateLimits": True,
            "serverTime": self._core.clock.now_ms(),
            "userDataStream": session.next_subscription > 0,
        }

    def _logout(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        session.key, session.authorized_ms = None, 0
        return self._status(session, raw, params)

    def _subscribe(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        if session.key is None:
            raise bad_key()
        return self._add(session, session.key)

    def _subscribe_signed(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        key = self._core.keys.find(params.required("apiKey"))
        check_ws(key, raw, params, self._core.clock)
        return self._add(session, key)

    def _add(self, session: ApiSession, key: ApiKey) -> dict[str, Any]:
        number = session.next_subscription
        session.next_subscription += 1
        self._hub.add_user(UserSubscription(session.connection, key.account, session.market, "", number))
        return {"subscriptionId": number}

    def _unsubscribe(self, session: ApiSession, raw: dict[str, object], params: Params) -> dict[str, Any]:
        number = params.integer("subscriptionId", -1) if "subscriptionId" in params else None
        self._hub.remove_user(session.connection, number)
        return {}


def _refusal(number: object, refused: ApiError, limits: list[dict[str, object]] | None) -> bytes:
    status = refused.status if refused.status != 504 else 500
    payload: dict[str, Any] = {"id": number, "status": status, "error": refused.body()}
    if limits is not None:
        payload["rateLimits"] = limits
    return orjson.dumps(payload)
