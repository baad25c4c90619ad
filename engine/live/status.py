"""What the engine says about itself: the bodies of the HTTP answers, read from memory, never waiting."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from engine import __version__
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.kernel.layout import V_ASK_TICKS, V_BID_TICKS
from engine.kernel.pnl import mean_markouts
from engine.live.pair import Pair
from engine.live.session import Session
from engine.orders.order import Order
from engine.telemetry.latency import Latencies
from engine.trade import Side

STALE_LOOP_S: Final = 2.0
SUMMARY_NS: Final = 1_000_000_000  # latencies are summed up at most once a second


def about(config: Config, strategy: str) -> dict[str, Any]:
    """What does not change while the process runs."""
    release = os.environ.get("MM_RELEASE") or Path(os.environ.get("MM_RELEASE_DIR", "")).name or "dev"
    return {
        "version": __version__,
        "release": release,
        "account": config.exchange.account,
        "environment": config.environment,
        "exchange": config.exchange.name,
        "market": config.exchange.market,
        "mode": "paper" if config.paper.enabled else "live",
        "strategy": strategy,
        "config_hash": config_hash(config),
    }


class Status:
    """Implements ``engine.telemetry.state.StateSource``; before a session exists it says what the start is doing."""

    def __init__(self, facts: dict[str, Any], latencies: Latencies) -> None:
        self.facts = facts  # version, release, account, environment, exchange, market
        self.started_ns = time.time_ns()
        self.phase = "starting"
        self.is_standby = False
        self.stopping = False
        self.session: Session | None = None
        self.journal_trouble: Callable[[], str | None] = lambda: None
        self.configuration: Callable[[], dict[str, Any]] = dict  # the file it runs with, and the last reload
        self._latencies = latencies
        self._summary: dict[str, dict[str, float | None]] = latencies.summary()
        self._summed_ns = 0

    # --- StateSource ---

    def role(self) -> str:
        return "primary" if self.session is not None and self.session.facts.leader else "standby"

    def ready(self) -> tuple[bool, str]:
        session = self.session
        if session is None:
            return False, self.phase
        if self.stopping:
            return False, "stopping"
        if not session.facts.reconciled:
            return False, "not reconciled with the exchange"
        bad = next((p for p in session.pairs.values() if p.feed.bad_since_ns), None)
        return (True, "") if bad is None else (False, f"{bad.symbol}: the book is {bad.feed.state_name}")

    def health(self) -> dict[str, Any]:
        parts: dict[str, dict[str, Any]] = {}
        session = self.session
        trouble = self.journal_trouble()
        parts["journal"] = _part(trouble is None, trouble or "taking records", 0.0)
        if session is None:
            fine = self.is_standby or not self.stopping
            parts["engine"] = _part(fine, self.phase, _age(self.started_ns))
            status = "degraded" if fine else "failed"
            return self._health(status, parts, 0.0)
        beat = _age(session.heartbeat_ns)
        parts["loop"] = _part(beat < STALE_LOOP_S, f"last round {beat:.2f} s ago", beat)
        now = time.monotonic_ns()
        for pair in session.pairs.values():
            feed = pair.feed
            parts[f"book:{pair.symbol}"] = _part(not feed.bad_since_ns, feed.state_name, _finite(feed.age_s(now)))
        for name, state in session.streams.items():
            parts[f"stream:{name}"] = _part(state.connected, state.reason or "connected", 0.0)
            if pair.quoter.own is not None:
                why = pair.quoter.failed
                parts[f"strategy:{pair.symbol}"] = _part(not why, why or str(pair.quoter.own.path), None)
        reconciled = session.facts.reconciled
        age = _age(session.parts.reconciler.last_ns) if session.parts.reconciler.last_ns else None
        parts["reconciliation"] = _part(reconciled, "agrees" if reconciled else "does not agree or is not read", age)
        breaker = session.parts.risk.breaker
        parts["risk"] = _part(breaker.may_quote, breaker.message or breaker.state.name.lower(), _age(breaker.since_ns))
        if session.switch.off:
            parts["switch"] = _part(False, session.switch.text, _age(session.switch.ns))
        failed = not parts["loop"]["ok"] or not parts["journal"]["ok"]
        bad = any(not part["ok"] for part in parts.values())
        status = "failed" if failed else "degraded" if bad else "ok"
        return self._health(status, parts, beat)

    def _health(self, status: str, parts: dict[str, Any], beat: float) -> dict[str, Any]:
        mode = self.facts["mode"]
        if mode == "paper":
            parts["paper"] = _part(True, "trading on paper: no order leaves this engine", None)
        return {
            "status": status,
            "components": parts,
            "role": self.role(),
            "mode": mode,
            "heartbeat_age_s": beat,
        }

    def risk(self) -> dict[str, Any]:
        if self.session is None:
            return {"breaker": None, "limits": [], "level": 0, "level_name": "low", "halted": False}
        return self.session.parts.risk.status()

    def state(self) -> dict[str, Any]:
        session, now = self.session, time.time_ns()
        body: dict[str, Any] = {"engine": self._engine(), "as_of_ns": now}
        if session is None:
            return body
        parts = session.parts
        reconciler = parts.reconciler
        body["symbols"] = {symbol: self._symbol(pair) for symbol, pair in session.pairs.items()}
        body["pnl"] = self._pnl(session)
        body["risk"] = parts.risk.status()
        body["orders"] = parts.clerk.tally.as_dict()
        body["rejections"] = [asdict(rejection) for rejection in parts.clerk.rejections.values()]
        body["latency"] = self._latency()
        mono = time.monotonic_ns()
        ages = {"market": min((pair.feed.age_s(mono) for pair in session.pairs.values()), default=math.inf)}
        body["feeds"] = [
            {"name": name, "connected": state.connected, "age_s": _finite(ages.get(name, math.inf))}
            for name, state in session.streams.items()
        ]
        body["reconciliation"] = {
            "last_ns": reconciler.last_ns,
            "state": "clean" if session.facts.reconciled else "not clean",
            "discrepancies": dict(reconciler.counts),
        }
        return body

    def orders(self) -> dict[str, Any]:
        session = self.session
        if session is None:
            return {"orders": []}
        now = time.monotonic_ns()
        manager = session.parts.desk.manager
        return {
            "orders": [
                _order(order, pair, now) for pair in session.pairs.values() for order in manager.live(pair.symbol)
            ]
        }

    def events(self, since: int) -> dict[str, Any]:
        return {"events": [] if self.session is None else self.session.parts.clerk.events.since(since)}

    def why(self) -> dict[str, Any]:
        return {"why": [] if self.session is None else self.session.parts.why.all(), "mode": self.facts["mode"]}

    # --- pieces ---

    def _engine(self) -> dict[str, Any]:
        session = self.session
        return {
            **self.facts,
            **self.configuration(),
            "pid": os.getpid(),
            "started_ns": self.started_ns,
            "epoch": session.parts.lease.epoch if session is not None else 0,
            "role": self.role(),
            "quoting": session is not None and session.quoting,
            "not_quoting_reason": self.phase if session is None else session.not_quoting_reason(),
            "switched_off": session.switch.as_dict() if session is not None and session.switch.off else None,
            "heartbeat_ns": session.heartbeat_ns if session is not None else self.started_ns,
        }

    def _symbol(self, pair: Pair) -> dict[str, Any]:
        instrument, feed, ledger = pair.instrument, pair.feed, pair.account_book.ledger
        now = time.monotonic_ns()
        bid, ask = int(feed.view[V_BID_TICKS]), int(feed.view[V_ASK_TICKS])
        manager = self._manager()
        exposure = manager.exposure(pair.symbol)
        quotes = standing(list(manager.live(pair.symbol)))
        best_bid, best_ask = quotes
        spread = (best_ask.ticks - best_bid.ticks) * instrument.tick_size if best_bid and best_ask else None
        oldest = min((now - order.created_ns for order in quotes if order is not None), default=None)
        return {
            "tick_size": str(instrument.tick_size),
            "lot_size": str(instrument.lot_size),
            "book": {
                "state": feed.state_name,
                "bid": float(instrument.price(bid)) if bid else None,
                "ask": float(instrument.price(ask)) if ask else None,
                "age_s": _finite(feed.age_s(now)),
            },
            "quote": {
                "bid": float(instrument.price(best_bid.ticks)) if best_bid else None,
                "bid_size": float(instrument.quantity(best_bid.lots)) if best_bid else None,
                "ask": float(instrument.price(best_ask.ticks)) if best_ask else None,
                "ask_size": float(instrument.quantity(best_ask.lots)) if best_ask else None,
                "spread": float(spread) if spread is not None else None,
                "age_s": oldest / 1e9 if oldest is not None else None,
            },
            "position": {
                "base": float(instrument.quantity(ledger.lots)),
                "limit_base": self._limit_base(),
                "notional_quote": float(ledger.lots) * float(instrument.lot_size) * pair.mid(),
                "avg_price": float(ledger.average_ticks * instrument.tick_size),
            },
            "markouts_bps": mean_markouts(pair.marks),
            "not_quoting_reason": pair.quoter.not_quoting or None,
            "open_orders": exposure.orders - exposure.unknown,
            "unknown_orders": exposure.unknown,
        }

    def _manager(self) -> Any:
        assert self.session is not None
        return self.session.parts.desk.manager

    def _limit_base(self) -> float | None:
        return float(self.session.config.strategy.max_inventory) if self.session is not None else None

    def _pnl(self, session: Session) -> dict[str, Any]:
        pnl = session.parts.account_books.pnl()
        names = ("realized", "unrealized", "fees", "funding", "hedge", "spread", "inventory")
        figures: dict[str, Any] = {name: float(getattr(pnl, name)) for name in names}
        currency = next(iter(session.pairs.values())).instrument.quote
        return {
            "total": float(pnl.total),
            **figures,
            "day": session.parts.risk.equity.day_pnl,
            "fills": session.parts.clerk.tally.fills,
            "currency": currency,
        }

    def _latency(self) -> dict[str, dict[str, float | None]]:
        now = time.monotonic_ns()
        if now - self._summed_ns > SUMMARY_NS:
            self._summary, self._summed_ns = self._latencies.summary(), now
        return self._summary


def standing(orders: list[Order]) -> tuple[Order | None, Order | None]:
    """The best bid and the best ask among our live orders."""
    bids = [order for order in orders if order.side is Side.BUY]
    asks = [order for order in orders if order.side is Side.SELL]
    bid = max(bids, key=lambda order: order.ticks, default=None)
    ask = min(asks, key=lambda order: order.ticks, default=None)
    return bid, ask


def _order(order: Order, pair: Pair, now_ns: int) -> dict[str, Any]:
    instrument = pair.instrument
    return {
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side.name.lower(),
        "price": float(instrument.price(order.ticks)),
        "quantity": float(instrument.quantity(order.lots)),
        "filled": float(instrument.quantity(order.filled_lots)),
        "state": order.state.value,
        "age_s": (now_ns - order.created_ns) / 1e9,
    }


def _part(ok: bool, message: str, age_s: float | None) -> dict[str, Any]:
    return {"ok": ok, "message": message, "age_s": age_s}


def _age(ns: int) -> float:
    return (time.time_ns() - ns) / 1e9


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
