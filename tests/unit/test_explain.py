"""A fill explained from a journal: every step with its time, the longest marked, and what is missing said."""

import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.store import migrate
from engine.store.encode import for_sqlite
from engine.store.records import FillRecord, OrderRecord, Record
from engine.store.sqlite import insert_statement
from engine.store.trace_records import FillTraceRecord, OrderTraceRecord
from mmctl.client.explain import ENDED_FIRST, NOT_BY_VERSION, Explanation, explained
from tests.needs import ROOT
from tests.unit.conftest import Mmctl

NS = 1_796_078_132_000_000_000
MS = 1_000_000
LATER = NS + 10**12
INPUTS = {
    "side": "buy", "strategy": "basic", "bid": "2000.00", "ask": "2000.10", "mid": "2000.05", "volatility_ticks": None,
    "position": "0", "position_limit": "0.5", "size_permille": 500, "spread_permille": 1000, "fallback": 0,
    "wanted": {"bid": {"price": "1999.02", "size": "0.1"}, "ask": None}, "smaller_because": "POSITION_LIMIT",
}  # fmt: skip


def trade(trade_id: int = 7, client_id: str = "mm-1", symbol: str = "ETHUSDT") -> FillRecord:
    price, size, fee = Decimal("1999.02"), Decimal("0.1"), Decimal("0.02")
    return FillRecord(symbol, trade_id, client_id, 1, price, size, True, fee, "USDT", NS // MS + 900, NS + 903 * MS)


def order(client_id: str = "mm-1") -> OrderRecord:
    price, size = Decimal("1999.02"), Decimal("0.1")
    return OrderRecord(client_id, "ETHUSDT", 1, price, size, size, "FILLED", NS, NS, 3)


def trace(**changed: Any) -> OrderTraceRecord:
    times: dict[str, Any] = {
        "event_ms": NS // MS - 20, "received_ns": NS, "taken_ns": NS + 2_000, "decided_ns": NS + 9_000,
        "written_ns": NS + 45_000, "venue_ms": NS // MS + 3, "acked_ns": NS + 5 * MS, "opened_ns": NS + 5 * MS + 800,
    }  # fmt: skip
    given: dict[str, Any] = {"cause": "frame", "inputs": INPUTS, **times, **changed}
    return OrderTraceRecord("mm-1", "ETHUSDT", 3, updated_ns=NS, **given)


def after(**changed: Any) -> FillTraceRecord:
    given: dict[str, Any] = {
        "received_ns": NS + 902 * MS, "durable_ns": NS + 904 * MS, "mid": Decimal("2000.05"),
        "markouts": {"0.1": 0.5, "1": -1.25, "5": 2.0, "30": None, "60": None}, **changed,
    }  # fmt: skip
    return FillTraceRecord("ETHUSDT", 7, "mm-1", updated_ns=NS, **given)


def row(record: Record) -> dict[str, Any]:
    """As SQLite gives it."""
    return dict(zip(record.table.names(), for_sqlite(record.table, record.row("test")), strict=True))


def told(with_trace: OrderTraceRecord | None = None, with_after: FillTraceRecord | None = None) -> Explanation:
    trace_row = row(with_trace) if with_trace else None
    after_row = row(with_after) if with_after else None
    return explained(row(trade()), row(order()), trace_row, after_row, (NOT_BY_VERSION, ENDED_FIRST), LATER)


def test_every_step_has_its_time_and_what_it_took_since_the_one_before() -> None:
    found = told(trace(), after())
    assert [(stage.name, stage.took_ns, stage.two_clocks) for stage in found.stages] == [
        ("the exchange made the frame", None, False),
        ("frame received", 20 * MS, True),
        ("frame handed to the kernel", 2_000, False),
        ("read, booked, decided, checked", 7_000, False),
        ("order's bytes written", 36_000, False),
        ("the exchange had the order", 3 * MS - 45_000, True),
        ("acknowledged", 2 * MS, True),
        ("order known to be open", 800, False),
        ("traded at the exchange", 900 * MS - 5 * MS - 800, True),
        ("fill received", 2 * MS, True),
        ("booked in the ledger", MS, False),
        ("safe in the journal", MS, False),
    ]
    assert found.reaction_ns == 45_000
    assert [stage.name for stage in found.stages if stage.longest] == ["frame received"]


def test_waiting_in_the_book_is_not_the_longest_step_and_a_step_of_two_clocks_only_beyond_their_millisecond() -> None:
    close = trace(event_ms=NS // MS, venue_ms=0, acked_ns=NS + 400_000, opened_ns=NS + 400_100)
    found = told(close, after(received_ns=NS + 900 * MS + 1_600_000, durable_ns=NS + 903 * MS + 100))
    longest = next(stage for stage in found.stages if stage.longest)
    assert (longest.name, longest.took_ns) == ("booked in the ledger", 3 * MS - 1_600_000)


def test_an_order_that_was_open_before_its_answer_came_is_told_so_in_that_order() -> None:
    found = told(trace(acked_ns=NS + 5 * MS, opened_ns=NS + 4 * MS), after())
    names = [stage.name for stage in found.stages]
    assert names.index("order known to be open") < names.index("acknowledged")
    assert min(stage.took_ns or 0 for stage in found.stages if not stage.two_clocks) >= 0
    unopened = [stage.name for stage in told(trace(opened_ns=0), after()).stages]
    assert unopened.index("acknowledged") < unopened.index("order known to be open")


def test_markouts_that_are_not_known_say_why() -> None:
    found = told(trace(), after())
    assert [(m.horizon_s, m.bps) for m in found.markouts][:3] == [(0.1, 0.5), (1.0, -1.25), (5.0, 2.0)]
    assert found.gaps == ("markouts after 30, 60 s: not known: the engine ended, or no tick came",)
    soon = explained(row(trade()), row(order()), row(trace()), row(after()), ("", ""), NS + 920 * MS)
    assert soon.gaps == ("markouts after 30, 60 s: not due yet",)


def test_what_no_row_holds_is_missing_with_its_reason_and_nothing_is_made_up() -> None:
    found = told()
    assert [stage.missing for stage in found.stages if stage.at_ns is None] == [NOT_BY_VERSION] * 7 + [ENDED_FIRST] * 2
    known = [(stage.name, stage.took_ns) for stage in found.stages if stage.at_ns is not None]
    assert known == [("traded at the exchange", None), ("booked in the ledger", 3 * MS)]
    assert (found.cause, found.inputs, found.reaction_ns) == (None, {}, None)
    assert f"markouts after 0.1, 1, 5, 30, 60 s: {ENDED_FIRST}" in found.gaps
    without = explained(row(trade()), None, None, None, (NOT_BY_VERSION, NOT_BY_VERSION), LATER)
    assert "order: not in the journal" in without.gaps


def test_an_order_without_an_answer_or_by_command_says_so() -> None:
    unanswered = told(trace(acked_ns=0, opened_ns=0, venue_ms=0, cancel_ns=NS + 500 * MS), after())
    assert [stage.name for stage in unanswered.stages if stage.missing] == ["acknowledged", "order known to be open"]
    assert "it traded while a cancel was under way" in [stage.note for stage in unanswered.stages]
    command = told(trace(cause="command", inputs={}), after())
    assert command.stages[0].note == "by command: no quote decision"
    timer = told(trace(cause="timer"), after())
    assert timer.stages[0].name == "the timer came round"


def test_damaged_json_in_a_row_is_no_reason_to_fail() -> None:
    broken = {**row(trace()), "inputs": "{", "acked_ns": "soon"}
    found = explained(row(trade()), row(order()), broken, {**row(after()), "markouts": "[1]"}, ("", ""), LATER)
    assert found.inputs == {}
    assert next(stage for stage in found.stages if stage.name == "acknowledged").at_ns is None


Fill = Callable[..., None]


@pytest.fixture
def journal(fleet: Path) -> Fill:
    """Writes records into the journal that the target's host has; ``revision``: of the release that made it."""
    path = fleet.parent / "root" / "shared" / "data" / "journal.db"

    def write(*records: Record, revision: str = "head") -> None:
        migrate.upgrade(f"sqlite:///{path}", revision)
        with sqlite3.connect(path) as database:
            for record in records:
                values = for_sqlite(record.table, record.row("test"))
                database.execute(insert_statement(record.table), values)

    return write


def test_a_fill_is_told_by_its_trade_or_its_order_without_any_engine(mmctl: Mmctl, journal: Fill, engine: Any) -> None:
    engine.close()
    journal(trade(), order(), trace(), after())
    said = mmctl("trades", "here", "--explain", "7")
    assert said.code == 0
    for text in (
        "bought 0.1 ETHUSDT at 1999.02",
        "it wanted bid 0.1 at 1999.02, ask none",
        "breaker: sizes at 500",
        "quoted smaller than wanted: POSITION_LIMIT",
        "22:35:32.000009000",
        "7.0 µs  read, booked, decided, checked",
        "markout after 1 s               -1.25 bps",
        "longest step: frame received, 20.00 ms",
        "from the frame to the order's bytes: 45.0 µs",
    ):
        assert text in said.out, text
    assert mmctl("why", "here", "--fill", "mm-1").out == said.out
    shown = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8").split("```text\n", 1)[1].split("```", 1)[0]
    assert said.out.startswith(shown)


def test_fills_are_those_of_the_symbol_that_is_named(mmctl: Mmctl, journal: Fill) -> None:
    journal(trade(), trade(8, "mm-2", "BTCUSDT"))
    assert [event["trade_id"] for event in mmctl("trades", "--symbol", "BTCUSDT", "--json").events] == [8]
    assert mmctl("trades", "--symbol", "' OR 1=1").code == 2


def test_a_journal_that_is_not_sqlite_explains_no_fill_and_says_what_would_show_it(
    mmctl: Mmctl, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmctl.client.site._journal", lambda *given: None)
    said = mmctl("trades", "--explain", "7")
    assert said.code == 1
    assert "its journal is PostgreSQL" in said.err
    assert "psql shows what it is made of" in said.err


def test_as_json_no_digit_is_lost(mmctl: Mmctl, journal: Fill) -> None:
    journal(trade(), order(), trace(received_ns=NS + 1), after())
    event = mmctl("trades", "--explain", "7", "--json").events[0]
    received = next(stage for stage in event["stages"] if stage["name"] == "frame received")
    assert (received["ns_text"], received["time"]) == (str(NS + 1), "2026-11-30T22:35:32.000000001Z")
    assert event["trade"]["booked_ns"] == str(NS + 903 * MS)
    assert event["markouts"][1]["bps"] == -1.25
    assert json.dumps(event)


def test_a_fill_of_an_older_release_is_told_as_far_as_it_was_written_down(mmctl: Mmctl, journal: Fill) -> None:
    journal(trade(), order(), revision="0001")
    said = mmctl("trades", "--explain", "7")
    assert said.code == 0
    assert f"gap: frame received: {NOT_BY_VERSION}" in said.out
    journal(trade(8, "mm-2"), order("mm-2"))  # the release after, on the same journal: this fill it did not trace
    assert f"gap: frame received: {NOT_BY_VERSION}" in mmctl("trades", "--explain", "8").out
    journal(trace())  # and of the epoch that traced others
    assert f"gap: frame received: {ENDED_FIRST}" in mmctl("trades", "--explain", "8").out


def test_what_is_not_there_or_not_one_is_said(mmctl: Mmctl, journal: Fill) -> None:
    journal(trade(), trade(9, symbol="ETHUSDT"), trade(9, symbol="BTCUSDT"))
    nothing = mmctl("trades", "--explain", "12345")
    assert (nothing.code, "no fill 12345 is in the journal" in nothing.err) == (1, True)
    two = mmctl("trades", "--explain", "9")
    assert two.code == 2
    assert "BTCUSDT, ETHUSDT" in two.err
    assert "--symbol" in two.err
    assert mmctl("trades", "--explain", "9", "--symbol", "BTCUSDT").code == 0
    assert mmctl("trades", "--explain", "x' OR '1'='1").code == 2
    assert mmctl("trades", "--explain", "7", "--symbol", "'").code == 2


def test_a_host_without_a_journal_is_named(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("trades", "--explain", "7")
    assert said.code == 1
    assert "here" in said.err
    assert "there is no journal" in said.err
