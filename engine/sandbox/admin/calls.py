"""The sandbox's own endpoints under /sandbox: its state, faults at run time, every account's orders, pause and step."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from engine.sandbox.admin import history
from engine.sandbox.admin.faults import ACTION_KINDS
from engine.sandbox.core import Core
from engine.sandbox.decimals import parse_e8, short_text
from engine.sandbox.endpoints import shapes_spot, shapes_usdm
from engine.sandbox.errors import SandboxError
from engine.sandbox.market.pump import Pump
from engine.sandbox.matching.ledger import open_account
from engine.sandbox.protocol.hub import Hub
from engine.sandbox.settings import AccountSettings, KeySettings
from engine.trade import Market


class AdminServer:
    """Not part of Binance's interface; tests and operators use it."""

    def __init__(self, core: Core, hub: Hub, pump: Pump, reports: list[dict[str, Any]]) -> None:
        self._core, self._hub, self._pump, self._reports = core, hub, pump, reports

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve everything below ``/sandbox/``."""
        router.add_get("/sandbox/state", self.state)
        router.add_get("/sandbox/orders", self.orders)
        router.add_get("/sandbox/accounts", self.accounts)
        router.add_get("/sandbox/faults", self.list_faults)
        router.add_post("/sandbox/faults", self.add_faults)
        router.add_delete("/sandbox/faults", self.clear_faults)
        router.add_delete("/sandbox/faults/{number:[0-9]+}", self.remove_fault)
        router.add_post("/sandbox/keys", self.add_key)
        router.add_post("/sandbox/balances", self.deposit)
        router.add_post("/sandbox/pause", self.pause)
        router.add_post("/sandbox/resume", self.resume)
        router.add_post("/sandbox/step", self.step)
        router.add_post("/sandbox/ack", self.ack)
        router.add_post("/sandbox/limits", self.set_limits)
        router.add_post("/sandbox/filters", self.set_filters)
        router.add_post("/sandbox/history", self.add_history)

    async def state(self, request: web.Request) -> web.Response:
        """Time in ms, frames taken from the market and sent, open connections, and each market's book."""
        failure = self._pump.failure()
        return _json(
            {
                "time_ms": self._core.clock.now_ms(),
                "frames": self._pump.frames,
                "published": self._hub.sent,
                "connections": len(self._hub.connections),
                "ended": self._pump.ended.is_set(),
                "paused": self._pump.paused,
                "waiting_for": self._pump.waiting_for,
                "failure": repr(failure) if failure else None,
                "recordings": self._reports,
                "markets": {
                    f"{market.value}:{symbol}": {
                        "last_update_id": state.book.last_update_id,
                        "bid": state.spec.price_text(state.best.bid),
                        "ask": state.spec.price_text(state.best.ask),
                        "trades": len(state.trades),
                    }
                    for (market, symbol), state in self._core.exchange.markets.items()
                },
                "armed": [f"{a}:{m.value}:{s}" for a, (m, s) in self._core.exchange.countdowns],
            }
        )

    async def orders(self, request: web.Request) -> web.Response:
        """Every order of every account, or of ?account=, ?symbol=; only live ones with ?open=1."""
        wanted, symbol, only_open = request.query.get("account"), request.query.get("symbol"), "open" in request.query
        rows = [
            {"account": account.name, "market": o.spec.market.value, **_shape(o.spec.market)(o)}
            for account in self._core.exchange.accounts.values()
            for o in account.orders.values()
            if wanted in (None, account.name) and symbol in (None, o.spec.symbol) and (o.is_live or not only_open)
        ]
        return _json({"orders": rows})

    async def accounts(self, request: web.Request) -> web.Response:
        """Balances, wallets, positions and fills of every account, as the exchange has them."""
        return _json({name: self._account(name) for name in self._core.exchange.accounts})

    def _account(self, name: str) -> dict[str, Any]:
        account, specs = self._core.exchange.accounts[name], self._core.exchange.specs(Market.USDM)
        return {
            "spot": {a: {"free": short_text(b.free), "locked": short_text(b.locked)} for a, b in account.spot.items()},
            "wallet": {asset: short_text(amount) for asset, amount in account.wallet.items()},
            "positions": {s: short_text(p.lots * specs[s].lot_e8) for s, p in account.positions.items() if s in specs},
            "fills": sum(len(o.fills) for o in account.orders.values()),
            "open_orders": sum(len(held) for held in account.open.values()),
        }

    async def list_faults(self, request: web.Request) -> web.Response:
        """The faults that are set."""
        return _json({"faults": self._core.faults.rows()})

    async def add_faults(self, request: web.Request) -> web.Response:
        """One rule, a list, or {"faults": [...]}; an act (price_jump ...) happens at once unless after_s is set."""
        body = await _body(request)
        if isinstance(body, Mapping) and "faults" in body:
            body = body["faults"]
        specs = body if isinstance(body, list) else [body]
        added: list[dict[str, Any]] = []
        try:
            for spec in specs:
                if not isinstance(spec, Mapping):
                    raise SandboxError(f"a fault is an object, not {type(spec).__name__}")
                rule = self._core.faults.add(spec)
                row: dict[str, Any] = {"id": rule.id, "kind": rule.kind}
                if rule.kind in ACTION_KINDS and rule.after_s == 0.0:
                    rule.used += 1
                    row |= self._pump.act(rule)
                elif rule.kind == "half_open" and rule.stream == "":
                    rule.used += 1
                    row["frozen"] = self._freeze_all()
                elif rule.after_s > 0.0:
                    rule.after_s += self._core.faults.elapsed_s
                added.append(row)
        except SandboxError as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"added": added})

    def _freeze_all(self) -> int:
        for connection in self._hub.connections:
            connection.freeze()
        return len(self._hub.connections)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Remove every fault, and with them a snapshot that was kept stale."""
        self._core.faults.clear()
        for state in self._core.exchange.markets.values():
            state.stale_snapshot = None
        return _json({})

    async def remove_fault(self, request: web.Request) -> web.Response:
        """Remove the fault of that number; 404 where there is none."""
        number = int(request.match_info["number"])
        if self._core.faults.remove(number):
            return _json({})
        return _json({"error": f"there is no fault {number}"}, 404)

    async def add_key(self, request: web.Request) -> web.Response:
        """{"account", "key", "secret" or "ed25519_public", "trade", "withdraw"}; a new account opens with defaults."""
        body = await _body(request)
        if not isinstance(body, Mapping) or not isinstance(body.get("key"), str):
            return _json({"error": "key is missing"}, 400)
        name = str(body.get("account", "sandbox"))
        key = KeySettings(
            body["key"],
            str(body.get("secret", "")),
            str(body.get("ed25519_public", "")),
            bool(body.get("trade", True)),
            bool(body.get("withdraw", False)),
        )
        try:
            self._core.keys.add(name, key)
        except SandboxError as wrong:
            return _json({"error": str(wrong)}, 400)
        accounts = self._core.exchange.accounts
        if name not in accounts:
            fresh = AccountSettings(name, (key,))
            accounts[name] = open_account(name, 354_937_868 + len(accounts), fresh.spot, fresh.usdm)
        return _json({"account": name})

    async def deposit(self, request: web.Request) -> web.Response:
        """{"account", "market": spot or usdm, "asset", "amount"}: a deposit; a negative amount is a withdrawal."""
        body = await _body(request)
        if not isinstance(body, Mapping) or not isinstance(body.get("asset"), str):
            return _json({"error": "asset is missing"}, 400)
        account = self._core.exchange.accounts.get(str(body.get("account", "sandbox")))
        if account is None:
            return _json({"error": f"there is no account {body.get('account')}"}, 404)
        try:
            market, text = Market(body.get("market", "spot")), str(body.get("amount"))
            amount = -parse_e8(text[1:]) if text.startswith("-") else parse_e8(text)
            self._core.exchange.deposit(account, market, body["asset"], amount)
        except (SandboxError, ValueError, ArithmeticError) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json(self._account(account.name))

    async def pause(self, request: web.Request) -> web.Response:
        """Hold the market; returns the number of frames sent."""
        self._pump.pause()
        return _json({"frames": self._pump.frames})

    async def resume(self, request: web.Request) -> web.Response:
        """Let the market go on; returns the number of frames sent."""
        self._pump.resume()
        return _json({"frames": self._pump.frames})

    async def step(self, request: web.Request) -> web.Response:
        """{"frames": n}: let n frames through while paused."""
        body = await _body(request)
        wanted = body.get("frames", 1) if isinstance(body, Mapping) else 1
        return _json({"stepped": self._pump.step(int(wanted)), "frames": self._pump.frames})

    async def ack(self, request: web.Request) -> web.Response:
        """A test's word in lockstep: frame ``n`` has been dealt with. Returns the number of frames sent."""
        body = await _body(request)
        if not isinstance(body, Mapping) or not isinstance(body.get("n"), int):
            return _json({"error": "n is missing"}, 400)
        self._pump.acknowledge(body["n"])
        return _json({"frames": self._pump.frames})

    async def set_limits(self, request: web.Request) -> web.Response:
        """{"spot_weight": n, ...}: other rate limits from now on; ``enabled`` false counts without refusing."""
        body = await _body(request)
        try:
            self._core.limits.change(body if isinstance(body, Mapping) else {})
        except SandboxError as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({})

    async def set_filters(self, request: web.Request) -> web.Response:
        """{"market", "symbol", "step": "0.001", "market_max_quantity": "0.5", ...}: see ``history.change_filters``."""
        body = await _body(request)
        try:
            spec = history.change_filters(self._core.exchange, body if isinstance(body, Mapping) else {})
        except (SandboxError, ValueError, TypeError) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"symbol": spec.symbol})

    async def add_history(self, request: web.Request) -> web.Response:
        """{"market", "symbol", "price", "quantity", ...}: a trade of the past, see ``history.add_trade``."""
        body = await _body(request)
        try:
            order, fill = history.add_trade(self._core.exchange, body if isinstance(body, Mapping) else {})
        except (SandboxError, ValueError, TypeError) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"order_id": order.order_id, "trade_id": fill.trade_id})


def _shape(market: Market) -> Any:
    return shapes_spot.queried if market is Market.SPOT else shapes_usdm.order


async def _body(request: web.Request) -> Any:
    try:
        return orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        return None


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
