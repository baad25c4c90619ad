"""A local exchange that speaks Binance spot and USD-M futures: REST, WebSocket API, streams, market and faults.

``SandboxExchange(Settings(...))`` in an event loop, ``run(Settings(...))`` in the foreground, or
``python -m engine.sandbox``. Attributes are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.sandbox.addresses import Addresses
    from engine.sandbox.errors import SandboxError
    from engine.sandbox.foreground import run
    from engine.sandbox.server import SandboxExchange
    from engine.sandbox.settings import AccountSettings, KeySettings, RateLimits, Settings

_HOMES = {
    "Addresses": "addresses",
    "SandboxError": "errors",
    "run": "foreground",
    "SandboxExchange": "server",
    "AccountSettings": "settings",
    "KeySettings": "settings",
    "RateLimits": "settings",
    "Settings": "settings",
}

__all__ = [
    "AccountSettings",
    "Addresses",
    "KeySettings",
    "RateLimits",
    "SandboxError",
    "SandboxExchange",
    "Settings",
    "run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"engine.sandbox.{_HOMES[name]}"), name)
