"""A journal that is not the one the engine led with: refused by name, or read from the exchange and proved."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, post, until

__all__ = ["engine_on"]

MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")
REFUSED = 7


def position(engine: Engine) -> Decimal:
    return Decimal(str(engine.get("/api/state")["symbols"]["ETHUSDT"]["position"]["base"]))


def traded(engine: Engine) -> Decimal:
    """Quote until a position is held; stopped, the position is what the journal says."""
    engine.start().quoting()
    until(lambda: position(engine) != 0, "a position")
    assert engine.stop() == 0
    ((stored,),) = engine.journal("SELECT quantity FROM positions")
    held = Decimal(stored)
    if held == 0:
        return traded(engine)
    return held


def sqlite_epoch(engine: Engine) -> int:
    """The highest epoch the journal has seen."""
    ((value,),) = engine.journal("SELECT value FROM engine_state WHERE name = 'lineage'")
    return int(json.loads(value)["epoch"])


def truncated(data: Path) -> None:
    for name in ("journal.db-wal", "journal.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "journal.db").write_bytes(b"")


def deleted(data: Path) -> None:
    for file in data.glob("journal.db*"):
        file.unlink()


def another_accounts(data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / "journal.db")) as database:
        for table in ("orders", "trades", "pnl", "risk_events", "positions", "engine_state", "decisions"):
            database.execute(f"UPDATE {table} SET account = 'other'")
        database.commit()


def another_journals(data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / "journal.db")) as database:
        ((value,),) = database.execute("SELECT value FROM engine_state WHERE name = 'lineage'").fetchall()
        other = json.dumps(json.loads(value) | {"journal": "of another desk"})
        database.execute("UPDATE engine_state SET value = ? WHERE name = 'lineage'", (other,))
        database.commit()


def only_the_ledger_is_gone(data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / "journal.db")) as database:
        database.execute("DELETE FROM engine_state WHERE name LIKE 'ledger:%'")
        database.commit()


def whole_folder_is_new(data: Path) -> None:
    shutil.rmtree(data)


def as_an_older_release_left_it(data: Path) -> None:
    """Truncated beside an epoch, and no word of who led."""
    truncated(data)
    for file in (*data.glob("journal-*.json"), *data.glob("risk-*.json"), *data.glob("stopped-*.json")):
        file.unlink()


LOSSES = [
    truncated, deleted, another_accounts, another_journals, only_the_ledger_is_gone, whole_folder_is_new,
    as_an_older_release_left_it,
]  # fmt: skip


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_lost_journal_is_refused_by_name_and_accepted_it_is_read_from_the_exchange(
    lose: Callable[[Path], None], start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    held = traded(engine)
    lose(engine.data)
    placed = len(venue.orders())
    assert engine.start().wait() == REFUSED, engine.log
    assert "mmctl journal accept" in engine.log
    assert "mmctl backup restore" in engine.log
    assert len(venue.orders()) == placed, "not one order was sent"
    assert engine.verb("accept", "--reason", " ").returncode == 2
    done = engine.verb("accept", "--reason", "the disk was lost", "--json")
    assert json.loads(done.stdout)["ok"] is True, done.stderr
    engine.start().quoting()
    assert engine.stop() == 0
    trades = engine.journal("SELECT side, quantity FROM trades WHERE account = 'sandbox'")
    ((stored,),) = engine.journal("SELECT quantity FROM positions WHERE account = 'sandbox'")
    assert Decimal(stored) == sum(int(side) * Decimal(quantity) for side, quantity in trades)
    assert len(trades) > 0
    assert held != 0
    engine.start().quoting()  # and what was accepted once is not read anew every time
    assert engine.stop() == 0


def test_an_older_copy_is_read_up_from_the_exchange_and_proved(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    traded(engine)
    shutil.copytree(engine.data, tmp_path / "older")
    before = len(engine.journal("SELECT 1 FROM trades"))
    engine.start().quoting()
    until(lambda: len(engine.journal("SELECT 1 FROM trades")) > before + 2, "more trades")
    assert engine.stop() == 0
    wanted = engine.journal("SELECT trade_id, side, quantity FROM trades ORDER BY trade_id")
    for file in engine.data.glob("journal.db*"):
        file.unlink()
    shutil.copy(tmp_path / "older" / "journal.db", engine.data / "journal.db")
    engine.start().quoting()
    assert "the journal is an older copy" in engine.log
    assert engine.stop() == 0
    found = engine.journal("SELECT trade_id, side, quantity FROM trades ORDER BY trade_id")
    assert found[: len(wanted)] == wanted


def test_a_journal_whose_data_folder_was_lost_goes_on_above_the_epochs_it_knows(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    traded(engine)
    seen = sqlite_epoch(engine)
    for file in engine.data.iterdir():
        if not file.name.startswith("journal.db") and file.is_file():
            file.unlink()
    engine.start().quoting()
    assert engine.engine()["epoch"] > seen
    assert engine.stop() == 0


def test_a_new_installation_starts_beside_the_coins_and_trades_of_its_owner(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    by_hand = {"market": "spot", "symbol": "ETHUSDT", "side": "BUY", "price": "2000", "quantity": "0.5"}
    status, said = post(venue.port, "/sandbox/history", by_hand | {"client_id": "by-hand", "settle": True})
    assert status == 200, said
    assert float(venue.account()["spot"]["ETH"]["free"]) > 0
    engine = engine_on(venue.port, spread=0.004).start().quoting()
    assert position(engine) == 0
    assert engine.stop() == 0
    assert engine.start().quoting()
    assert engine.stop() == 0
