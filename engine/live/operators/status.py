"""What the engine says about itself: the bodies of the HTTP answers, read from memory, never waiting."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from engine import __version__
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.kernel.account.pnl import mean_markouts
from engine.kernel.layout import VIEW_ASK_TICKS, VIEW_BID_TICKS
from engine.live.operators.standing import standing
from engine.live.session.pair import Pair
from engine.live.session.session import Session
from engine.live.tick.feed import Feed
from engine.orders.order import Order
from engine.telemetry.latency import Latencies
from engine.telemetry.state import StateSource

STALE_LOOP_S: Final = 2.0
SUMMARY_NS: Final = 1_000_000_000  # latencies are summed up at most once a second


def about(config: Config, strategy: str) -> dict[str, Any]:
    """What does not change while the process runs."""
    release = os.environ.get("MM_RELEASE") or Path(os.environ.get("MM_RELEASE_DIR", "")).name or "dev"
    return {
        "version": __version__,
        "release": release,
        "instance": os.environ.get("MM_INSTANCE", ""),
        "account": config.exchange.account,
        "environment": config.environment,
        "exchange": config.exchange.name,
        "market": config.exchange.market,
        "mode": "paper" if config.paper.enabled else "live",
        "strategy": strategy,
        "config_hash": config_hash(config),
    }


@dataclass(slots=True)
class Standing:
    """What every phase of a run says of itself. ``facts``: as ``about`` made them."""

    facts: dict[str, Any]
    started_ns: int = field(default_factory=time.time_ns)
    phase: str = "starting"  # what a start is doing
    is_standby: bool = False
    stopping: bool = False
    journal_trouble: Callable[[], str | None] = lambda: None
    configuration: Callable[[], dict[str, Any]] = dict  # the file it runs with, and the last reload
    sentinel: Callable[[], dict[str, Any] | None] = lambda: None  # its part of the health document, where one is wanted

    def engine(self, **session: Any) -> dict[str, Any]:
        """The engine's own part of /api/state; ``session``: what only a session knows."""
        return {**self.facts, **self.configuration(), "pid": os.getpid(), "started_ns": self.started_ns, **session}

    def beside(self) -> dict[str, dict[str, Any]]:
        """The health document's parts that no phase changes: the journal, not ok while it cannot take records, with the
        reason; and the sentinel."""
        trouble, sentinel = self.journal_trouble(), self.sentinel()
        journal = {"journal": _part(trouble is None, trouble or "taking records", None)}
        return journal if sentinel is None else journal | {"sentinel": sentinel}

    def health(self, status: str, parts: dict[str, Any], role: str, beat_s: float) -> dict[str, Any]:
        """The health document; ``beat_s``: age of the loop's last round in seconds."""
        mode = self.facts["mode"]
        if mode == "paper":
            parts["paper"] = _part(True, "trading on paper: no order leaves this engine", None)
        return {
            "status": status,
            "components": parts,
            "role": role,
            "mode": mode,
            "heartbeat_age_s": beat_s,
            "config_sha256": self.configuration().get("config_sha256"),  # the file it runs with: the sentinel follows
        }


class Status:
    """Implements ``engine.telemetry.state.StateSource`` with whatever the phase of the run has to say."""

    def __init__(self, facts: dict[str, Any], latencies: Latencies) -> None:
        self.standing = Standing(facts)
        self._latencies = latencies
        self._phase: StateSource = Waiting(self.standing)

    def lead(self, session: Session) -> None:
        """Answers are of ``session`` from here on."""
        self._phase = LeadingStatus(self.standing, session, self._latencies)

    def role(self) -> str:
        """``primary`` while a session leads and its lease holds, else ``standby``."""
        return self._phase.role()

    def ready(self) -> tuple[bool, str]:
        """Whether quoting could start, and why not; before a session leads it never can."""
        return self._phase.ready()

    def health(self) -> dict[str, Any]:
        """The health document of the phase the run is in; its parts are of the session as soon as there is one."""
        return self._phase.health()

    def risk(self) -> dict[str, Any]:
        """The body of /api/risk/status; before a session leads no breaker and no limit is in it."""
        return self._phase.risk()

    def state(self) -> dict[str, Any]:
        """The body of /api/state; before a session leads it has the ``engine`` part alone."""
        return self._phase.state()

    def orders(self) -> dict[str, Any]:
        """The body of /api/orders; empty before a session leads, whatever the exchange still holds of ours."""
        return self._phase.orders()

    def events(self, since: int) -> dict[str, Any]:
        """The body of /api/events: those with a ``seq`` above ``since``, oldest first; none before a session leads."""
        return self._phase.events(since)

    def why(self) -> dict[str, Any]:
        """The body of /api/why: refused quotes, newest first, none before a session leads; always the mode."""
        return self._phase.why()


