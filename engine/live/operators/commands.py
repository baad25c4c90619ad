"""The operator's commands carried out by the running engine. Each answers only after the exchange proved the effect."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from engine.live.memory import Memory, MemoryUnreadable
from engine.live.orders.flatten import flatten
from engine.live.orders.proof import Proof, cancel_and_prove, positions_of
from engine.live.rings import CRITICAL, INFO, WARNING
from engine.live.session.marks import keep_halt, keep_switch
from engine.live.session.session import Session
from engine.live.strategy.failing import ask_again
from engine.live.switch import unreadable
from engine.risk.breaker import Cause, Trip
from engine.telemetry.state import VERBS, ControlRefused
from engine.venue.protocol import Gateway

CANCEL_S: Final = 8.0  # time to prove zero open orders
FLATTEN_S: Final = 9.0  # all of it: before an operator's patience (10 s) ends and the sentinel begins to close as well
PROVE_AGAIN_S: Final = 1.0

Reload = Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]


class Role(Protocol):
    """What an engine can do at an operator's word, in the phase it is in."""

    async def carry_out(self, verb: str, reason: str, actor: str) -> dict[str, Any]:
        """Carry out a verb as this role can; ``ControlRefused`` where it cannot."""


class Commands:
    """Implements ``engine.telemetry.state.Control``: who is meant, and to the role this engine has."""

    def __init__(self, account: str, reload: Reload, memory: Memory) -> None:
        self.account = account
        self._reload = reload
        self._role: Role = NotLeading(memory)

    def lead(self, session: Session, gateway: Gateway) -> None:
        """Commands are for ``session`` from here on."""
        self._role = Leader(session, gateway)

    async def control(self, verb: str, body: Mapping[str, Any], actor: str) -> dict[str, Any]:
        """Carry out one verb; returns the answer's body.

        Raises ``ControlRefused`` for another account, an unknown verb, or a state in which it cannot be done.
        """
        confirmed = body.get("confirm")
        if confirmed is not None and confirmed != self.account:
            raise ControlRefused(f"this engine trades the account {self.account}, not {confirmed}; nothing was done")
        if verb == "reload":
            return await self._reload(body, actor)
        if verb not in VERBS:
            raise ControlRefused(f"unknown command {verb}", status=404)
        return await self._role.carry_out(verb, str(body.get("reason") or "").strip(), actor)


