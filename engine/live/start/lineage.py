"""Whether the journal is the one this data folder's engines led with: empty, another one, or older is never a guess.

The journal carries who led with it last (``LINEAGE``: an id of its own, the account, the highest epoch), and the data
folder carries the same in a small file (``Memory``), written when the ledger's beginning is durable. Where the two do
not fit, what the engine holds is not known:

- no ledger, and epochs before this one led with one: truncated, deleted, emptied, or another account's: refused;
- another id: a journal from somewhere else under this account's name: refused;
- epochs at or above the one the lease just gave: the data folder was lost or is older, or an engine on another host
  uses this journal. On a server that others reach: refused. In a file of this host: the lease goes beyond them;
- the same id and an older epoch, or fewer trades: an older copy. It may start: reconciliation reads every trade since
  its last one from the exchange without a gap, and quoting waits until the balance is what they add up to.

A folder and a journal that are both new say nothing of what was traded: there the exchange's own list decides
(``engine.orders.reconcile.history_of_ours``). A person ends a refusal by ``mmctl backup restore``, or by ``mmctl
journal accept`` with a reason: the next start then reads the ledger from the exchange's own trades, proves it against
the account, or refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LINEAGE: Final = "lineage"  # the journal's state of this name
HINT: Final = (
    "`mmctl backup restore` brings a journal back; `mmctl journal accept` with a reason lets the next start read the "
    "ledger from the exchange's own trades"
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Who led with a journal last. ``symbols`` had a ledger in it."""

    journal: str
    account: str
    epoch: int
    symbols: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The lineage as the mark beside the data keeps it."""
        return {
            "journal": self.journal,
            "account": self.account,
            "epoch": self.epoch,
            "symbols": list(self.symbols),
        }


def read_lineage(stored: Mapping[str, Any] | None) -> Lineage | None:
    """What ``as_dict`` wrote; None where nothing was. Raises ``ValueError`` for what cannot be read."""
    if stored is None:
        return None
    try:
        symbols = tuple(str(symbol) for symbol in stored["symbols"])
        return Lineage(str(stored["journal"]), str(stored["account"]), int(stored["epoch"]), symbols)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"who led with the journal last cannot be read: {error}") from None


def judge(
    here: Lineage | None,
    there: Lineage | None,
    ledgers: frozenset[str],
    symbol: str,
    epoch: int,
    seen_epoch: int,
    others: tuple[str, ...] = (),
    *,
    shared: bool = False,
) -> str | None:
    """Why the journal must not be led with, or None.

    ``here`` is the data folder's word, ``there`` the journal's; ``ledgers`` are the symbols it has a ledger of,
    ``seen_epoch`` the highest epoch among its orders, ``others`` further accounts it holds. ``epoch``: just acquired.
    ``shared``: the journal is a server's, which another host's engine may reach.
    """
    led = led_by(there, seen_epoch)
    if led >= epoch and shared:
        return (
            f"the journal has seen epoch {led}, and the lease here gave only {epoch}: the data folder was lost or is "
            "an older copy, or an engine on another host uses this journal"
        )
    if here is None:
        return None
    if there is not None and there.journal != here.journal:
        return f"the journal is not the one that epoch {here.epoch} led with, though it names this account"
    lost = here.symbols if not ledgers else tuple(s for s in here.symbols if s == symbol and s not in ledgers)
    if lost:
        whose = f" (it holds {', '.join(others)})" if others and not ledgers else ""
        return (
            f"the journal holds no ledger of {', '.join(lost)}{whose}, and epoch {here.epoch} led with one: it was "
            "emptied, replaced or lost, and what the engine holds is not known"
        )
    return None


def led_by(there: Lineage | None, seen_epoch: int) -> int:
    """The highest epoch the journal knows of."""
    return max(there.epoch if there else 0, seen_epoch)


def older(here: Lineage | None, there: Lineage | None) -> bool:
    """Whether the journal is a copy from before the last epoch that led."""
    return here is not None and there is not None and there.epoch < here.epoch
