"""Bringing a journal to this release's schema with Alembic, on SQLite and PostgreSQL alike."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from engine.store.backend import StoreError
from engine.store.server import engine_for, reason_of

SCRIPTS: Final = Path(__file__).with_name("migrations")
LOCK: Final = 7_205_759_403_792_793  # advisory lock: two engines that start together migrate one after the other


def alembic_config() -> Config:
    """Alembic's configuration, made here so that no ini file has to be found."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the journal at ``url``. Raises ``StoreError``; the migration is one transaction, so all or nothing."""
    sqlite = url.startswith("sqlite")
    engine = _sqlite(url) if sqlite else engine_for(url, statement_ms=600_000)
    config = alembic_config()
    try:
        with engine.begin() as connection:
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        raise StoreError(f"the journal cannot be migrated: {reason_of(error)}") from None
    except CommandError as error:
        raise StoreError(f"the journal cannot be migrated: {error}") from None


def _sqlite(url: str) -> Engine:
    """Python's driver begins no transaction before DDL by itself: a migration that failed would stay half done."""
    engine = create_engine(url, poolclass=NullPool)

    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
