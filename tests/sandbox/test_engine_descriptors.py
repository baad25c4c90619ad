"""A running engine that no file descriptor is left for, and one that another user holds connections to."""

import os
import resource
import sqlite3
import time

from benchmarks.half_open import HalfOpen
from tests.needs import need
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import StartEngine, Venue, engine_on, until
from tests.sandbox.test_engine_life import MARKET, ledger_equals_the_exchanges, traded

__all__ = ["engine_on"]


def test_no_file_descriptor_left_stops_quoting_and_ends_nothing(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    with open(engine.config, "a") as file:
        file.write("lease: {ttl: 1s}\n")
    engine.start().quoting()
    pid = engine.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        until(lambda: "the lease cannot be proved" in engine.log, "the trouble is told")
        until(lambda: "gate reason=the lease of this account cannot be proved" in engine.log, "quoting ends")
        until(lambda: venue.open_orders() == [], "its orders are cancelled: nothing proves that it leads")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    engine.quoting()
    until(lambda: "the lease is proved again" in engine.log, "its end is told")  # a thread of its own writes the log
    assert "lease was lost" not in engine.log
    assert engine.get("/api/risk/status")["halted"] is False
    before = traded(engine)
    until(lambda: traded(engine) > before, "it trades again")
    assert engine.stop() == 0
    ledger_equals_the_exchanges(engine, venue)


def test_half_sent_requests_of_another_user_end_nothing_and_leave_the_operator_his_answers(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    need(os.geteuid() == 0, "the right to become another user")
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port).start().quoting()
    with HalfOpen(engine.port, 1_100) as flood:
        until(lambda: flood.opened() >= 1_100, "that many were opened")
        before, end = traded(engine), time.monotonic() + 5
        while time.monotonic() < end:
            assert engine.get("/api/state")["engine"]["role"] == "primary"  # the operator has his answer each time
        until(lambda: traded(engine) > before, "it trades under the flood")
        engine.quoting()
        assert len(os.listdir(f"/proc/{engine.pid}/fd")) < 200
        status, _ = engine.control("cancel")
        assert status == 200
    assert engine.stop() == 0
    with sqlite3.connect(f"file:{engine.data}/journal.db?mode=ro", uri=True) as journal:
        assert journal.execute("SELECT count(*) FROM trades").fetchone()[0] >= 0
