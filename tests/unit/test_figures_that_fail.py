"""A figure that cannot be read leaves the metrics page alone: the rest comes, and no old number stands in for it."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.live.operators.pair_figures import PairFigures
from engine.telemetry.cells import Gauge
from engine.telemetry.exposition import Format
from tests.unit.live_session import SYMBOL
from tests.unit.many_symbols import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, 2)
    yield made
    made.close()


def series(desk: Desk) -> set[str]:
    lines = desk.exporter.page().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


async def test_the_gauges_of_what_fails_are_gone_and_all_else_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = series(desk)
    held = PairFigures._holding

    def fails(self: PairFigures, tally: Any) -> None:
        if self.symbol == SYMBOL:
            raise ZeroDivisionError("no lot size")
        held(self, tally)

    monkeypatch.setattr(PairFigures, "_holding", fails)
    with caplog.at_level(logging.ERROR):
        gone = whole - series(desk)
        series(desk)
    assert {line.partition("{")[0] for line in gone} >= {"mm_position_base", "current_position", "mm_quote_price"}
    assert all(f'symbol="{SYMBOL}"' in line for line in gone)
    assert not any("_total{" in line for line in gone), "a counter that vanishes would be taken for a restart"
    (told,) = caplog.messages
    assert "PairFigures.refresh" in told
    assert "no lot size" in told
    monkeypatch.undo()
    assert series(desk) == whole


async def test_a_value_that_cannot_be_written_takes_its_own_metric_away_alone(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    whole = series(desk)
    broken: Any = "twelve"
    desk.exporter.histogram("mm_gc_pause_seconds").total = broken
    with caplog.at_level(logging.ERROR):
        gone = whole - series(desk)
    assert {line.partition("{")[0].rpartition("_")[0] for line in gone} == {"mm_gc_pause_seconds"}
    assert desk.exporter.page(Format.OPENMETRICS).endswith(b"# EOF\n")
    assert len(caplog.messages) == 1


async def test_a_total_of_what_is_not_known_is_not_zero(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ArithmeticError

    monkeypatch.setattr(desk.session.parts.account_books, "pnl", fails)
    assert not {"trading_pnl_total", "realized_pnl", "mm_equity_quote"} & series(desk)


async def test_each_part_of_the_page_names_every_gauge_it_keeps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = desk.exporter
    touched: set[int] = set()
    real, clear = Gauge.set, Gauge.clear

    def seen_set(cell: Gauge, value: float) -> None:
        touched.add(id(cell))
        real(cell, value)

    def seen_clear(cell: Gauge) -> None:
        touched.add(id(cell))
        clear(cell)

    monkeypatch.setattr(Gauge, "set", seen_set)
    monkeypatch.setattr(Gauge, "clear", seen_clear)
    for one in exporter._refreshers:
        touched.clear()
        list(one.refresh() or ())
        names = {name for name, cells in exporter._cells.items() if touched & {id(cell) for cell in cells.values()}}
        assert names <= set(one.gauges), one.refresh
