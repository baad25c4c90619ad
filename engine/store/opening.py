"""A journal from its URL: SQLite or PostgreSQL, with the spill file beside it."""

from collections.abc import Callable
from pathlib import Path

from engine.store.backend import Backend, StoreError
from engine.store.journal import DECISIONS_KEPT_S, Journal
from engine.store.spill import SpillFile


def open_backend(url: str) -> Backend:
    """The backend for ``url``: ``sqlite:///PATH`` or ``postgresql://...`` (needs the extra ``postgres``)."""
    if url.startswith("sqlite:///"):
        from engine.store.sqlite import SqliteBackend

        return SqliteBackend(url)
    if url.startswith(("postgresql://", "postgresql+psycopg://")):
        from engine.store.postgres import PostgresBackend

        return PostgresBackend(url)
    raise StoreError("the journal's URL must start with sqlite:/// or postgresql://")


def open_journal(
    url: str,
    spill: Path,
    account: str,
    *,
    queue: int = 20_000,
    max_lag_s: float = 5.0,
    kept_s: float = DECISIONS_KEPT_S,
    on_trouble: Callable[[str | None], None] | None = None,
) -> Journal:
    """The journal at ``url`` for ``account``; ``spill`` is a folder. Call ``start`` before handing over records."""
    backend, file = open_backend(url), SpillFile(spill, account)
    return Journal(backend, file, account, queue=queue, max_lag_s=max_lag_s, kept_s=kept_s, on_trouble=on_trouble)
