"""A running engine that loses its PostgreSQL: it stops quoting, spills its fills, and brings them in afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.conftest import StartProcess, start_sandbox_process
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until
from tests.sandbox.test_engine_life import MARKET
from tests.services.postgres import Server, running_server

__all__ = ["engine_on", "start_sandbox_process"]


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def on_postgres(engine: Engine, url: str) -> Engine:
    text = engine.config.read_text()
    engine.config.write_text(text + f'store: {{url: "{url}"}}\n')
    return engine


def booked(server: Server) -> int:
    return int(server.sql("SELECT count(*) FROM trades"))


def test_a_lost_database_stops_quoting_loses_no_fill_and_is_taken_up_again(
    server: Server, start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = on_postgres(engine_on(venue.port), server.url()).start().quoting()
    until(lambda: booked(server) >= 1, "a fill is in the database")
    server.stop()
    until(lambda: not engine.engine().get("quoting"), "a lost database stops quoting")
    assert "journal" in engine.engine()["not_quoting_reason"]
    until(lambda: venue.open_orders() == [], "its orders are cancelled")
    made = venue.account()["fills"]
    server.start()
    engine.quoting()
    until(lambda: booked(server) > made, "it trades again, and what was made meanwhile is in the database")
    assert engine.stop() == 0
    assert "the day's counts begin anew" not in engine.log
    assert booked(server) == venue.account()["fills"]
    assert server.sql("SELECT count(*) FROM orders WHERE state IN ('ACCEPTED', 'SUBMITTED', 'UNKNOWN')") == "0"


def test_an_emptied_database_and_one_that_another_hosts_engine_leads_with_are_refused(
    server: Server, start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = on_postgres(engine_on(venue.port), server.url()).start().quoting()
    until(lambda: booked(server) >= 1, "a fill is in the database")
    assert engine.stop() == 0
    elsewhere = on_postgres(engine_on(venue.port, "elsewhere"), server.url()).start()
    assert elsewhere.wait() == 7, "a new data folder: its epochs are below the journal's"
    assert "or an engine on another host uses this journal" in elsewhere.log
    placed = len(venue.orders())
    server.sql("TRUNCATE orders, trades, pnl, positions, engine_state, risk_events, decisions")
    assert engine.start().wait() == 7
    assert "the journal holds no ledger of ETHUSDT" in engine.log
    assert len(venue.orders()) == placed
