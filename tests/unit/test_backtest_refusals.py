"""``mmctl backtest run`` on what it cannot use: file, line, cause, the documented exit code, never a silent zero."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.kernel.sim.queue import MODELS
from engine.trade import Market
from tests.needs import ROOT
from tests.sandbox import recordings
from tests.unit.conftest import Mmctl

CONFIG = """
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy:
  name: STRATEGY
  symbol: ETHUSDT
  base_spread: 0.0002
  base_size: 0.05
  max_inventory: 0.2
risk: {daily_loss_limit: 1000, max_drawdown_limit: 0.5, max_position: 1}
"""
Lines = list[bytes]


@pytest.fixture(scope="module")
def good() -> Lines:
    return recordings.lines(Market.USDM, "ETHUSDT", 700)


def _at(lines: Lines, what: bytes) -> int:
    """The number (from 0) of a line in the middle that holds ``what``."""
    return next(at for at in range(len(lines) // 2, len(lines)) if what in lines[at])


def _priced(key: bytes, price: bytes, what: bytes) -> Callable[[Lines], tuple[Lines, int]]:
    """``price`` in the string that follows ``key``, in a line that holds ``what``; that line's number."""

    def change(lines: Lines) -> tuple[Lines, int]:
        at = _at(lines, what)
        changed = re.sub(b"(" + key + b')"[^"]*"', rb'\1"' + price + b'"', lines[at], count=1)
        assert changed != lines[at]
        return [*lines[:at], changed, *lines[at + 1 :]], at + 1

    return change


def _run(mmctl: Mmctl, folder: Path, data: Path, strategy: str = "basic", *options: str) -> tuple[int, str, str]:
    config = folder / "c.yaml"
    config.write_text(CONFIG.replace("STRATEGY", strategy))
    said = mmctl("backtest", "run", "--config", str(config), "--data", str(data), *options)
    return said.code, said.out, said.err


TRADE, DEPTH = b'"e":"trade"', b'"b":[["'


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (_priced(b'"p":', b"NaN", TRADE), "not a plain decimal number"),
        (_priced(b'"p":', b"0.00", TRADE), "a price that is zero or negative"),
        (_priced(b'"p":', b"-5.00", TRADE), "a price that is zero or negative"),
        (_priced(rb'"b":\[\[', b"NaN", DEPTH), "not a plain decimal number"),
        (_priced(rb'"b":\[\[', b"0.00", DEPTH), "a price that is zero or negative"),
        (_priced(rb'"b":\[\[', b"-5.00", DEPTH), "a price that is zero or negative"),
    ],
    ids=["trade-nan", "trade-zero", "trade-negative", "depth-nan", "depth-zero", "depth-negative"],
)
def test_a_senseless_price_is_refused_with_its_line_unless_it_may_be_left_out(
    tmp_path: Path, mmctl: Mmctl, good: Lines, change: Callable[[Lines], tuple[Lines, int]], cause: str
) -> None:
    lines, number = change(good)
    data = recordings.write(tmp_path / "bad.gz", lines)
    code, out, err = _run(mmctl, tmp_path, data)
    assert code == 1
    assert f"bad.gz:{number}: {cause}" in err
    assert "pnl" not in out
    code, out, err = _run(mmctl, tmp_path, data, "basic", "--skip-bad-lines")
    assert code == 0
    assert f"note: {data}:{number}: {cause}" in err
    assert "1 bad lines" in err


def _without_snapshot(lines: Lines) -> Lines:
    return [line for line in lines if b"lastUpdateId" not in line]


def _shuffled(lines: Lines) -> Lines:
    third = len(lines) // 3
    return [*lines[:third], *lines[2 * third :], *lines[third : 2 * third]]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (_without_snapshot, "bad.gz: no depth snapshot in the recording"),
        (_shuffled, r"bad.gz:\d+: the receive time goes back by"),
        (lambda lines: [b"hello", b"world"], "bad.gz:1: "),
        (lambda lines: [b'{"a": 1}'], "bad.gz:1: "),
        (lambda lines: [], "bad.gz:1: no market data frame"),
    ],
    ids=["snapshot", "order", "text", "json", "empty-gzip"],
)
def test_data_of_the_wrong_kind_or_order_is_refused_with_its_cause(
    tmp_path: Path, mmctl: Mmctl, good: Lines, change: Callable[[Lines], Lines], cause: str
) -> None:
    data = recordings.write(tmp_path / "bad.gz", change(good))
    code, out, err = _run(mmctl, tmp_path, data)
    assert code == 1
    assert re.search(cause, err), err
    assert "pnl" not in out


