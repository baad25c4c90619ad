"""Listen keys: one per account and market, good for an hour after the last keep-alive."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from engine.sandbox.clock import Clock
from engine.sandbox.errors import ApiError
from engine.trade import Market


@dataclass(slots=True)
class ListenKey:
    """The name of one account's user stream on one market; it ends at ``expires_ms`` (ms since 1970)."""

    key: str
    account: str
    market: Market
    expires_ms: int


class ListenKeys:
    """``on_expiry`` is told of each key that ran out, so that its streams can say so."""

    def __init__(self, clock: Clock, lifetime_ms: int, seed: int) -> None:
        self._clock, self._lifetime_ms, self._seed = clock, lifetime_ms, seed
        self._keys: dict[str, ListenKey] = {}
        self._made = 0
        self.on_expiry: Callable[[ListenKey], None] = lambda key: None

    def open(self, account: str, market: Market) -> str:
        """The account's key, a new one where it has none; its hour starts again."""
        for held in self._keys.values():
            if (held.account, held.market) == (account, market):
                held.expires_ms = self._clock.now_ms() + self._lifetime_ms
                return held.key
        self._made += 1
        name = f"{self._seed}:{account}:{market.value}:{self._made}".encode()
        key = hashlib.blake2b(name, digest_size=32).hexdigest()
        self._keys[key] = ListenKey(key, account, market, self._clock.now_ms() + self._lifetime_ms)
        return key

    def of(self, account: str, market: Market) -> str:
        """The key that the account holds on ``market``; -1125 where it holds none."""
        for held in self._keys.values():
            if (held.account, held.market) == (account, market):
                return held.key
        raise _unknown()

    def find(self, key: str) -> ListenKey | None:
        """The key's entry, None for an unknown or expired one."""
        return self._keys.get(key)

    def keep(self, key: str) -> None:
        """Let ``key`` live for its whole lifetime again; -1125 where it is not known."""
        held = self._keys.get(key)
        if held is None:
            raise _unknown()
        held.expires_ms = self._clock.now_ms() + self._lifetime_ms

    def close(self, key: str) -> None:
        """End a key; -1125 where it is not known."""
        if self._keys.pop(key, None) is None:
            raise _unknown()

    def expire(self, account: str | None = None) -> int:
        """Expire what has run out, or at once all keys of ``account`` ("*" is every account). Returns how many."""
        now = self._clock.now_ms()
        gone = [
            k for k in self._keys.values() if (now >= k.expires_ms if account is None else account in ("*", k.account))
        ]
        for key in gone:
            del self._keys[key.key]
            self.on_expiry(key)
        return len(gone)


def _unknown() -> ApiError:
    return ApiError(-1125, "This listenKey does not exist.")
