"""Who listens to what: market streams by name, user data by account; faults are applied as frames go out."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.sandbox.admin.faults import FaultRule, Faults
from engine.sandbox.protocol.connection import ClientConnection
from engine.trade import Market

Channel = tuple[Market, str, str]  # market, symbol, kind: depth, depth20, bookTicker, trade, aggTrade, kline_1m ...
_NUMBER = re.compile(rb'"[0-9]+\.[0-9]+"')


@dataclass(frozen=True, slots=True)
class UserSubscription:
    """User data to one connection; ``wrap`` turns an event into what this kind of stream sends."""

    connection: ClientConnection
    account: str
    market: Market
    listen_key: str  # empty for a subscription of the WebSocket API
    subscription_id: int = -1

    def payload(self, event: dict[str, Any]) -> bytes:
        """The event as this subscriber reads it: wrapped by subscription, by stream, or as it is."""
        if self.subscription_id >= 0:
            return orjson.dumps({"subscriptionId": self.subscription_id, "event": event})
        if self.connection.combined:
            return orjson.dumps({"stream": self.listen_key, "data": event})
        return orjson.dumps(event)


@dataclass(slots=True)
class Held:
    """Frames held back by the fault reorder until the next of their channel has gone out."""

    sends: list[Callable[[], None]] = field(default_factory=list)


class Hub:
    """All connections and their subscriptions."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._channels: dict[Channel, dict[tuple[ClientConnection, str], None]] = {}
        self._kinds: dict[tuple[Market, str], list[str]] = {}  # what is listened to on each symbol
        self._users: list[UserSubscription] = []
        self._held: dict[Channel, Held] = {}
        self.connections: dict[ClientConnection, None] = {}
        self.listened = asyncio.Event()  # set while somebody listens to a market stream
        self.sent = 0

    def cork(self) -> None:
        """Hold back what is written until ``flush``, so that frames due together leave in one write."""
        for connection in self.connections:
            connection.cork()

    def flush(self) -> None:
        """Write what every connection held back."""
        for connection in self.connections:
            connection.flush()

    def wanted(self, channel: Channel) -> bool:
        """Whether anybody listens to the channel: what nobody hears is not made."""
        return bool(self._channels.get(channel))

    def kinds(self, market: Market, symbol: str) -> list[str]:
        """The kinds of stream somebody listens to on one symbol."""
        return self._kinds.get((market, symbol), [])

    def subscribe(self, channel: Channel, connection: ClientConnection, name: str) -> None:
        """Send the channel to the connection from now on, under ``name``."""
        self._channels.setdefault(channel, {})[(connection, name)] = None
        self._index(channel)
        self.listened.set()

    def unsubscribe(self, channel: Channel, connection: ClientConnection, name: str) -> None:
        """Send it no longer."""
        self._channels.get(channel, {}).pop((connection, name), None)
        self._index(channel)

    def _index(self, channel: Channel) -> None:
        if not any(self._channels.values()):
            self.listened.clear()
        market, symbol, _ = channel
        self._kinds[(market, symbol)] = [
            kind for (m, s, kind), members in self._channels.items() if members and m is market and s == symbol
        ]

    def names(self, connection: ClientConnection) -> list[str]:
        """The streams that the connection listens to."""
        return [name for members in self._channels.values() for c, name in members if c is connection]

    @property
    def has_users(self) -> bool:
        """Whether anybody is subscribed to user data."""
        return bool(self._users)

    def add_user(self, subscription: UserSubscription) -> None:
        """Send an account's events to one more subscriber."""
        self._users.append(subscription)

    def remove_user(self, connection: ClientConnection, subscription_id: int | None = None) -> None:
        """Drop one WebSocket API subscription, or all user data of the connection."""
        self._users = [
            u for u in self._users if u.connection is not connection or subscription_id not in (None, u.subscription_id)
        ]

    def drop_listen_key(self, listen_key: str) -> None:
        """Streams of an expired key stay open and silent, as on the exchange."""
        self._users = [u for u in self._users if u.listen_key != listen_key]

    def forget(self, connection: ClientConnection) -> None:
        """Drop a connection that closed from every channel and user stream."""
        self.connections.pop(connection, None)
        connection.gone()
        for channel, members in self._channels.items():
            mine = [k for k in members if k[0] is connection]
            for key in mine:
                del members[key]
            if mine:
                self._index(channel)
        self.remove_user(connection)

    def publish(self, channel: Channel, payload: bytes) -> None:
        """A market frame to everyone on the channel."""
        members = self._channels.get(channel)
        if not members:
            return
        self.sent += 1
        market, symbol, kind = channel
        stream = "depth" if kind.startswith("depth") else kind
        rule = self._faults.frame(market, symbol, stream)
        targets = list(members)

        def send(data: bytes = payload) -> None:
            for connection, name in targets:
                if connection.combined:
                    connection.send(b'{"stream":"' + name.encode() + b'","data":' + data + b"}")
                else:
                    connection.send(data)

        self._deliver(channel, rule, payload, send, [c for c, _ in targets])

    def readers(self, market: Market, symbol: str) -> list[ClientConnection]:
        """The connections that listen to anything of one symbol."""
        found: dict[ClientConnection, None] = {}
        for (m, s, _), members in self._channels.items():
            if m is market and s == symbol:
                found.update((connection, None) for connection, _ in members)
        return list(found)

    def announce(self, channel: Channel, payload: bytes) -> None:
        """Once to each connection on the channel, as it is: what the sandbox itself says about the next frame."""
        for connection in {c: None for c, _ in self._channels.get(channel, {})}:
            connection.send(payload)

    def user_event(self, account: str, market: Market, event: dict[str, Any], listen_key: str = "") -> None:
        """A user-data event to every stream of the account; with ``listen_key`` only to the streams of that key."""
        for user in list(self._users):
            if user.account != account or user.market is not market or (listen_key and user.listen_key != listen_key):
                continue
            rule = self._faults.frame(market, "", "user", account)
            payload = user.payload(event)

            def send(data: bytes = payload, connection: ClientConnection = user.connection) -> None:
                connection.send(data)

            self._deliver((market, account, "user"), rule, payload, send, [user.connection])

    def _deliver(
        self,
        channel: Channel,
        rule: FaultRule | None,
        payload: bytes,
        send: Callable[..., None],
        targets: list[ClientConnection],
    ) -> None:
        if rule is None:
            send()
            self._release(channel)
            return
        match rule.kind:
            case "duplicate":
                send()
                send()
            case "delay":
                asyncio.get_running_loop().call_later(rule.ms / 1000, send)
            case "reorder":
                self._held.setdefault(channel, Held()).sends.append(send)
                return
            case "truncate":
                send(payload[: len(payload) // 2])
            case "nan":
                send(_NUMBER.sub(b'"NaN"', payload, count=1))
            case "half_open":
                for connection in targets:
                    connection.freeze()
            case "disconnect":
                for connection in targets:
                    connection.drop()
        self._release(channel)

    def _release(self, channel: Channel) -> None:
        held = self._held.pop(channel, None) if self._held else None
        for send in held.sends if held else ():
            send()
