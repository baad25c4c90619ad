"""A PostgreSQL server: how it is reached, every wait bounded, and what it says when it refuses."""

from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from engine.store.backend import StoreError

CONNECT_S: Final = 5
STATEMENT_MS: Final = 5_000


def engine_for(url: str, *, read_only: bool = False, statement_ms: int = STATEMENT_MS) -> Engine:
    """A SQLAlchemy engine without a pool whose every wait is bounded."""
    full = url.replace("postgresql://", "postgresql+psycopg://", 1)
    options = f"-c statement_timeout={statement_ms} -c lock_timeout={statement_ms} -c timezone=UTC"
    if read_only:
        options += " -c default_transaction_read_only=on"
    arguments = {
        "connect_timeout": CONNECT_S,
        "options": options,
        "tcp_user_timeout": STATEMENT_MS,  # ms: a dead peer is noticed while a statement waits
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "application_name": "market-maker",
    }
    try:
        return create_engine(full, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except ImportError:
        raise StoreError(
            "the journal is on PostgreSQL but psycopg is not installed; install the extra `postgres`"
        ) from None
    except (SQLAlchemyError, ValueError):
        raise StoreError("the journal's PostgreSQL URL is not valid") from None


def reason_of(error: SQLAlchemyError) -> str:
    """The database's first line, without statement, values or address."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().splitlines()[0] if str(original).strip() else type(original).__name__
