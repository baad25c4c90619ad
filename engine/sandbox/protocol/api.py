"""What an endpoint is: one row of a table that both REST and the WebSocket API dispatch on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine.sandbox.core import Core
from engine.sandbox.errors import bad_key
from engine.sandbox.matching.ledger import ClientAccount
from engine.sandbox.protocol.auth import ApiKey
from engine.sandbox.protocol.params import Params
from engine.trade import Market


class Security(Enum):
    """What a request must carry before its endpoint is called."""

    NONE = "none"
    KEY = "key"  # the API key alone
    SIGNED = "signed"  # key, timestamp and signature
    TRADE = "trade"  # as SIGNED, with the permission to trade


@dataclass(slots=True)
class Call:
    """One request that passed authentication."""

    core: Core
    market: Market
    params: Params
    path: str
    key: ApiKey | None = None

    @property
    def account(self) -> ClientAccount:
        """The account of the key; -2015 where the endpoint was called without one."""
        if self.key is None:
            raise bad_key()
        return self.core.exchange.accounts[self.key.account]


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``operation`` is the name faults are aimed at: order.place, order.cancel, depth and so on."""

    handler: Handler
    market: Market
    weight: int = 1
    security: Security = Security.NONE
    orders: int = 0  # how many new orders it counts as
    operation: str = ""


Table = dict[tuple[str, str], Endpoint]
