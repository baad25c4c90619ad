"""Reading the decisions out of a journal, for the backtester to take them again."""

from typing import Final

from engine.store.backend import StoreError
from engine.store.read import query

Row = tuple[int, str, int, str, int, int]
"""ns, symbol, side, action, ticks, lots."""

MOST: Final = 20_000_000
DEADLINE_S: Final = 600.0


def decisions(url: str, *, epoch: int | None = None, symbol: str = "", account: str = "") -> tuple[list[Row], int]:
    """The decisions of one epoch (default: the last that decided anything) in order, and the epoch.

    Raises StoreError when the journal cannot be read, is of several accounts and none is named, or holds none.
    """
    mark = "?" if url.startswith("sqlite") else "%s"
    accounts = [str(row[0]) for row in query(url, "SELECT DISTINCT account FROM decisions", deadline_s=DEADLINE_S).rows]
    if not accounts:
        raise StoreError("the journal holds no decision (store.decisions: true journals them)")
    if not account and len(accounts) > 1:
        raise StoreError(f"the journal is of several accounts: name one of {', '.join(sorted(accounts))}")
    chosen = account or accounts[0]
    if epoch is None:
        sql = f"SELECT MAX(epoch) FROM decisions WHERE account = {mark}"  # noqa: S608 - placeholders only
        last = query(url, sql, (chosen,), deadline_s=DEADLINE_S).rows[0][0]
        epoch = int(last) if last is not None else 0
    where, given = f"account = {mark} AND epoch = {mark}", [chosen, epoch]
    if symbol:
        where, given = f"{where} AND symbol = {mark}", [*given, symbol]
    sql = f"SELECT ns, symbol, side, action, ticks, lots FROM decisions WHERE {where} ORDER BY seq"  # noqa: S608
    found = query(url, sql, given, limit=MOST, deadline_s=DEADLINE_S)
    if not found.rows:
        of = f" on {symbol}" if symbol else ""
        raise StoreError(f"the journal holds no decision of account {chosen} in epoch {epoch}{of}")
    rows = [(int(ns), str(name), int(side), str(action), int(t), int(n)) for ns, name, side, action, t, n in found.rows]
    return rows, epoch