class Waiting:
    """Before a session exists: what the start or the standby is doing."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def role(self) -> str:
        """Always ``standby``: also an engine that holds the lease is not the primary before its session leads."""
        return "standby"

    def ready(self) -> tuple[bool, str]:
        """Always False, with what the start or the standby is doing."""
        return False, self._standing.phase

    def health(self) -> dict[str, Any]:
        """The health document of an engine that does not lead."""
        standing = self._standing
        fine = standing.is_standby or not standing.stopping
        parts = standing.beside() | {"engine": _part(fine, standing.phase, _age(standing.started_ns))}
        return standing.health("degraded" if fine else "failed", parts, self.role(), 0.0)

    def risk(self) -> dict[str, Any]:
        """The shape of a leader's answer with nothing in it: a breaker that is not read yet is shown as None."""
        return {"breaker": None, "limits": [], "level": 0, "level_name": "low", "halted": False}

    def state(self) -> dict[str, Any]:
        """The state document of an engine that does not lead."""
        standing = self._standing
        engine = standing.engine(
            epoch=0,
            role=self.role(),
            quoting=False,
            not_quoting_reason=standing.phase,
            switched_off=None,
            heartbeat_ns=standing.started_ns,
        )
        return {"engine": engine, "as_of_ns": time.time_ns()}

    def orders(self) -> dict[str, Any]:
        """Empty: an engine that does not lead holds no order, and does not ask the exchange for others'."""
        return {"orders": []}

    def events(self, since: int) -> dict[str, Any]:
        """Empty: events are kept by a session, and counted from its beginning."""
        return {"events": []}

    def why(self) -> dict[str, Any]:
        """No refusals, because nothing was to be quoted; and the mode, live or paper."""
        return {"why": [], "mode": self._standing.facts["mode"]}


