"""The way of one request, the same for REST and the WebSocket API: limits, authentication, faults, handler."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.sandbox.admin.faults import FaultRule
from engine.sandbox.core import Core
from engine.sandbox.errors import ApiError, bad_key, timestamp_outside, unknown_execution
from engine.sandbox.protocol.api import Call, Endpoint, Security
from engine.sandbox.protocol.auth import ApiKey, check_time
from engine.sandbox.protocol.params import Params
from engine.trade import Market


class NoAnswer(Exception):
    """A fault: the request is carried out or not, but nothing comes back; the connection is cut."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request before authentication. ``authenticate`` returns the key or raises ApiError."""

    endpoint: Endpoint
    params: Params
    path: str
    address: str
    authenticate: Callable[[], ApiKey | None]


async def answer(core: Core, asked: Asked) -> tuple[Any, ApiKey | None]:
    """The handler's result. Raises ApiError for every refusal, and NoAnswer where a fault swallows the answer."""
    endpoint = asked.endpoint
    core.limits.request(asked.address, endpoint.market, endpoint.weight)
    key = asked.authenticate()
    if endpoint.security is Security.TRADE and key is not None and not key.settings.trade:
        raise bad_key()
    trading = endpoint.security is Security.TRADE
    if trading:
        await core.matching.wait()
        if core.simulated is None:
            await _pause(core.settings.entry_latency_ms)
    account = key.account if key is not None else ""
    call = Call(core, endpoint.market, asked.params, asked.path, key)
    symbol = asked.params.get("symbol", "")
    rule = core.faults.request(endpoint.market, endpoint.operation, account, symbol) if endpoint.operation else None
    if rule is None:
        for _ in range(endpoint.orders):
            core.limits.order(account, endpoint.market)
        result = endpoint.handler(call)
        if isinstance(result, asyncio.Future):
            result = await result  # simulated time: the answer comes when it would be heard
    else:
        result = await _with_fault(rule, endpoint, call)
    if trading and core.simulated is None:
        await _pause(core.settings.response_latency_ms)
    return result, key


async def _pause(milliseconds: float) -> None:
    if milliseconds > 0.0:
        await asyncio.sleep(milliseconds / 1000)


async def _with_fault(rule: FaultRule, endpoint: Endpoint, call: Call) -> Any:
    """Carry the request out as the fault says, then answer as the fault says."""
    match rule.kind:
        case "slow":
            await asyncio.sleep(rule.ms / 1000)
            if endpoint.security is Security.TRADE:  # the receive window holds to the matching engine's door
                check_time(call.params, call.core.clock)
            return endpoint.handler(call)
        case "late_fill":
            return _late_fill(rule, endpoint, call)
        case "cancel_lost":
            if rule.ms:
                await asyncio.sleep(rule.ms / 1000)
            raise NoAnswer
        case "ack_lost":
            _carry_out(endpoint, call)
            raise NoAnswer
        case "timeout":
            if rule.executed:
                _carry_out(endpoint, call)
            if rule.ms:
                await asyncio.sleep(rule.ms / 1000)
            raise unknown_execution()
        case "http_5xx":
            if rule.executed:
                _carry_out(endpoint, call)
            raise ApiError(rule.code, rule.msg, status=rule.status)
        case "rate_limit":
            raise ApiError(
                -1003, "Too many requests; please use the websocket for live updates.", status=429,
                headers={"Retry-After": str(max(1, rule.ms // 1000))},
            )  # fmt: skip
        case "ban":
            until = call.core.clock.now_ms() + max(1000, rule.ms)
            raise ApiError(
                -1003, f"Way too many requests; IP banned until {until}.", status=418,
                headers={"Retry-After": str(max(1, rule.ms // 1000))},
            )  # fmt: skip
        case "bad_clock":
            raise timestamp_outside()
        case _:
            raise ApiError(rule.code, rule.msg, status=400 if rule.status >= 500 else rule.status)


def _carry_out(endpoint: Endpoint, call: Call) -> None:
    """Do it, whatever comes of it: the asker will not learn."""
    try:
        endpoint.handler(call)
    except ApiError:
        return


def _late_fill(rule: FaultRule, endpoint: Endpoint, call: Call) -> Any:
    """Cancel as asked; ``ms`` later the order turns out to have been filled for ``share`` of what was left."""
    from engine.sandbox.endpoints.order_calls import locate

    order = locate(call)
    left = order.left
    result = endpoint.handler(call)
    lots = max(1, int(left * rule.share))
    exchange = call.core.exchange

    def fill() -> None:
        exchange.book_fill(order, order.ticks, min(lots, order.left), True)

    asyncio.get_running_loop().call_later(rule.ms / 1000, fill)
    return result


def market_of_weight(path: str) -> Market:
    """Which market's limits a path that no endpoint knows counts against."""
    return Market.USDM if path.startswith(("/fapi", "/dapi")) else Market.SPOT
