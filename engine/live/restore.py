"""What the engine before us left: the journal's ledgers, the breaker and the day; a HALT found here ends the start."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.config.schema import Config
from engine.live.failures import Exit, StartError
from engine.live.marks import halt_trip
from engine.live.memory import Memory, MemoryUnreadable
from engine.live.paper_account import check_mode
from engine.live.rules import risk_rules
from engine.live.session import RISK_STATE
from engine.live.switch import Switch, standing, unreadable
from engine.risk.centre import RiskCentre
from engine.store import Restart, StoreError

if TYPE_CHECKING:
    from engine.store.journal import Journal

log = logging.getLogger("engine")


def restore(config: Config, memory: Memory, journal: "Journal") -> tuple[Restart, RiskCentre]:
    """Open the journal and bring risk back as it was stored. Blocks on the disk: call it in a thread.

    Raises ``StartError``: with exit 70 when the account is HALTED, by its breaker or by the sentinel's mark.
    """
    try:
        found = journal.start()
    except StoreError as error:
        raise StartError(Exit.FAILED, f"the journal cannot be used: {error}") from None
    check_mode(config, found.state)
    now, capital = time.time_ns(), config.risk.capital
    risk = RiskCentre(risk_rules(config), [config.strategy.symbol], now, float(capital) if capital else 0.0)
    try:
        stored: Any = memory.load_risk() or found.state.get(RISK_STATE)
    except MemoryUnreadable as error:
        log.error("%s: taken as halted", error)
        stored = {}
    risk.restore(now, stored)
    mark = memory.halt_mark()
    try:
        if mark is not None and not risk.halted:
            risk.trip(now, halt_trip(mark))
            memory.save_risk(risk.to_dict())
        if risk.halted:
            text = f"the account {config.exchange.account} is HALTED: {risk.breaker.message or 'no reason stored'}"
            raise StartError(Exit.HALTED, f"{text}; look first, then `mmctl breaker reset` with a reason")
        memory.mark_running()
    except OSError as error:
        raise StartError(Exit.FAILED, f"cannot write in {config.data_dir}: {error.strerror}") from None
    return found, risk


def standing_switch(memory: Memory, stored: Mapping[str, Any]) -> Switch:
    """How the operator's switch stands; one that cannot be read is off. Blocks on the disk."""
    try:
        return standing(memory.switch(), stored)
    except MemoryUnreadable as error:
        return unreadable(str(error))