class LeadingStatus:
    """A session exists: what it holds."""

    def __init__(self, standing: Standing, session: Session, latencies: Latencies) -> None:
        self._standing, self._session = standing, session
        self._latencies = latencies
        self._summary: dict[str, dict[str, float | None]] = latencies.summary()
        self._summed_ns = 0

    def role(self) -> str:
        """``standby`` also while a session whose lease is lost or in doubt has not ended yet."""
        return "primary" if self._session.facts.leader else "standby"

    def ready(self) -> tuple[bool, str]:
        """Whether quoting can start, and the reason when not."""
        session = self._session
        if self._standing.stopping:
            return False, "stopping"
        if not session.facts.reconciled:
            return False, "not reconciled with the exchange"
        bad = next((p for p in session.pairs.values() if p.feed.bad_since_ns), None)
        return (True, "") if bad is None else (False, f"{bad.symbol}: the book is {bad.feed.state_name}")

    def health(self) -> dict[str, Any]:
        """The health document: journal, loop, books and connections, each with its age in seconds."""
        session = self._session
        parts = self._standing.beside()
        beat = _age(session.heartbeat_ns)
        parts["loop"] = _part(beat < STALE_LOOP_S, f"last round {beat:.2f} s ago", beat)
        now = time.monotonic_ns()
        for pair in session.pairs.values():
            feed = pair.feed
            parts[f"book:{pair.symbol}"] = _part(not feed.bad_since_ns, _book_words(feed), _finite(feed.age_s(now)))
            if pair.quoter.own is not None:
                why = pair.quoter.failed
                parts[f"strategy:{pair.symbol}"] = _part(not why, why or str(pair.quoter.own.path), None)
        for name, state in session.streams.items():
            parts[f"stream:{name}"] = _part(state.connected, state.reason or "connected", None)
        reconciled = session.facts.reconciled
        age = _age(session.parts.reconciler.last_ns) if session.parts.reconciler.last_ns else None
        parts["reconciliation"] = _part(reconciled, "agrees" if reconciled else "does not agree or is not read", age)
        breaker = session.parts.risk.breaker
        parts["risk"] = _part(breaker.may_quote, breaker.message or breaker.state.name.lower(), _age(breaker.since_ns))
        off = session.switch.off
        parts["switch"] = _part(not off, session.switch.text if off else "on", _age(session.switch.ns) if off else None)
        failed = not parts["loop"]["ok"] or not parts["journal"]["ok"]
        bad = any(not part["ok"] for part in parts.values())
        status = "failed" if failed else "degraded" if bad else "ok"
        return self._standing.health(status, parts, self.role(), beat)

    def risk(self) -> dict[str, Any]:
        """Breaker, limits and level as they were last judged; nothing is revalued for the answer."""
        return self._session.parts.risk.status()

    def state(self) -> dict[str, Any]:
        """The state document that ``mmctl`` and the dashboard show."""
        session = self._session
        body: dict[str, Any] = {"engine": self._engine(), "as_of_ns": time.time_ns()}
        parts = session.parts
        reconciler = parts.reconciler
        body["symbols"] = {symbol: self._symbol(pair) for symbol, pair in session.pairs.items()}
        body["pnl"] = self._pnl(session)
        body["risk"] = parts.risk.status()
        body["orders"] = parts.clerk.tally.as_dict()
        body["rejections"] = [asdict(rejection) for rejection in parts.clerk.rejections.values()]
        body["latency"] = self._latency()
        mono = time.monotonic_ns()
        ages = {"market": max((pair.feed.age_s(mono) for pair in session.pairs.values()), default=math.inf)}
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
        """Every order that may be live."""
        session = self._session
        now = time.monotonic_ns()
        manager = session.parts.desk.manager
        return {
            "orders": [
                _order(order, pair, now) for pair in session.pairs.values() for order in manager.live(pair.symbol)
            ]
        }

    def events(self, since: int) -> dict[str, Any]:
        """Events with a ``seq`` above ``since``, oldest first; those that left the ring are missing without a word."""
        return {"events": self._session.parts.clerk.events.since(since)}

    def why(self) -> dict[str, Any]:
        """The last refused or suppressed quotes, newest first, and the mode, live or paper."""
        return {"why": self._session.parts.why.all(), "mode": self._standing.facts["mode"]}

    # --- pieces ---

    def _engine(self) -> dict[str, Any]:
        session = self._session
        return self._standing.engine(
            epoch=session.parts.lease.epoch,
            role=self.role(),
            quoting=session.quoting,
            not_quoting_reason=session.not_quoting_reason(),
            switched_off=session.switch.as_dict() if session.switch.off else None,
            heartbeat_ns=session.heartbeat_ns,
        )

    def _symbol(self, pair: Pair) -> dict[str, Any]:
        instrument, feed, ledger = pair.instrument, pair.feed, pair.account_book.ledger
        now = time.monotonic_ns()
        bid, ask = int(feed.view[VIEW_BID_TICKS]), int(feed.view[VIEW_ASK_TICKS])
        manager = self._session.parts.desk.manager
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
                "limit_base": float(self._session.config.strategy.max_inventory),
                "notional_quote": float(ledger.lots) * float(instrument.lot_size) * pair.mid(),
                "avg_price": float(ledger.average_ticks * instrument.tick_size),
            },
            "markouts_bps": mean_markouts(pair.marks),
            "not_quoting_reason": pair.quoter.not_quoting or None,
            "open_orders": exposure.orders - exposure.unknown,
            "unknown_orders": exposure.unknown,
        }

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


def _book_words(feed: Feed) -> str:
    """The state of a book, and how many frames of its stream could not be read since the start, where any could not."""
    return feed.state_name + (f"; unreadable frames: {feed.bad_frames}" if feed.bad_frames else "")


def _age(ns: int) -> float:
    return (time.time_ns() - ns) / 1e9


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
