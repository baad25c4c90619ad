"""The day's counts of orders at a start: as the engine before us kept them, and what it did after it last did so."""

import logging
import time
from collections.abc import Mapping
from typing import Final

from engine.config.schema import Config
from engine.live.orders.clerk import COUNTED, Clerkship
from engine.live.orders.tally import DAY_NS, TODAY_STATE
from engine.store import Restart, StoreError
from engine.store.read import query

log = logging.getLogger("engine")

DEADLINE_S: Final = 3.0  # a start waits no longer for figures
_SQL: Final = """
SELECT state, count(*), sum(CASE WHEN created_ns > {0} THEN 1 ELSE 0 END),
       sum(CASE WHEN created_ns > {0} AND venue_id <> '' THEN 1 ELSE 0 END)
FROM orders WHERE account = {0} AND updated_ns > {0} GROUP BY state
"""


def missed_orders(config: Config, found: Restart) -> dict[str, int]:
    """Orders of today that the kept counts do not hold, by outcome: those that the journal has seen move since.

    Each counts by its last state alone. Blocks on the disk. What cannot be read is logged, and counts as nothing.
    """
    now = time.time_ns()
    kept = found.state.get(TODAY_STATE, {}).get("ns")
    since = max(now // DAY_NS * DAY_NS - 1, kept if isinstance(kept, int) and kept <= now else 0)
    url = config.journal_url().reveal()
    sql = _SQL.format("?" if url.startswith("sqlite") else "%s")
    try:
        rows = query(url, sql, (since, since, config.exchange.account, since), deadline_s=DEADLINE_S).rows
    except StoreError as error:
        log.warning("the day's counts begin anew: %s", error)
        return {}
    return _counts(rows)


def _counts(rows: tuple[tuple[object, ...], ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    names = {state.value: name for state, name in COUNTED.items() if name != "accepted"}
    for state, moved, placed, accepted in rows:
        for name, more in (("placed", placed), ("accepted", accepted), (names.get(str(state), ""), moved)):
            if name:
                counts[name] = counts.get(name, 0) + int(str(more))
    counts["cancels_sent"] = counts.get("cancelled", 0)
    return counts


def restore_today(clerk: Clerkship, stored: Mapping[str, Mapping[str, object]], missed: Mapping[str, int]) -> None:
    """Have ``clerk`` go on with the day; where what was kept cannot be read it begins anew, which is logged."""
    try:
        clerk.today.restore(time.time_ns(), stored.get(TODAY_STATE), missed)
    except ValueError as error:
        log.warning("%s: they begin anew", error)
