"""Ending a HALT while no engine runs: the stored breaker is closed with a reason, under the lease."""

import os
import time
from typing import Any

from engine.config.schema import Config
from engine.lease import LeaseError, open_lease
from engine.live.failures import Exit, StartError
from engine.live.memory import Memory, MemoryUnreadable
from engine.live.rules import risk_rules
from engine.live.session.risk_keeper import RISK_STATE
from engine.risk.centre import RiskCentre
from engine.store import StoreError, open_journal
from engine.store.records import RiskEventRecord, StateRecord

FLUSH_S = 5.0


def reset_stored(config: Config, reason: str, actor: str) -> dict[str, Any]:
    """Close the stored breaker. Raises ``StartError`` when an engine runs, or nothing can be written."""
    account = config.exchange.account
    lease = open_lease(config.lease.kind, config.lease_path(), f"reset pid {os.getpid()}")
    try:
        if not lease.acquire():
            text = f"an engine of account {account} is running; reset it over its control endpoint"
            raise StartError(Exit.REFUSED, text)
        return _reset(config, lease.epoch, reason, actor)
    except (LeaseError, OSError, StoreError) as error:
        raise StartError(Exit.FAILED, f"the breaker was not reset: {error}") from None
    finally:
        lease.release()


def _reset(config: Config, epoch: int, reason: str, actor: str) -> dict[str, Any]:
    memory, now = Memory(config.data_dir, config.exchange.account), time.time_ns()
    journal = open_journal(config.journal_url().reveal(), config.spill_dir(), config.exchange.account)
    restart = journal.start()
    try:
        risk = RiskCentre(risk_rules(config), [config.strategy.symbol], now, 0.0)
        try:
            stored: Any = memory.load_risk() or restart.state.get(RISK_STATE)
        except MemoryUnreadable:
            stored = {}
        risk.restore(now, stored)
        was = risk.breaker.message
        try:
            made = risk.reset(now, reason, actor)
        except ValueError as error:
            raise StartError(Exit.USAGE, str(error)) from None
        memory.save_risk(risk.to_dict())
        memory.clear_halt()
        journal.put(StateRecord(RISK_STATE, risk.to_dict(), now))
        evidence = {"reason": reason, "actor": actor, "was": was}
        journal.put(RiskEventRecord(f"{epoch}-reset", now, "breaker", "info", f"breaker reset: {reason}", evidence))
        if not journal.flush(FLUSH_S):
            raise StartError(Exit.FAILED, "the reset could not be journalled")
    finally:
        journal.close()
    message = "breaker closed" if made is not None else "the breaker was closed already; halt mark cleared"
    return {"ok": True, "message": message, "was": was}
