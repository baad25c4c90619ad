"""A log's lines as entries: no warning is lost, and nothing that a terminal obeys gets through, in any form."""

import json
from typing import Any

import pytest

from mmctl.watch.logline import LONGEST, Entry, Reader, as_text, clean


def read(line: str, journal: bool = False) -> Entry:
    entry = Reader(journal).read(line)
    assert entry is not None
    return entry


def envelope(message: Any, **fields: Any) -> str:
    return json.dumps({"MESSAGE": message, "PRIORITY": "6", "_TRANSPORT": "stdout", **fields})


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level":"warning","message":"x"}', "warning"),
        ('\x1b[0;1;38;5;185m{"level":"warning","message":"x"}\x1b[0m', "warning"),
        ('<4>{"message":"x"}', "warning"),
        ('<4>{"level":"error","message":"x"}', "error"),
        ('  {"level":"WARN","message":"x"}', "warning"),
        ('\ufeff{"levelname":"WARNING","message":"x"}', "warning"),
        ('{"severity":"fatal","message":"x"}', "critical"),
        ('{"level":30,"message":"x"}', "warning"),
        ('{"ts":"2024-08-08T12:00:00Z","level":"warning","message":"cut in the mid', "warning"),
        ("2024-08-08T12:00:00Z WARNING  engine: feed late", "warning"),
        ("2024-08-08T12:00:00Z \x1b[33mWARNING\x1b[0m engine: feed late", "warning"),
        ("Traceback (most recent call last):", "error"),
        ("no level at all", ""),
        ('{"message":"no level at all"}', ""),
        ("[1,2]", ""),
        ("", ""),
    ],
)
def test_the_level_of_a_line_in_any_form(line: str, level: str) -> None:
    assert read(line).level == level
    assert "\x1b" not in read(line).text


def test_a_traceback_is_an_error_to_its_last_line_and_no_further() -> None:
    lines = [
        '{"level":"info","message":"before"}', "Traceback (most recent call last):", '  File "x.py", line 1, in f',
        "    f()", "ValueError: no", "another line",
    ]  # fmt: skip
    reader = Reader(journal=False)
    assert [entry.level for line in lines if (entry := reader.read(line))] == ["info", *["error"] * 4, ""]


def test_what_is_indented_belongs_to_the_line_before() -> None:
    reader = Reader(journal=False)
    reader.read('{"ts":1723118400,"level":"debug","message":"x"}')
    entry = reader.read("    more of it")
    assert entry is not None
    assert (entry.level, entry.moment) == ("debug", 1723118400.0)


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        (envelope('{"level":"warning","message":"late"}'), "warning", "WARNING late"),
        (envelope("Started.", _TRANSPORT="journal"), "info", "Started."),
        (envelope("Failed with result 'signal'.", PRIORITY="4", _TRANSPORT="journal"), "warning", "Failed"),
        (envelope(list(b"\x1b[31mred\x1b[0m \xff")), "", "red"),
        (envelope(None), "", ""),
        (envelope([list(b"one"), list(b"two")]), "", "one two"),
        (envelope("plain words of a library"), "", "plain words"),
        ("Hint: You are currently not seeing messages from other users", "", "Hint"),
    ],
)
def test_journalctl_s_objects_are_opened(line: str, level: str, text: str) -> None:
    entry = read(line, journal=True)
    assert entry.level == level
    assert text in entry.text


def test_a_line_that_journald_cut_is_put_together_again() -> None:
    long = json.dumps({"level": "error", "message": "m" * 100})
    reader = Reader(journal=True)
    assert reader.read(envelope(long[:50], _LINE_BREAK="line-max")) is None
    entry = reader.read(envelope(long[50:]))
    assert entry is not None
    assert (entry.level, entry.record) == ("error", json.loads(long))


@pytest.mark.parametrize(
    "bad", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x07", "\r", "\u202e", "\u2028", "\x00", "\x1b"]
)
def test_nothing_a_terminal_obeys_is_printed(bad: str) -> None:
    record = {"ts": f"1{bad}", "level": f"info{bad}", "message": f"a{bad}b", f"k{bad}": f"v{bad}", "deep": {"x": bad}}
    for text in (as_text(record), clean(f"a{bad}b"), read(f"a{bad}b").text, read(json.dumps(record)).text):
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028" for c in text), text


def test_a_message_of_several_lines_cannot_pass_for_an_entry() -> None:
    text = as_text(
        {"ts": "t", "level": "info", "message": "a\n2024-08-08T12:00:00Z CRITICAL forged", "trace": "T\n  x"}
    )
    assert text.splitlines() == ["t INFO    a", "    2024-08-08T12:00:00Z CRITICAL forged", "    T", "      x"]


def test_a_very_long_line_is_bounded_and_keeps_its_level() -> None:
    entry = read('{"level":"warning","message":"' + "x" * 3_000_000)
    assert entry.level == "warning"
    assert len(entry.text) <= LONGEST + 10


@pytest.mark.parametrize(
    ("ts", "moment"),
    [("2024-08-08T12:00:00Z", 1723118400.0), (1723118400, 1723118400.0), (1723118400000, 1723118400.0),
     (1723118400 * 10**9, 1723118400.0), ("yesterday", None), (True, None)],
)  # fmt: skip
def test_times_in_any_unit(ts: Any, moment: float | None) -> None:
    assert read(json.dumps({"ts": ts, "message": "x"})).moment == moment
