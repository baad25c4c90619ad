"""May we quote? One place where every condition is a fact, the first that fails is the reason, and the order is fixed.

The gate never opens by itself: every fact starts at the value that forbids quoting.
"""

from dataclasses import dataclass
from typing import Final

from engine.kernel.book.order_book import LIVE
from engine.kernel.quoting.checks import Reason
from engine.risk.breaker import BreakerState


@dataclass(slots=True)
class Facts:
    """What the whole account's quoting depends on. Texts are empty when all is well."""

    leader: bool = False
    breaker: BreakerState = BreakerState.HALTED
    off: str = "starting"  # the shutdown or the start turned quoting off
    reconciled: bool = False
    orders_up: bool = False  # the connection orders go over
    user_up: bool = False  # the stream our fills come from
    store: str = ""  # why the journal cannot take records
    lease: str = ""  # why leadership cannot be proved, though nothing says that it was lost
    switched: str = ""  # an operator did; it outlives the process
    marks: bool = True  # what sentinel and operator may have left on the disk has been read


@dataclass(frozen=True, slots=True)
class Block:
    """``code`` 0 = quoting allowed; ``text`` is for people."""

    code: int
    text: str


OPEN: Final = Block(int(Reason.NONE), "")


def account_block(facts: Facts, breaker_text: str) -> Block:
    """The account's own reason not to quote, before any symbol is looked at."""
    if not facts.leader and facts.lease:
        return Block(int(Reason.NOT_LEADER), f"the lease of this account cannot be proved: {facts.lease}")
    if not facts.leader:
        return Block(int(Reason.NOT_LEADER), "another engine holds the lease of this account (standby)")
    if facts.breaker is BreakerState.HALTED:
        return Block(int(Reason.HALTED), f"halted: {breaker_text}")
    if facts.off:
        return Block(int(Reason.QUOTING_OFF), facts.off)
    if facts.switched:
        return Block(int(Reason.QUOTING_OFF), facts.switched)
    if not facts.marks:
        return Block(int(Reason.QUOTING_OFF), "whether an operator turned quoting off is being read")
    if facts.breaker is BreakerState.OPEN:
        return Block(int(Reason.BREAKER_OPEN), f"breaker open: {breaker_text}")
    if facts.store:
        return Block(int(Reason.QUOTING_OFF), f"journal: {facts.store}")
    if not facts.orders_up:
        return Block(int(Reason.QUOTING_OFF), "the order connection is down")
    if not facts.user_up:
        return Block(int(Reason.NOT_RECONCILED), "the user stream is down: fills would not be seen")
    if not facts.reconciled:
        return Block(int(Reason.NOT_RECONCILED), "not reconciled with the exchange")
    return OPEN


def symbol_block(account: Block, book_state: int, state_name: str, strategy: str = "") -> Block:
    """The reason not to quote one symbol. ``strategy``: where and why a user's strategy failed; empty: it did not."""
    if account.code:
        return account
    if strategy:
        return Block(int(Reason.STRATEGY_ERROR), f"the strategy failed: {strategy}")
    if book_state != LIVE:
        return Block(int(Reason.BOOK_NOT_LIVE), f"the book is {state_name}")
    return OPEN
