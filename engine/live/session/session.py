"""The session of one leadership epoch: it holds the gate, reacts to events, and keeps the timers that keep it honest.

``Session`` decides when quoting may go on and carries the consequences in the same tick: whatever closes the gate
cancels. It is given all its parts; ``live.session.assembly`` makes them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from engine.config.schema import Config
from engine.kernel.account.pnl import mark_to_market
from engine.kernel.book.order_book import LIVE, STATE_NAMES
from engine.live.orders.clerk import Rejection
from engine.live.rings import CRITICAL, INFO, WARNING
from engine.live.rules import risk_rules
from engine.live.session.pair import Pair
from engine.live.session.parts import Parts
from engine.live.switch import ON, Switch
from engine.live.tick.fast_path import FastPath
from engine.live.tick.feed import Feed
from engine.live.tick.gate import Block, Facts, account_block, symbol_block
from engine.orders.reconcile import Report
from engine.risk.breaker import BreakerState, BreakerTransition, Cause, Trip
from engine.trade import BalanceChange, BalanceWord, FundingPayment, OrderUpdate
from engine.venue.protocol import StreamState, VenueEvent

FROZEN_NS: Final = 1_500_000_000  # a loop that has not come round for this long was frozen


class Session:
    """One epoch of leading: the pairs, what they are connected with, and the facts that open and close the gate."""

    def __init__(self, parts: Parts, pairs: dict[str, Pair]) -> None:
        self.parts, self.pairs = parts, pairs
        self.config = parts.config
        self.facts = Facts(breaker=parts.risk.breaker.state)
        self.block: Block = account_block(self.facts, parts.risk.breaker.message)
        self.streams: dict[str, StreamState] = {}
        self.reconnects: dict[str, int] = {}  # by stream: connected, and not for the first time
        self.trips: dict[str, int] = {}  # by cause
        self.reconciliations = {"agreed": 0, "differed": 0, "failed": 0}
        self.deposed = False  # the exchange has shown orders of a later epoch
        self.switch = ON  # the operator's
        self.skew_s: float | None = None  # our clock minus the exchange's; None: not measured lately
        self.heartbeat_ns = time.time_ns()  # wall clock of the quoting loop's last round
        self.heartbeats = 0
        self.frozen_ns = _frozen_ns(parts.config)
        self.on_quote: Callable[[float], None] = lambda seconds: None
        self.on_lost: Callable[[str], None] = lambda reason: None  # this engine leads no more: it must end
        self.on_log: Callable[[str, str, dict[str, Any]], None] = lambda level, message, fields: None
        self._reconciling: asyncio.Task[bool] | None = None
        parts.clerk.on_rejected = self._on_rejected
        parts.desk.on_change = lambda symbol: pairs[symbol].quoter.refresh() if symbol in pairs else None
        self.buffers = {symbol: parts.desk.buffer(symbol) for symbol in pairs}
        self.paths = {
            symbol: FastPath(pair.feed, pair.quoter, self, self.buffers[symbol]) for symbol, pair in pairs.items()
        }
        for symbol, pair in pairs.items():
            parts.risk.keep_calm(symbol, pair.feed.memory.calm)

    # --- the frames' path ---

    def on_tick(self, pair: Pair, recv_ns: int) -> None:
        """Book or tape of one symbol changed: a price move may trip the breaker, else quotes are reconsidered."""
        feed, sender = pair.feed, self.parts.desk.sender
        if recv_ns - self.heartbeat_ns > self.frozen_ns and self.heartbeats:
            self.woke((recv_ns - self.heartbeat_ns) / 1e9)
        if feed.state != LIVE:
            return
        mid2 = feed.mid2
        made = self.parts.risk.mid(recv_ns, pair.symbol, float(mid2)) if mid2 else None
        if made is not None:
            self.on_transition(made)
        quoter = pair.quoter
        if quoter.block.code:
            return
        before = sender.written_ns
        quoter.decide(recv_ns)
        self._measured(pair, recv_ns, before)

    def on_decided(self, pair: Pair, recv_ns: int) -> None:
        """The kernel has decided already and, over an order buffer, its orders have left: hold them, then judge the
        price."""
        quoter, sender, path = pair.quoter, self.parts.desk.sender, self.paths[pair.symbol]
        before = sender.written_ns
        buffer = self.buffers[pair.symbol] if path.sent else None
        if path.sent:
            sender.written_ns = path.written_ns
        quoter.carry_out(recv_ns, pair.feed.taken_ns, path.decided_ns, path.told, buffer)
        made = self.parts.risk.mid(recv_ns, pair.symbol, float(pair.feed.mid2))
        if made is not None:
            self.on_transition(made)
        self._measured(pair, recv_ns, before)

    def _measured(self, pair: Pair, recv_ns: int, before: int) -> None:
        """After a decision: how long it took, and how long its orders if any left (``before``: the last that had)."""
        feed, quoter, sender = pair.feed, pair.quoter, self.parts.desk.sender
        self.parts.latency.record("decision", quoter.last_duration_ns)
        self.on_quote(quoter.last_duration_ns * 1e-9)
        if sender.written_ns != before:
            self.parts.latency.record("submit", sender.written_ns - quoter.decided_ns)
            self.parts.latency.record("tick_to_order", self._since_received(feed, recv_ns))
        if feed.mid2:
            mark_to_market(pair.marks, recv_ns, feed.mid2)

    def _since_received(self, feed: Feed, recv_ns: int) -> int:
        """From the arrival of the frame's bytes (the socket's callback) to the return of the write, ns."""
        written_ns = self.parts.desk.sender.written_ns
        if self.config.venue.clock != "wall":  # the frame's time is the recording's
            return written_ns - feed.taken_ns
        return time.time_ns() - recv_ns - (time.monotonic_ns() - written_ns)

    def on_book_state(self, pair: Pair, before: int, after: int) -> None:
        """In the same call that found it: a book that is not LIVE any more is not quoted on."""
        if before == LIVE:
            self.parts.risk.feed_broken(pair.symbol)
            message = f"{pair.symbol}: the book is {STATE_NAMES[after]}"
            self.parts.clerk.events.add(time.time_ns(), "book", WARNING, message, {"symbol": pair.symbol})
        self._gate_symbol(pair)

    def woke(self, seconds: float) -> None:
        """The loop stood still (SIGSTOP, a suspended machine): what waits in the sockets is history, not the market.

        Books begin anew from snapshots, orders and fills are read again, and nothing is quoted until both are done.
        """
        self.heartbeat_ns = time.time_ns()
        self.facts.reconciled = self.facts.marks = False
        message = f"the loop stood still for {seconds:.1f} s: books and orders are read anew"
        self.parts.clerk.note("frozen", WARNING, message, {"seconds": seconds})
        self.on_log("warning", message, {"seconds": seconds})
        self.regate()
        for pair in self.pairs.values():
            pair.feed.restart()
        self.reconcile_soon()

    # --- the gate ---

    def regate(self) -> None:
        """Facts changed: decide anew whether to quote, and cancel at once where the gate closed."""
        self.facts.breaker = self.parts.risk.breaker.state
        was, block = self.block, account_block(self.facts, self.parts.risk.breaker.message)
        self.block = block
        for pair in self.pairs.values():
            self._gate_symbol(pair)
        if bool(was.code) != bool(block.code) or block.text != was.text:  # told only after every order was cancelled
            text = block.text or "quoting"
            self.parts.clerk.events.add(time.time_ns(), "gate", INFO, text)
            self.on_log("info", "gate", {"reason": text})

    def _gate_symbol(self, pair: Pair) -> None:
        quoter = pair.quoter
        block = symbol_block(self.block, pair.feed.state, pair.feed.state_name, quoter.failed)
        if block == quoter.block:
            return
        was = quoter.block
        quoter.set_block(block)
        breaker = self.parts.risk.breaker
        quoter.set_breaker(breaker.size_permille, breaker.spread_permille)
        if block.code:
            if not was.code:
                self.parts.desk.cancel_everything(time.monotonic_ns(), pair.symbol)
                quoter.quoted_since_ns = 0
            now = time.time_ns()
            for side in ("buy", "sell"):
                self.parts.why.add(now, pair.symbol, side, _reason_name(block.code), block.text)

    def quoting_off(self, reason: str) -> int:
        """Turn quoting off and write every cancel now. Returns how many were written."""
        self.facts.off = reason
        self.regate()
        return self.parts.desk.cancel_everything(time.monotonic_ns())

    def quoting_on(self) -> None:
        """End what the start or ``quoting_off`` turned off; an operator's switch and every other fact still hold."""
        self.facts.off = ""
        self.regate()

    # --- the operator's switch ---

    def turned_off(self, switch: Switch) -> int:
        """Turn quoting off until a person resumes, and write every cancel now. Returns how many were written.

        It is not kept by this: ``marks.keep_switch`` comes after the cancels.
        """
        self.switch, self.facts.switched = switch, switch.text
        self.regate()
        return self.parts.desk.cancel_everything(time.monotonic_ns())

    def turn(self, switch: Switch) -> None:
        """As it stood when this engine began to lead."""
        self.switch, self.facts.switched = switch, switch.text
        self.regate()

    def marks_seen(self) -> None:
        """What sentinel and operator left on the disk was read and obeyed; after a freeze, quoting waits for this."""
        if not self.facts.marks:
            self.facts.marks = True
            self.regate()

    # --- risk ---

    def on_transition(self, made: BreakerTransition) -> None:
        """The breaker changed state: gate and cancels first, then what is written down."""
        self.regate()
        breaker = self.parts.risk.breaker
        if made.after > made.before:
            self.trips[made.cause.value] = self.trips.get(made.cause.value, 0) + 1
        if not breaker.may_quote:
            self.parts.desk.cancel_everything(time.monotonic_ns())
        for pair in self.pairs.values():
            pair.quoter.set_breaker(breaker.size_permille, breaker.spread_permille)
        severity = CRITICAL if made.after is BreakerState.HALTED else WARNING if made.after > made.before else INFO
        message = f"breaker {made.before.name.lower()} -> {made.after.name.lower()}: {made.message}"
        evidence = {"cause": made.cause.value, "before": made.before.name, "after": made.after.name}
        self.parts.clerk.note("breaker", severity, message, {**evidence, **made.evidence})
        self.on_log("warning" if severity != INFO else "info", message, evidence)
        self.parts.keeper.save()

    def trip(self, trip: Trip) -> None:
        """Give the breaker a trip, now; where that changes its state, quotes are cancelled before it returns."""
        made = self.parts.risk.trip(time.time_ns(), trip)
        if made is not None:
            self.on_transition(made)

    def on_mismatch(self, detail: str) -> None:
        """Exchange and books differ in what only a person can settle: the breaker halts, and stays so until a reset."""
        self.trip(Trip(Cause.MISMATCH, f"the exchange and the books differ: {detail}", {"detail": detail}))

    def on_unexplained(self, reason: str) -> None:
        """The ledger cannot begin on what the exchange lists: nothing was quoted, and nothing may be."""
        self.quoting_off(reason)
        self.on_lost(reason)

    def _on_rejected(self, rejection: Rejection, client_id: str, news: bool) -> None:
        """The exchange refused an order: its own words stand in ``why``, and in events and log when they are news."""
        order = self.parts.desk.manager.get(client_id)
        symbol, side = (order.symbol, order.side.name.lower()) if order is not None else ("", "")
        self.parts.why.add(rejection.last_ns, symbol, side, "EXCHANGE_REJECTED", rejection.text)
        if news:
            message = f"{symbol} {side} order {client_id} was refused by the exchange: {rejection.text}"
            fields = {"code": rejection.code, "words": rejection.words, "client_id": client_id, "symbol": symbol}
            self.parts.clerk.note("rejected", WARNING, message, fields)
            self.on_log("warning", message, fields)

    # --- the exchange's events ---

    def on_event(self, event: VenueEvent) -> None:
        """Take in one word of the exchange: an order, money, a connection."""
        match event:
            case OrderUpdate():
                self.parts.desk.on_update(event)
            case FundingPayment() | BalanceChange() if not self.parts.account_books.is_news(event):
                pass
            case FundingPayment():
                self.parts.account_books.funding(event)
            case BalanceWord():
                for funds in self.parts.account_books.funds.values():
                    funds.word(event)
                self.rebound()
            case BalanceChange():
                self.parts.account_books.changed(event)
                for funds in self.parts.account_books.funds.values():
                    funds.changed(event)
                self.rebound()
            case StreamState():
                self._stream(event)

    def rebound(self) -> None:
        """Something was told of what the account holds."""
        for pair in self.pairs.values():
            pair.quoter.rebound()

    def _stream(self, state: StreamState) -> None:
        if state.connected and state.name in self.streams:
            self.reconnects[state.name] = self.reconnects.get(state.name, 0) + 1
        self.streams[state.name] = state
        kind = INFO if state.connected else WARNING
        text = f"{state.name} stream {'up' if state.connected else 'down: ' + state.reason}"
        self.parts.clerk.events.add(time.time_ns(), "stream", kind, text)
        if state.name == "market":
            for pair in self.pairs.values():
                pair.feed.connected() if state.connected else pair.feed.disconnected()
            return
        if not state.connected:
            self.facts.reconciled = False
        else:
            self.reconcile_soon()
        self.see_connections()

    def see_connections(self) -> None:
        """Ask the gateway whether orders and user stream are connected, and decide anew whether to quote."""
        self.facts.orders_up = self.parts.gateway.orders_connected
        self.facts.user_up = self.parts.gateway.user_connected
        self.regate()

    # --- reconciliation ---

    def reconcile_soon(self) -> None:
        """Reconcile in a task of the running loop, without waiting; while one is under way no second is begun."""
        if self._reconciling is None or self._reconciling.done():
            self._reconciling = asyncio.get_running_loop().create_task(self.reconcile(), name="reconcile")

    async def reconcile(self) -> bool:
        """Rounds until exchange and books agree; the gate's fact follows."""
        clean = await self.parts.reconciler.run()
        self.facts.reconciled = clean
        read = self.parts.reconciler.complete
        self.reconciliations["agreed" if clean else "differed" if read else "failed"] += 1
        if not self.deposed:
            made = self.parts.risk.reconciled(time.time_ns(), clean, "orders, fills or positions differ")
            if made is not None:
                self.on_transition(made)
        self.see_connections()
        return clean

    def on_report(self, report: Report) -> None:
        """Note what a reconciliation found, unless it is mere information; the breaker is told by ``reconcile``."""
        for found in report.discrepancies:
            severity = found.severity.value
            message = f"{report.symbol} {found.kind.value}: {found.detail}"
            if severity == INFO:
                continue
            evidence = {"rule": found.rule.value, "client_id": found.client_id}
            self.parts.clerk.note(f"reconcile:{found.kind.value}", severity, message, evidence)

    # --- configuration ---

    def reconfigure(self, config: Config) -> None:
        """Take over the reloadable keys: rules of risk, and what the kernel decides by."""
        self.config = self.parts.config = config
        self.frozen_ns = _frozen_ns(config)
        self.parts.risk.configure(risk_rules(config))
        breaker = self.parts.risk.breaker
        for pair in self.pairs.values():
            pair.quoter.configure(config)
            pair.quoter.set_breaker(breaker.size_permille, breaker.spread_permille)
            pair.feed.stale_ns = int(config.risk.circuit_breaker.feed_timeout)
        self.regate()

    @property
    def quoting(self) -> bool:
        """Whether any symbol may be quoted and its strategy can; no order need stand for it."""
        return any(not pair.quoter.not_quoting for pair in self.pairs.values())

    def not_quoting_reason(self) -> str | None:
        """For people; None while any symbol is quoted."""
        if self.quoting:
            return None
        if self.block.code:
            return self.block.text
        return next((pair.quoter.not_quoting for pair in self.pairs.values()), "no symbol")


def _frozen_ns(config: Config) -> int:
    """Before the sentinel takes us for dead and cancels behind our back."""
    return min(FROZEN_NS, int(config.sentinel.engine_timeout) // 2)


def _reason_name(code: int) -> str:
    from engine.kernel.quoting.checks import Reason

    return {int(reason): reason.name for reason in Reason}[code]
