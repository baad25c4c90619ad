"""Binance's REST through ccxt: account, reads, listen keys, and cancels when the order socket is down.

ccxt signs, sends and parses; its per-exchange methods are called directly, so no market list is loaded. Two of its
documented hooks are overridden: response headers feed the rate budget, and an error keeps its HTTP status and code.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import ClientSession, TCPConnector

from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.outcome import NO_SUCH_ORDER, SKEWED_CLOCK, cause_of
from engine.venue.binance.signing import Credentials
from engine.venue.bounded import BoundedResponse
from engine.venue.ccxt.thin import async_exchange
from engine.venue.clock import ClockOffset
from engine.venue.protocol import OrderNotFound, VenueError
from engine.venue.throttle import Throttle


class NotSent(VenueError):
    """Refused on this side: nothing was written."""


class _Refusal(Exception):
    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.headers = status, code, message, headers


def _client_class(on_headers: Callable[[Mapping[str, str]], None]) -> Any:
    base = async_exchange("binance")

    def handle_errors(
        self: Any, status: int, reason: str, url: str, method: str, headers: Any, body: str, word: Any, *rest: Any
    ) -> None:
        code = word.get("code") if isinstance(word, dict) else None
        code = int(code) if isinstance(code, int | str) and str(code).lstrip("-").isdigit() else 0
        if status < 400 and code >= 0 and word is not None:
            return
        message = str(word.get("msg", "")) if isinstance(word, dict) else f"{reason}: no readable answer"
        raise _Refusal(status, code, message, dict(headers or {}))

    def on_rest_response(
        self: Any, status: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any
    ) -> Any:
        on_headers(dict(headers or {}))
        return base.on_rest_response(self, status, reason, url, method, headers, body, *rest)

    def open_session(self: Any, lazy: bool = False) -> None:
        """As ccxt's, with a session that reads no answer without end."""
        own, self.own_session = self.own_session, False
        base.open(self, lazy)
        self.own_session = own
        if own and self.session is None:
            self.tcp_connector = TCPConnector(
                ssl=self.ssl_context, enable_cleanup_closed=True, family=socket.AF_UNSPEC, happy_eyeballs_delay=0
            )
            self.session = ClientSession(
                connector=self.tcp_connector, trust_env=self.aiohttp_trust_env, response_class=BoundedResponse
            )

    hooks = {"handle_errors": handle_errors, "on_rest_response": on_rest_response, "open": open_session}
    return type("Binance", (base,), hooks)


class BinanceRest:
    """One ccxt client. Every call ends within ``deadline_s``; errors are ``VenueError`` and never hold a signed URL."""

    def __init__(
        self,
        places: Endpoints,
        credentials: Credentials,
        throttle: Throttle,
        clock: ClockOffset,
        deadline_s: float = 5.0,
        recv_window_ms: int = 5000,
    ) -> None:
        self._places, self._credentials = places, credentials
        self._throttle, self._clock = throttle, clock
        self._deadline_s, self._recv_window_ms = deadline_s, recv_window_ms
        self._client: Any = None
        self.on_skew: Callable[[], None] | None = None  # called on -1021

    async def start(self) -> None:
        """Import ccxt (in a thread: it takes a few tenths of a second) and make the client."""
        client_class = await asyncio.to_thread(_client_class, self._headers)
        client = client_class(
            {
                "apiKey": self._credentials.api_key.reveal(),
                "secret": self._credentials.secret.reveal(),
                "timeout": int(self._deadline_s * 1000) + 1000,  # ours comes first, ccxt's only cleans up
                "timeout_on_exit": 20,  # ms ccxt sleeps when closed; a stop has to be quick
                "enableRateLimit": False,  # the rate budget is ours; ccxt's own would make cancels wait in line
                "options": {"recvWindow": self._recv_window_ms},
            }
        )
        rest, account = self._places.rest, self._places.account
        client.urls["api"] = {
            **client.urls["api"],
            "public": f"{rest}/api/v3",
            "private": f"{rest}/api/v3",
            "sapi": f"{account}/sapi/v1",
            "fapiPublic": f"{rest}/fapi/v1",
            "fapiPrivate": f"{rest}/fapi/v1",
            "fapiPrivateV2": f"{rest}/fapi/v2",
            "fapiPrivateV3": f"{rest}/fapi/v3",
        }
        client.logger.setLevel(logging.WARNING)  # at DEBUG ccxt logs the key and signed requests
        self._client = client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, weight: int = 1, urgent: bool = False
    ) -> Any:
        """One of ccxt's implicit methods, e.g. ``privateGetOpenOrders``. ``urgent`` may spend the cancels' reserve.

        Raises VenueError; its ``known`` is True where the exchange itself refused, ``OrderNotFound`` on -2013.
        """
        if self._client is None:
            raise NotSent(f"{method}: the REST client is not started")
        now_ns = time.monotonic_ns()
        refused = self._throttle.cancel(now_ns, weight=weight) if urgent else self._throttle.request(now_ns, weight)
        if refused is not None:
            raise NotSent(f"{method} was not sent: {refused.reason}")
        self._client.options["timeDifference"] = -int(self._clock.skew_ms)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await getattr(self._client, method)(dict(params or {}))
        except _Refusal as refusal:
            raise self._error(method, refusal) from None
        except TimeoutError:
            raise VenueError(f"{method}: no answer within {self._deadline_s:g} s") from None
        except Exception as failure:  # noqa: BLE001  ccxt's messages hold the signed URL: only their type is told
            raise VenueError(f"{method}: {type(failure).__name__}, the answer is not known") from None

    def _headers(self, headers: Mapping[str, str]) -> None:
        self._throttle.on_headers(headers, time.monotonic_ns())

    def _error(self, method: str, refusal: _Refusal) -> VenueError:
        if refusal.status in (418, 429):
            after = {name.lower(): value for name, value in refusal.headers.items()}.get("retry-after", "")
            wait_s = float(after) if after.replace(".", "", 1).isdigit() else 0.0
            self._throttle.on_limited(time.monotonic_ns(), wait_s, banned=refusal.status == 418)
        if refusal.code == SKEWED_CLOCK and self.on_skew is not None:
            self.on_skew()
        text = f"{method} was refused: HTTP {refusal.status}, code {refusal.code}: {refusal.message}"
        status, code, cause = refusal.status, refusal.code, cause_of(refusal.code, refusal.message, refusal.status)
        if code == NO_SUCH_ORDER:
            return OrderNotFound(text, code=code, http_status=status, known=True, cause=cause)
        return VenueError(text, code=code, http_status=status, known=status < 500, cause=cause)
