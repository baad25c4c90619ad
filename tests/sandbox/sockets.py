"""Bare WebSocket clients for tests: raw frames in, nothing interpreted."""

import asyncio
import base64
import hashlib
import hmac
import itertools
from typing import Any, Self

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.sandbox.settings import DEFAULT_KEY, KeySettings

DEADLINE_S = 20.0


class Socket:
    """One connection. ``next()`` is the next JSON message; ``until`` skips to one that satisfies a test."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self.socket = await self._session.ws_connect(self.address, max_msg_size=0)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def send(self, message: object) -> None:
        await self.socket.send_str(message if isinstance(message, str) else orjson.dumps(message).decode())

    async def text(self) -> str:
        """The next message as it came; ConnectionError where the socket was closed instead."""
        message = await asyncio.wait_for(self.socket.receive(), DEADLINE_S)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"closed: {message.type}")
        return str(message.data)

    async def next(self) -> Any:
        return orjson.loads(await self.text())

    async def until(self, wanted: Any) -> Any:
        while not wanted(message := await self.next()):
            pass
        return message


class WsApi(Socket):
    """A WebSocket API connection that signs with HMAC, or with Ed25519 where ``private`` is set."""

    def __init__(self, address: str, key: KeySettings = DEFAULT_KEY) -> None:
        super().__init__(address)
        self.key = key
        self.private: Ed25519PrivateKey | None = None
        self._numbers = itertools.count(1)

    def signed(self, params: dict[str, Any]) -> dict[str, Any]:
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        if self.private is not None:
            signature = base64.b64encode(self.private.sign(payload.encode())).decode()
        else:
            signature = hmac.new(self.key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return params | {"signature": signature}

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """One request and its answer; events that arrive before it are passed over."""
        number = next(self._numbers)
        await self.send({"id": number, "method": method, "params": params or {}})
        return await self.until(lambda m: m.get("id") == number)