def test_files_that_are_no_recordings_at_all_are_refused(tmp_path: Path, mmctl: Mmctl) -> None:
    (tmp_path / "empty.gz").write_bytes(b"")
    (tmp_path / "picture.gz").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    (tmp_path / "half.columns").write_bytes(b"MMCOLUMN\x02\x00\x00\x00")
    (tmp_path / "old.columns").write_bytes(b"MMCOLUMN\x01\x00\x00\x00" + bytes(100))
    for name, cause in (
        ("empty.gz", "the file is empty"),
        ("picture.gz", "picture.gz:1: "),
        ("half.columns", "half.columns: the file was cut within its header"),
        ("old.columns", "old.columns: format version 1, this program reads 2; convert the recording again"),
        ("nowhere.gz", "nowhere.gz: No such file"),
    ):
        code, out, err = _run(mmctl, tmp_path, tmp_path / name)
        assert code == 1
        assert cause in err
        assert "pnl" not in out


def test_a_file_cut_short_is_used_up_to_the_cut_and_says_so(tmp_path: Path, mmctl: Mmctl, good: Lines) -> None:
    whole = recordings.write(tmp_path / "whole.gz", good)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole.read_bytes()[: -whole.stat().st_size // 4])
    code, out, err = _run(mmctl, tmp_path, cut)
    assert code == 0
    assert f"note: {cut}: the file was cut" in err
    assert "pnl total" in out


def test_another_symbol_than_the_configured_one_is_told(tmp_path: Path, mmctl: Mmctl, good: Lines) -> None:
    data = recordings.write(tmp_path / "other.gz", [line.replace(b"ETHUSDT", b"XYZUSDT") for line in good])
    code, _, err = _run(mmctl, tmp_path, data)
    assert code == 0
    assert "strategy.symbol ETHUSDT is not in the data, which is of XYZUSDT" in err


def test_a_run_that_does_nothing_says_why(tmp_path: Path, mmctl: Mmctl, good: Lines) -> None:
    start = next(at for at, line in enumerate(good) if b"lastUpdateId" in line)
    early = [line for line in good[: start + 3] if b"bookTicker" not in line]
    data = recordings.write(tmp_path / "short.gz", [*early[:2], good[start], *early[-3:]])
    code, _, err = _run(mmctl, tmp_path, data)
    assert (code, "no order was placed; at the end:" in err) == (0, True) or code == 1, err


STRATEGY = '''"""A strategy of the user's."""
from engine.kernel.layout import (OUT_ASK_LOTS, OUT_ASK_TICKS, OUT_BID_LOTS, OUT_BID_TICKS, VIEW_ASK_TICKS,
                                  VIEW_BID_TICKS, VIEW_POSITION_LOTS)
import numpy as np


def quote(now_ns, view, signals, params, out):
BODY
    out[OUT_BID_TICKS] = np.int64(mid - 3.0)
    out[OUT_ASK_TICKS] = np.int64(mid + 4.0)
    out[OUT_BID_LOTS] = out[OUT_ASK_LOTS] = 10
    return 0
'''


@pytest.mark.parametrize(
    ("body", "code", "cause"),
    [
        ("    mid = np.nan", 10, "mine.py:9: ValueError: cannot convert float NaN to integer"),
        (
            "    mid = 0.5 * (view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS])\n    if now_ns > 1:\n        mid = np.nan",
            10,
            r"mine.py:11: ValueError: cannot convert float NaN to integer \(decision of 2024-08-08T",
        ),
        ("    mid = view.no_such_thing", 10, r"mine.py:\d+: "),
        ("    mid = (", 10, r"mine.py:\d+: "),
        ("    mid = undefined_name", 10, r"mine.py:\d+: "),
    ],
    ids=["nan", "nan-later", "does-not-compile", "syntax", "name"],
)
def test_a_strategy_that_cannot_be_used_is_named_by_file_and_line(
    tmp_path: Path, mmctl: Mmctl, good: Lines, body: str, code: int, cause: str
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(STRATEGY.replace("BODY", body))
    data = recordings.write(tmp_path / "good.gz", good)
    found, out, err = _run(mmctl, tmp_path, data, f"mine\n  file: {mine}")
    assert found == code, err
    assert re.search(cause, err), err
    assert "pnl" not in out


def test_the_same_strategy_without_its_fault_trades(tmp_path: Path, mmctl: Mmctl, good: Lines) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(STRATEGY.replace("BODY", "    mid = 0.5 * (view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS])"))
    data = recordings.write(tmp_path / "good.gz", good)
    code, out, err = _run(mmctl, tmp_path, data, f"mine\n  file: {mine}")
    assert code == 0, err
    assert "pnl total" in out
    with gzip.open(data) as lines:
        assert lines.readline()


def test_the_strategy_shown_in_the_documentation_trades(tmp_path: Path, mmctl: Mmctl, good: Lines) -> None:
    page = (ROOT / "docs" / "backtesting.md").read_text()
    shown = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    mine = tmp_path / "mine.py"
    mine.write_text(shown[1])
    data = recordings.write(tmp_path / "good.gz", good)
    code, out, err = _run(mmctl, tmp_path, data, f"mine\n  file: {mine}\n  params: {{away: 5}}")
    assert code == 0, err
    assert "no order was placed" not in err
    assert "pnl total" in out


def test_the_documentation_names_every_queue_model() -> None:
    page = (ROOT / "docs" / "backtesting.md").read_text()
    assert [name for name in MODELS if f"`{name}`" not in page] == []
