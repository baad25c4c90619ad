"""Clients of the sandbox for tests: stock ccxt with only its URLs changed, and a bare signed REST client."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yarl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.sandbox import Addresses, SandboxExchange
from engine.sandbox.settings import DEFAULT_KEY, KeySettings


def ccxt_client(module: ModuleType, addresses: Addresses, kind: str = "spot", key: KeySettings = DEFAULT_KEY) -> Any:
    """ccxt's Binance client; ``kind`` is spot or future. Nothing but key and URLs is set besides the market type."""
    client = module.binance({"apiKey": key.key, "secret": key.secret, "options": {"defaultType": kind}})
    client.urls["api"] = addresses.ccxt_urls()
    return client


class Rest:
    """Signs what it is told to and returns (status, body, headers); nothing is retried or interpreted."""

    def __init__(self, sandbox: SandboxExchange, key: KeySettings = DEFAULT_KEY) -> None:
        self.base = sandbox.addresses.rest
        self.key = key
        self.clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self.private: Ed25519PrivateKey | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Rest":
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._session is not None:
            await self._session.close()

    def sign(self, payload: str) -> str:
        if self.private is not None:
            return base64.b64encode(self.private.sign(payload.encode())).decode()
        return hmac.new(self.key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    async def public(self, path: str, method: str = "GET", **params: Any) -> tuple[int, Any, Any]:
        return await self.raw(method, path, urlencode(params))

    async def signed(self, method: str, path: str, **params: Any) -> tuple[int, Any, Any]:
        params.setdefault("timestamp", self.clock_ms())
        payload = urlencode(params)
        return await self.raw(method, path, payload + "&" + urlencode({"signature": self.sign(payload)}))

    async def raw(self, method: str, path: str, query: str = "", body: str | None = None) -> tuple[int, Any, Any]:
        assert self._session is not None
        headers = {"X-MBX-APIKEY": self.key.key} if self.key.key else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        address = f"{self.base}{path}" + (f"?{query}" if query else "")
        async with self._session.request(
            method, yarl.URL(address, encoded=True), headers=headers, data=body
        ) as response:
            return response.status, await response.json(content_type=None), response.headers

    async def admin(self, method: str, path: str, body: object = None) -> Any:
        assert self._session is not None
        async with self._session.request(method, f"{self.base}/sandbox/{path}", json=body) as response:
            return await response.json()


def ed25519_pair() -> tuple[Ed25519PrivateKey, str]:
    """A fresh private key and its public half as PEM."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


def best(sandbox: SandboxExchange, market: str, symbol: str) -> tuple[str, str]:
    """Best bid and ask as the exchange quotes them."""
    for (kind, name), state in sandbox.core.exchange.markets.items():
        if (kind.value, name) == (market, symbol):
            return state.spec.price_text(state.best.bid), state.spec.price_text(state.best.ask)
    raise KeyError(symbol)