class NotLeading:
    """An engine that starts or stands by. It holds no order: it may only be told that it may quote once it leads."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def carry_out(self, verb: str, reason: str, actor: str) -> dict[str, Any]:
        if verb != "resume":
            raise _not_leading()
        return await asyncio.to_thread(self._resume, reason, actor)

    def _resume(self, reason: str, actor: str) -> dict[str, Any]:
        """What was switched off on its host is on again when it leads."""
        try:
            was = self._memory.switch()
        except MemoryUnreadable as error:
            was = unreadable(str(error))
        if was is None or not was.off:
            raise _not_leading()
        try:
            self._memory.set_switch(was.after("", actor, reason))
        except OSError as error:
            raise ControlRefused(f"quoting stays off: {error.strerror}", status=503) from None
        return {"message": "this engine does not lead; it may quote when it does", "quoting": False}


def _not_leading() -> ControlRefused:
    return ControlRefused("this engine is not leading (standby or still starting); ask the primary", status=409)


class Leader:
    """An engine that leads: every verb acts on its session."""

    def __init__(self, session: Session, gateway: Gateway) -> None:
        self._session, self._gateway = session, gateway

    async def carry_out(self, verb: str, reason: str, actor: str) -> dict[str, Any]:
        """Carry out a verb on the session; returns the answer's body."""
        match verb:
            case "halt":
                return await self._halt(reason or "no reason given", actor)
            case "cancel":
                return await self._cancel(reason, actor)
            case "flatten":
                return await self._flatten(reason, actor)
            case "resume":
                return await self._resume(reason, actor)
            case "breaker-reset":
                return self._reset(reason, actor)
            case _:
                raise ControlRefused(f"unknown command {verb}", status=404)

    async def _halt(self, reason: str, actor: str) -> dict[str, Any]:
        session = self._session
        session.trip(Trip(Cause.OPERATOR, f"halted by {actor}: {reason}", {"actor": actor, "reason": reason}))
        kept = asyncio.ensure_future(keep_halt(session))
        proof = await self._prove()
        return self._answer("halted; only a breaker reset with a reason lets it quote again", proof, await kept)

    async def _cancel(self, reason: str, actor: str) -> dict[str, Any]:
        session = self._session
        switch = session.switch.after("cancel", actor, reason)
        session.turned_off(switch)
        kept = asyncio.ensure_future(keep_switch(session, switch))
        return self._answer("cancelled; quoting is off until resume", await self._prove(), await kept)

    async def _flatten(self, reason: str, actor: str) -> dict[str, Any]:
        session, gateway = self._session, self._gateway
        switch = session.switch.after("flatten", actor, reason)
        session.turned_off(switch)
        kept = asyncio.ensure_future(keep_switch(session, switch))
        end = time.monotonic() + FLATTEN_S
        first = await self._prove()
        if not first.proved:  # an order that may still trade would move what is being closed
            return self._answer("", first, await kept)
        parts, pairs = session.parts, list(session.pairs.values())
        closed = await flatten(gateway, parts.desk, pairs, parts.clerk.rejection_of, end - PROVE_AGAIN_S)
        proof = await self._prove(max(end - time.monotonic(), PROVE_AGAIN_S))
        proof.positions = positions_of(pairs)
        proof.dust = {symbol: proof.positions[symbol] for symbol, one in closed.items() if one.flat and one.dust}
        failed = "; ".join(f"{symbol}: {one.words}" for symbol, one in closed.items() if not one.flat)
        dust = "; ".join(one.dust for one in closed.values() if one.flat and one.dust)
        proof.detail = failed or dust or proof.detail
        for symbol, one in closed.items():
            text = one.words or one.dust or "closed"
            parts.clerk.note("flatten", INFO if one.flat else CRITICAL, f"{symbol}: {text}", {"orders": one.pieces})
        session.reconcile_soon()
        flat = f"flat but for what cannot be closed: {dust}" if dust else "flat"
        return self._answer(failed or f"{flat}; quoting is off until resume", proof, await kept)

    async def _resume(self, reason: str, actor: str) -> dict[str, Any]:
        session = self._session
        if session.parts.risk.halted:
            raise ControlRefused("the engine is halted: `mmctl breaker reset` with a reason comes first")
        if ask_again(session):
            session.parts.clerk.note("resume", INFO, f"{actor} has the strategy asked again", {"actor": actor})
        if not session.switch.off:
            return {"message": session.not_quoting_reason() or "quoting already", "quoting": session.quoting}
        switch = session.switch.after("", actor, reason)
        trouble = await keep_switch(session, switch)
        if trouble:
            raise ControlRefused(f"quoting stays off: that it is on again could not be kept ({trouble})", status=503)
        if session.switch.ns > switch.ns:
            raise ControlRefused(f"quoting was turned off again meanwhile: {session.switch.text}")
        session.turn(switch)
        session.parts.clerk.note("resume", INFO, f"quoting resumed by {actor}", {"actor": actor, "reason": reason})
        return {"message": session.not_quoting_reason() or "quoting", "quoting": session.quoting}

    def _reset(self, reason: str, actor: str) -> dict[str, Any]:
        session = self._session
        if not reason:
            raise ControlRefused("a breaker reset needs a reason: it is the record of why quoting is safe", status=400)
        parts = session.parts
        was = parts.risk.breaker.cause
        made = parts.risk.reset(time.time_ns(), reason, actor)
        parts.memory.clear_halt()
        if was is Cause.MISMATCH:
            parts.reconciler.forget_anchor()
            session.reconcile_soon()
        if made is not None:
            session.on_transition(made)
        text = session.not_quoting_reason()
        return {"message": "breaker closed" + (f"; not quoting: {text}" if text else ""), "was": was.value}

    async def _prove(self, seconds: float = CANCEL_S) -> Proof:
        session, gateway = self._session, self._gateway
        proof = await cancel_and_prove(gateway, session.parts.desk, session.pairs, seconds)
        kind = INFO if proof.proved else WARNING
        session.parts.clerk.note("proof", kind, _told(proof), proof.as_dict())
        return proof

    def _answer(self, message: str, proof: Proof, trouble: str) -> dict[str, Any]:
        """Done only when it is proved, and on the disk: ``trouble`` says why it would not outlive this process."""
        if not proof.proved:
            raise ControlRefused(f"not proved: {proof.detail or _told(proof)}", status=504)
        if trouble:
            text = f"{_told(proof)}, and quoting is off; but that is not kept ({trouble}): a restart would not know it"
            raise ControlRefused(text, status=504)
        return {"message": message, "proof": proof.as_dict()}


def _told(proof: Proof) -> str:
    if proof.proved:
        return f"the exchange lists no open order of ours ({proof.cancelled} cancels written)"
    return f"zero open orders is not proved: {proof.detail}"
