"""Where a report's data is missing, of another release, damaged or hostile: said with its place, and never a number."""

import contextlib
import errno
import json
import os
import sqlite3
import stat
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mmctl.remote import reading
from mmctl.report.answers import Answer, decimal, read_answers
from mmctl.report.period import day_of
from mmctl.report.questions import counted, money, told, trading
from tests.needs import ROOT
from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at, event, eventful, sample, tripped
from tests.unit.day_journals import desk as desk
from tests.unit.test_daily_figures import HOUR, SECOND, Day, daily

BEGIN = at("2026-03-05 00:00:00")


def change(desk: Desk, *statements: str) -> None:
    desk.backend.close()
    with contextlib.closing(sqlite3.connect(desk.journal)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_a_journal_of_an_older_release_gives_what_it_has(mmctl: Mmctl, desk: Desk) -> None:
    desk.write([sample(BEGIN - SECOND, "0"), sample(BEGIN + SECOND, "5")])
    change(desk, "DROP TABLE latencies", "DROP TABLE fill_traces", "ALTER TABLE pnl DROP COLUMN hedge")
    found = daily(mmctl, "2026-03-05")
    assert "no such column: hedge" in found.why("day_pnl")
    assert "no such table: latencies" in found.remarks
    change(desk, "ALTER TABLE pnl ADD COLUMN hedge TEXT NOT NULL DEFAULT '0'")
    assert daily(mmctl, "2026-03-05")["day_pnl"] == 5


def test_without_events_no_trip_is_counted_as_none(mmctl: Mmctl, desk: Desk) -> None:
    desk.write([sample(BEGIN, "1"), sample(BEGIN + HOUR, "2")])
    change(desk, "DROP TABLE risk_events")
    found = daily(mmctl, "2026-03-05")
    assert "no such table: risk_events" in found.why("trips")
    verdicts = {row[1]["en"]: row[3]["en"] for row in found.rows("criteria")}
    assert verdicts["trips ≤ 3 a day"] == verdicts["books and exchange agree"] == "not known"


@pytest.mark.parametrize("damage", ["gone", "empty", "text", "directory"])
def test_a_journal_that_cannot_be_read_is_an_error_that_names_it(mmctl: Mmctl, desk: Desk, damage: str) -> None:
    desk.backend.close()
    for file in desk.journal.parent.glob("journal.db*"):
        file.unlink()
    if damage == "directory":
        desk.journal.mkdir()
    elif damage != "gone":
        desk.journal.write_text("" if damage == "empty" else "no database " * 500)
    said = mmctl("report", "daily", "--date", "2026-03-05", "--zone", "UTC")
    assert said.code == 1, said.out
    assert "journal" in said.err
    assert "Traceback" not in said.err
    assert not (desk.folder / "state").exists()


def test_what_is_no_number_ends_the_report_and_not_the_sum(mmctl: Mmctl, desk: Desk) -> None:
    desk.write([sample(BEGIN, "1"), sample(BEGIN + HOUR, "2")])
    change(desk, "UPDATE pnl SET total = 'NaN'")
    said = mmctl("report", "daily", "--date", "2026-03-05", "--zone", "UTC")
    assert said.code == 1
    assert "'NaN' where a number belongs" in said.err
    for text in ("Infinity", "", "1,5"):
        with pytest.raises(ValueError, match="number"):
            decimal(text)


def test_another_accounts_rows_are_not_ours(mmctl: Mmctl, desk: Desk) -> None:
    """Two engines on one PostgreSQL; here two accounts in one file."""
    desk.write([sample(BEGIN - SECOND, "0"), sample(BEGIN + SECOND, "5"), tripped(1, BEGIN, "feed")])
    desk.write(
        [
            sample(BEGIN - SECOND, "0"),
            sample(BEGIN + 2 * SECOND, "900"),
            tripped(1, BEGIN, "feed"),
            tripped(2, BEGIN, "feed"),
        ],
        "o'neil",
    )
    found = daily(mmctl, "2026-03-05")
    assert (found["day_pnl"], found["trips"]) == (5, 1)


def test_words_out_of_the_journal_cannot_leave_their_place_on_the_page(mmctl: Mmctl, desk: Desk) -> None:
    bad = "<script>alert(1)</script>|`x`\n# head <img src=x onerror=y>"
    desk.write([sample(BEGIN, "1"), sample(BEGIN + HOUR, "2"), event(1, BEGIN, "books", "critical", bad)])
    mmctl("report", "note", "add", "desk", bad)
    out = desk.folder / "page.html"
    assert mmctl("report", "daily", "--date", "2026-03-05", "--zone", "UTC", "--out", str(out)).code == 0
    page = out.read_text()
    assert page.count("<script>") == 1
    assert "<img" not in page
    said = mmctl("report", "daily", "--date", "2026-03-05", "--zone", "UTC", "--format", "md").out
    assert not [line for line in said.splitlines() if line.startswith("# head")]


def test_page_markdown_and_json_say_the_same(mmctl: Mmctl, desk: Desk) -> None:
    desk.write(eventful(BEGIN, hours=3))
    words = ("report", "daily", "--date", "2026-03-05", "--zone", "UTC", "--language", "en")
    found = Day(json.loads(mmctl(*words, "--format", "json").out))
    markdown = mmctl(*words, "--format", "md").out
    assert mmctl(*words, "--out", str(desk.folder / "p.html")).code == 0
    page = (desk.folder / "p.html").read_text()
    for text in (f"{found['day_pnl']:.4f} USDC", f"{found['fills']}", f"{found['turnover']:,.4f}"[:6]):
        assert text in markdown
        assert text in page
    chinese = mmctl(*words[:-1], "zh", "--format", "md").out
    assert f"{found['day_pnl']:.4f} USDC" in chinese
    assert "当日 PnL" in chinese


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--date", "2026-02-30"), 2), (("--date", "2999-01-01"), 2), (("--zone", "Mars/Base"), 2),
        (("--zone", "../x"), 2), (("--due", "22h"), 2), (("--due", "22:00+08:00"), 2), (("--channel", "room"), 2),
        (("--format", "pdf"), 2), (("--out", "no/such/x.html"), 1),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(mmctl: Mmctl, desk: Desk, words: tuple[str, ...], code: int) -> None:
    desk.write([sample(BEGIN, "1")])
    said = mmctl("report", "daily", *words)
    assert said.code == code, said.err
    assert "Traceback" not in said.err


def test_a_page_that_the_disk_does_not_hold_leaves_nothing_behind(
    mmctl: Mmctl, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write([sample(BEGIN, "1")])
    folder = tmp_path / "pages"
    folder.mkdir()

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    said = mmctl("report", "daily", "--out", str(folder))
    assert (said.code, "No space left" in said.err) == (1, True), said.err
    assert list(folder.iterdir()) == []


def test_a_device_is_written_to_and_not_replaced_by_a_file(mmctl: Mmctl, desk: Desk, tmp_path: Path) -> None:
    desk.write([sample(BEGIN, "1")])
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)  # so that neither end waits for the other
    reader = threading.Thread(target=lambda: read.append(os.read(held, 5).decode()), daemon=True)
    reader.start()
    assert mmctl("report", "daily", "--format", "json", "--out", str(pipe)).code == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(10)
    os.close(held)
    assert read[0].startswith("{")


def test_an_answer_of_another_shape_is_no_answer() -> None:
    for text in ("", "no base64!", "e30", "eJwDAAAAAAE=", "W10="):
        with pytest.raises(ValueError, match="host"):
            reading.answers(text)
    documents: list[Any] = [[], {"a": []}, {"a": {"columns": ["x"]}}, {"a": {"columns": ["x"], "rows": [[1, 2]]}}]
    for document in documents:
        with pytest.raises((ValueError, KeyError)):
            read_answers(document)
    assert not Answer(why="x").known


def test_every_question_only_reads() -> None:
    day = day_of(date(2026, 3, 5), "UTC")
    for asked in (money("a'b", day), trading("a'b", day), told("a'b", day), counted("a'b", day)):
        for sql in asked.values():
            assert sql.startswith("SELECT ")
            assert ";" not in sql
            assert "'a''b'" in sql


def test_every_figure_and_table_has_a_name_and_stands_in_the_document() -> None:
    from mmctl.report.words import LABELS

    text = (ROOT / "docs/reports.md").read_text(encoding="utf-8").lower()
    for key in (
        "quote_uptime",
        "quoted_spread",
        "fill_ratio",
        "accuracy_ratio",
        "worst_fill",
        "stability",
        "max_drawdown",
    ):
        assert LABELS[key].en.split(",")[0].split(":")[0].removesuffix(" of the day").lower() in text, key
    for words in LABELS.values():
        assert words.en
        assert words.zh
