"""Where studies are kept: Optuna's tables on SQLite or PostgreSQL, every wait bounded, every failure a sentence."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

BEAT_S: Final = 10
GRACE_S: Final = 60  # without a heartbeat for so long, another machine's trial counts as interrupted
POLL_S: Final = 1.0
CONNECT_S: Final = 5
STATEMENT_S: Final = 30


class StudyError(Exception):
    """The search cannot go on. ``hint``: what next; ``exit_code`` as in the contract."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class StudyRefused(StudyError):
    """A precondition does not hold; nothing was changed."""

    exit_code = 7


class StorageLost(StudyError):
    """The database does not answer. Finished trials are in it."""

    exit_code = 13


def load_optuna() -> Any:
    """The module ``optuna``; ``StudyRefused`` where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise StudyRefused(
            "parameter search needs optuna, which is not installed", 'Install the extra: pip install "mmctl[research]".'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """A database's error as a sentence without statement, values, address or password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from engine.store.server import reason_of

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
        reason = reason_of(cause) if isinstance(cause, SQLAlchemyError) else str(error).splitlines()[0]
        raise StorageLost(
            f"{doing}: {reason}", "Finished trials are kept; the same command goes on where it stopped."
        ) from None


def open_storage(where: str, on_stale: Callable[[Any, Any], None]) -> Any:
    """Optuna's storage at ``where``: a file name, ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.

    ``on_stale(study, trial)`` hears of every trial whose heartbeat stopped.
    Raises StudyRefused for a place that cannot hold studies, StorageLost for a server that does not answer.
    """
    optuna = load_optuna()
    url, arguments = _address(where)
    options: dict[str, Any] = {"connect_args": arguments, "hide_parameters": True, "pool_pre_ping": True}
    for attempt in range(3):
        try:
            with warnings.catch_warnings(), storage_errors("the study's storage cannot be used"):
                warnings.simplefilter("ignore")  # heartbeats outside optimize() are meant
                storage = optuna.storages.RDBStorage(
                    url,
                    options,
                    heartbeat_interval=BEAT_S,
                    grace_period=GRACE_S,
                    heartbeat_stale_trial_callback=on_stale,
                )
                if url.startswith("sqlite"):
                    _write_ahead(storage.engine)
                return storage
        except ImportError:
            raise StudyRefused(
                "a study on PostgreSQL needs psycopg, which is not installed",
                'Install the extra: pip install "mmctl[postgres]".',
            ) from None
        except (RuntimeError, ValueError) as error:
            raise StudyRefused(f"the study's storage cannot be used: {str(error).splitlines()[0]}") from None
        except StorageLost as error:
            if url.startswith("sqlite"):
                raise StudyRefused(f"{where}: {error}", "Name another file with --storage.") from None
            if attempt == 2 or not any(words in str(error) for words in ("already exists", "duplicate key")):
                raise
            time.sleep(POLL_S)  # another machine is making the tables at this moment
    raise AssertionError("the loop returns or raises")


def _write_ahead(engine: Any) -> None:
    """SQLite without a disk flush at each of a trial's half dozen writes; a killed process still loses nothing."""
    from sqlalchemy import event

    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    event.listen(engine, "connect", connected)
    engine.dispose()  # connections made so far are without it


def _address(where: str) -> tuple[str, dict[str, Any]]:
    kind, divider, rest = where.partition("://")
    if not divider or kind == "sqlite":
        path = Path(rest.removeprefix("/") if divider else where)
        if not path.absolute().parent.is_dir():
            raise StudyRefused(f"{path}: there is no folder {path.absolute().parent}", "Make it, or name another file.")
        return f"sqlite:///{path}", {"timeout": STATEMENT_S}
    if kind not in ("postgresql", "postgres"):
        raise StudyRefused(f"studies are kept on SQLite or PostgreSQL, not {kind}")
    ms = STATEMENT_S * 1000
    return f"postgresql+psycopg://{rest}", {
        "connect_timeout": CONNECT_S,
        "options": f"-c statement_timeout={ms} -c lock_timeout={ms}",
        "tcp_user_timeout": ms,
        "application_name": "mmctl optimise",
    }
