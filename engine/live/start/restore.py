"""What the engine before us left: the journal's ledgers, the breaker and the day; a HALT found here ends the start."""

import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.config.schema import Config
from engine.lease import Lease, LeaseError
from engine.live.failures import Exit, StartError
from engine.live.memory import HaltMark, Memory, MemoryUnreadable
from engine.live.rules import risk_rules
from engine.live.session.marks import halt_trip
from engine.live.session.risk_keeper import RISK_STATE
from engine.live.start.lineage import HINT, LINEAGE, Lineage, judge, led_by, older, read_lineage
from engine.live.start.paper_account import check_mode
from engine.live.start.today import missed_orders
from engine.live.switch import Switch, standing, unreadable
from engine.risk.centre import RiskCentre
from engine.store import Restart, StoreError

if TYPE_CHECKING:
    from engine.store.journal import Journal

log = logging.getLogger("engine")


@dataclass(frozen=True, slots=True)
class Left:
    """What the engine before us left. ``accepted``: the ledger is read from the exchange, not from the journal.

    ``missed``: orders of today, by outcome, that its own count does not hold.
    """

    restart: Restart
    risk: RiskCentre
    lineage: Lineage
    accepted: HaltMark | None
    missed: Mapping[str, int]

    def state(self) -> Mapping[str, Mapping[str, Any]]:
        """The journal's state by name, without the ledgers where those are not to be believed."""
        state = self.restart.state
        if self.accepted is None:
            return state
        return {name: value for name, value in state.items() if not name.startswith("ledger:")}


def restore(config: Config, memory: Memory, journal: "Journal", lease: Lease) -> Left:
    """Open the journal, see that it is the one led with, and bring risk back as it was stored.

    Blocks on the disk: call it in a thread. Raises ``StartError``: with exit 70 when the account is HALTED, by its
    breaker or by the sentinel's mark; with 7 for a journal that is empty, another one, or another host's.
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
    lineage, accepted = lineage_of(config, memory, found, lease)
    return Left(found, risk, lineage, accepted, missed_orders(config, found))


def lineage_of(config: Config, memory: Memory, found: Restart, lease: Lease) -> tuple[Lineage, HaltMark | None]:
    """Who leads with this journal from here on; and who accepted that its ledger is not to be believed.

    Raises ``StartError`` 7 where ``lineage.judge`` refuses the journal.
    """
    account, symbol = config.exchange.account, config.strategy.symbol
    ledgers = frozenset(n.removeprefix("ledger:") for n in found.state if n.startswith("ledger:"))
    try:
        here, there = read_lineage(memory.load_lineage()), read_lineage(found.state.get(LINEAGE))
    except (MemoryUnreadable, ValueError) as error:
        raise StartError(Exit.REFUSED, f"{error}; {HINT}") from None
    accepted = memory.acceptance()
    server = not config.journal_url().reveal().startswith("sqlite")
    reason = judge(here, there, ledgers, symbol, lease.epoch, found.last_epoch, found.other_accounts, shared=server)
    if reason is not None and accepted is None:
        raise StartError(Exit.REFUSED, f"account {account}: {reason}; nothing is quoted. {HINT}")
    if reason is not None and accepted is not None:
        log.warning("%s; accepted by %s: %s", reason, accepted.actor, accepted.reason)
    if older(here, there) and here is not None and there is not None:
        log.warning(
            "the journal is an older copy (epoch %d, epoch %d led last): trades since are read from the exchange, and "
            "quoting waits for their proof", there.epoch, here.epoch
        )  # fmt: skip
    led = led_by(there, found.last_epoch)
    if led >= lease.epoch:
        log.warning("the journal has seen epoch %d: the epoch counter here began anew, and goes beyond it", led)
        try:
            lease.outgrow(led)
        except LeaseError as error:
            raise StartError(Exit.FAILED, str(error)) from None
    if accepted is not None:  # what is stored is not believed: the exchange's own trades are read instead
        return Lineage(uuid.uuid4().hex, account, lease.epoch, (symbol,)), accepted
    symbols = tuple(sorted({*(there.symbols if there else ()), symbol}))
    return Lineage(there.journal if there else uuid.uuid4().hex, account, lease.epoch, symbols), None


def standing_switch(memory: Memory, stored: Mapping[str, Any]) -> Switch:
    """How the operator's switch stands; one that cannot be read is off. Blocks on the disk."""
    try:
        return standing(memory.switch(), stored)
    except MemoryUnreadable as error:
        return unreadable(str(error))
