"""What a backtest takes besides recordings: candles with a declared way within them, and funding of perpetuals."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.backtest.candles import CandleModel, candle_columns
from engine.backtest.driver import Result, run
from engine.backtest.funding import Funding, read_funding
from engine.backtest.metrics import MOST_RETURNS, ratios
from engine.backtest.paths import PathError
from engine.backtest.settings import Simulation
from engine.backtest.tape import TapeError, read_tapes
from tests.unit.test_backtest import config

START = datetime(2024, 8, 5, tzinfo=UTC)


def candles(target: Path, prices: list[float], header: str = "date,open,high,low,close,volume") -> Path:
    """A candle a minute; each opens where the one before closed and reaches a little beyond both."""
    rows = [header]
    before = prices[0]
    for minute, close in enumerate(prices):
        high, low = max(before, close) + 0.5, min(before, close) - 0.5
        rows.append(f"{START + timedelta(minutes=minute)},{before},{high},{low},{close},12.5")
        before = close
    target.write_text("\n".join(rows) + "\n")
    return target


def a_walk(minutes: int = 240) -> list[float]:
    steps = np.random.default_rng(4).normal(0.0, 1.0, minutes)
    return [round(float(price), 2) for price in 2500 + np.cumsum(steps)]


def on(path: Path, simulation: Simulation | None = None) -> Result:
    return run([path], config(requote_tolerance="0.5"), simulation)


def test_a_strategy_trades_on_candles_and_the_result_says_what_was_assumed(tmp_path: Path) -> None:
    found = on(candles(tmp_path / "ETHUSDT-1m.csv", a_walk()))
    assert found.fills
    assert {fill[1] for fill in found.fills} == {"ETHUSDT"}
    assert abs(found.pnl["total"]) > 0
    assert any("12 points, spread 1 bp, seed 1" in note for note in found.notes)
    again = on(candles(tmp_path / "ETHUSDT-1m.csv", a_walk()))
    assert again.decisions_sha256 == found.decisions_sha256


def test_another_way_within_the_candles_is_another_result(tmp_path: Path) -> None:
    path = candles(tmp_path / "ETHUSDT-1m.csv", a_walk())
    hashes = {
        on(path, Simulation(candles=model)).decisions_sha256
        for model in (CandleModel(), CandleModel(seed=2), CandleModel(steps=20), CandleModel(spread=0.0005))
    }
    assert len(hashes) == 4


def test_the_book_of_a_candle_stays_within_it_and_is_never_crossed(tmp_path: Path) -> None:
    prices = a_walk(30)
    columns = candle_columns(candles(tmp_path / "ETHUSDT-1m.csv", prices), CandleModel())
    ((_, tape),) = read_tapes([tmp_path / "ETHUSDT-1m.csv"])
    assert tape.live[1:].all()
    tops = columns.ticks[2:].reshape(-1, 5)
    assert (tops[:, 0] < tops[:, 2]).all()
    highest, lowest = max(prices) + 0.5, min(prices) - 0.5
    mids = (tops[:, 0] + tops[:, 2]) / 2 * columns.tick_e8 / 1e8
    assert (mids < highest + 0.2).all()
    assert (mids > lowest - 0.2).all()
    assert columns.lots.min() >= 0


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("2024-08-05 00:01:00+00:00,nan,2501,2499,2500,1", ":3: .*not a positive number"),
        ("2024-08-05 00:01:00+00:00,0,2501,0,2500,1", ":3: .*not a positive number"),
        ("2024-08-05 00:01:00+00:00,-5,2501,-6,2500,1", ":3: .*not a positive number"),
        ("2024-08-05 00:01:00+00:00,2500,2499,2501,2500,1", ":3: high"),
        ("2024-08-04 00:01:00+00:00,2500,2501,2499,2500,1", ":3: .*does not come after"),
        ("2024-08-05 00:01:00+00:00,2500,2501,2499,2500,-1", ":3: the volume -1"),
        ("yesterday,2500,2501,2499,2500,1", ":3: 'yesterday' is not a time"),
    ],
)
def test_a_bad_candle_is_named_by_file_and_line(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "ETHUSDT-1m.csv"
    first = "2024-08-05 00:00:00+00:00,2500,2501,2499,2500,1"
    path.write_text(f"date,open,high,low,close,volume\n{first}\n{line}\n")
    with pytest.raises(TapeError, match=f"ETHUSDT-1m.csv{cause}"):
        read_tapes([path])


def test_candles_need_a_name_columns_and_a_sane_model(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"-\.csv: the name does not begin with the symbol"):
        read_tapes([candles(tmp_path / "-.csv", a_walk(5))])
    with pytest.raises(TapeError, match=r"ETH\.csv:1: needs the columns date"):
        read_tapes([candles(tmp_path / "ETH.csv", a_walk(5), "a,b,c,d,e,f")])
    with pytest.raises(TapeError, match="at least 4 points"):
        read_tapes([candles(tmp_path / "ETHUSDT.csv", a_walk(5))], CandleModel(steps=2))
    (tmp_path / "XRPUSDT.csv").write_text("")
    with pytest.raises(TapeError, match=r"XRPUSDT\.csv:1: needs the columns date"):
        read_tapes([tmp_path / "XRPUSDT.csv"])


def _at(minute: float) -> int:
    return round((START + timedelta(minutes=minute)).timestamp() * 1e9)


def test_funding_is_paid_on_the_position_held_at_its_time(tmp_path: Path) -> None:
    path = candles(tmp_path / "ETHUSDT-1m.csv", a_walk())
    without = on(path)
    due = [Funding(_at(minute), "ETHUSDT", 0.001, 2600.0) for minute in (30.2, 77.7, 200.4)]
    found = on(path, Simulation(funding=tuple(due)))
    assert found.decisions_sha256 == without.decisions_sha256
    expected = 0.0
    for one in due:
        heard = [fill for fill in found.fills if fill[0] + 10_000_000 <= one.ns]
        held = sum(quantity if side == "buy" else -quantity for _, _, side, _, quantity, _ in heard)
        expected -= held * 2600.0 * 0.001
    assert expected != 0.0
    assert found.pnl["funding"] == pytest.approx(expected, abs=1e-6)
    assert found.pnl["total"] == pytest.approx(without.pnl["total"] + expected, abs=1e-6)


def test_funding_of_another_symbol_or_time_changes_nothing(tmp_path: Path) -> None:
    path = candles(tmp_path / "ETHUSDT-1m.csv", a_walk())
    foreign = (
        Funding(_at(30), "BTCUSDT", 0.01),
        Funding(_at(-5), "ETHUSDT", 0.01),
        Funding(_at(9999), "ETHUSDT", 0.01),
    )
    assert on(path, Simulation(funding=foreign)).pnl["funding"] == 0.0


def test_funding_comes_from_a_csv_or_from_the_mark_prices_of_a_recording(tmp_path: Path) -> None:
    table = tmp_path / "funding.csv"
    table.write_text("time,rate,mark,symbol\n2024-08-05 00:30:00,0.0001,2500,ETHUSDT\n1722819600000,-0.0002,,BTCUSDT\n")
    assert read_funding(table, ["ETHUSDT", "BTCUSDT"]) == [
        Funding(_at(30), "ETHUSDT", 0.0001, 2500.0),
        Funding(1722819600000 * 10**6, "BTCUSDT", -0.0002),
    ]
    recording = tmp_path / "recording.gz"
    due = _at(30) // 10**6
    told = [(-2, "0.0001", "2501.0", due), (-1, "0.00012", "2502.5", due), (1, "0.0003", "2503", due + 28_800_000)]
    with gzip.open(recording, "wb") as out:
        for seconds, rate, mark, at in told:
            event = due + seconds * 1000
            body = {"e": "markPriceUpdate", "E": event, "s": "ETHUSDT", "p": mark, "P": "2490", "r": rate, "T": at}
            frame = json.dumps({"stream": "ethusdt@markPrice", "data": body}, separators=(",", ":"))
            out.write(f"{event * 10**6} {frame}\n".encode())
    assert read_funding(recording, ["ETHUSDT"]) == [Funding(_at(30), "ETHUSDT", 0.00012, 2502.5)]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("time,price\n1,2\n", ":1: needs the columns time and rate"),
        ("time,rate\nnever,0.1\n", ":2: 'never' is not a time"),
        ("time,rate\n1722819600000,nan\n", ":2: rate nan .*makes no sense"),
        ("time,rate\n1722819600000,5\n", ":2: rate 5 .*makes no sense"),
        ("time,rate\n1722819600000,much\n", ":2: rate 'much'"),
        ("time,rate\n", ": no funding of ETHUSDT"),
    ],
)
def test_bad_funding_is_named_by_file_and_line(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "funding.csv"
    path.write_text(text)
    with pytest.raises(PathError, match=f"funding.csv{cause}"):
        read_funding(path, ["ETHUSDT"])


def test_a_long_curve_is_resampled_in_joined_periods() -> None:
    changes = np.random.default_rng(1).normal(0.1, 1.0, 8 * MOST_RETURNS)
    joined, _ = ratios(changes, 1.0)
    assert joined.value is not None
    assert joined.low is not None
    assert joined.high is not None
    exact = changes.mean() / changes.std() * np.sqrt(365 * 86400)
    assert joined.low < exact < joined.high
