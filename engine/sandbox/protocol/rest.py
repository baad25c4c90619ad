"""REST over HTTP: reads a request exactly as sent, dispatches it on the table and answers as Binance does."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from engine.sandbox.core import Core
from engine.sandbox.endpoints.routes import ROUTES
from engine.sandbox.errors import ApiError, bad_key_format
from engine.sandbox.protocol.api import Endpoint, Security
from engine.sandbox.protocol.auth import ApiKey, check_rest
from engine.sandbox.protocol.params import Params
from engine.sandbox.protocol.requests import Asked, NoAnswer, answer, market_of_weight
from engine.trade import Market

JSON_TYPE = "application/json;charset=UTF-8"


class RestServer:
    """One handler for every REST path."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every outcome is an answer in Binance's shape, except where a fault cuts the connection."""
        path, _, query = request.raw_path.partition("?")
        endpoint = ROUTES.get((request.method, path))
        key: ApiKey | None = None
        market = endpoint.market if endpoint else market_of_weight(path)
        try:
            body = await self._body(request)
            if endpoint is None:
                raise self._unknown(request.method, path)
            result, key = await answer(self._core, self._asked(request, endpoint, path, query, body))
            return self._reply(request, market, key, 200, result)
        except ApiError as refused:
            reply = self._reply(request, market, key, refused.status, refused.body())
            reply.headers.update(refused.headers)
            return reply
        except NoAnswer:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()

    def _asked(self, request: web.Request, endpoint: Endpoint, path: str, query: str, body: str) -> Asked:
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
        params = Params(pairs)

        def authenticate() -> ApiKey | None:
            if len(params) < len(pairs):
                raise ApiError(-1101, "Duplicate values for a parameter detected.")
            if endpoint.security is Security.NONE:
                return None
            name = request.headers.get("X-MBX-APIKEY", "")
            if not name:
                raise bad_key_format()
            key = self._core.keys.find(name)
            if endpoint.security is not Security.KEY:
                check_rest(key, params, query, body, self._core.clock)
            return key

        return Asked(endpoint, params, path, request.remote or "", authenticate)

    async def _body(self, request: web.Request) -> str:
        if not request.can_read_body:
            return ""
        try:
            return (await request.read()).decode()
        except UnicodeDecodeError:
            raise ApiError(-1100, "Illegal characters found in a parameter.") from None

    def _unknown(self, method: str, path: str) -> ApiError:
        if any(p == path for _, p in ROUTES):
            return ApiError(-1000, f"Request method '{method}' is not supported.", status=405)
        return ApiError(-5000, f"Path {path}, Method {method} is invalid", status=404)

    def _reply(self, request: web.Request, market: Market, key: ApiKey | None, status: int, body: Any) -> web.Response:
        account = key.account if key is not None else None
        headers = self._core.limits.headers(request.remote or "", market, account)
        return web.Response(status=status, body=orjson.dumps(body), headers=headers | {"Content-Type": JSON_TYPE})
