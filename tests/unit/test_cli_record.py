"""``mmctl record convert``: the same backtest from columns as from the recording, and nothing written from bad data."""

import gzip
import json
from pathlib import Path

import pytest

from engine.market.columns import open_columns
from engine.trade import Market
from tests.sandbox import recordings
from tests.unit.conftest import Mmctl
from tests.unit.test_backtest_refusals import CONFIG

SYMBOL = "ETHUSDT"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    return recordings.write(folder / "r.gz", recordings.lines(Market.USDM, SYMBOL, 300))


def exchange_info(folder: Path, tick: str) -> Path:
    filters = [{"filterType": "PRICE_FILTER", "tickSize": tick}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]
    file = folder / "info.json"
    file.write_text(json.dumps({"symbols": [{"symbol": SYMBOL, "filters": filters}]}))
    return file


def test_a_backtest_on_the_columns_takes_the_recordings_decisions(
    mmctl: Mmctl, recording: Path, tmp_path: Path
) -> None:
    said = mmctl("record", "convert", str(recording), "--out", str(tmp_path / "r.mmc"), "--json")
    assert said.code == 0, said.err
    (found,) = [event for event in said.events if event["event"] == "result"]
    with gzip.open(recording) as file:
        assert (found["symbol"], found["frames"], found["bad_lines"]) == (SYMBOL, len(file.readlines()), 0)
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("STRATEGY", "basic"))
    runs = [
        mmctl("backtest", "run", "--config", str(config), "--data", str(data), "--json")
        for data in (recording, tmp_path / "r.mmc")
    ]
    told = [next(e for e in run.events if e["event"] == "result") for run in runs]
    assert told[0]["decisions_sha256"] == told[1]["decisions_sha256"]
    assert told[0]["orders"] == told[1]["orders"] > 0


def test_the_exchanges_own_sizes_can_be_given(mmctl: Mmctl, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.mmc"
    given = ("--exchange-info", str(exchange_info(tmp_path, "0.001")), "--symbol", SYMBOL)
    assert mmctl("record", "convert", str(recording), "--out", str(out), *given).code == 0
    assert open_columns(out).tick_e8 == 100_000
    assert mmctl("record", "convert", str(recording), "--out", str(out), *given[:2]).code == 2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: [*rows[:9], b"17 not a frame", *rows[9:]], ":10: "),
        (lambda rows: rows[1:], "no depth snapshot"),
        (lambda rows: [], "r.gz"),
    ],
    ids=["a garbage line", "no snapshot", "empty"],
)
def test_from_bad_data_nothing_is_written_and_the_place_is_named(
    mmctl: Mmctl, recording: Path, tmp_path: Path, spoil: object, says: str
) -> None:
    with gzip.open(recording) as file:
        rows = file.read().splitlines()
    bad = recordings.write(tmp_path / "r.gz", spoil(rows))  # type: ignore[operator]
    out = tmp_path / "r.mmc"
    said = mmctl("record", "convert", str(bad), "--out", str(out))
    assert said.code == 1
    assert says in said.err
    assert "Traceback" not in said.err
    assert not out.exists()


def test_what_cannot_be_read_or_written_is_named(mmctl: Mmctl, recording: Path, tmp_path: Path) -> None:
    missing = mmctl("record", "convert", str(tmp_path / "none.gz"), "--out", str(tmp_path / "o"))
    assert (missing.code, "none.gz" in missing.err) == (1, True)
    nowhere = mmctl("record", "convert", str(recording), "--out", str(tmp_path / "no" / "o"))
    assert (nowhere.code, "no/o" in nowhere.err) == (1, True)
    (tmp_path / "junk").write_text("{}")
    junk = ("--exchange-info", str(tmp_path / "junk"), "--symbol", SYMBOL)
    said = mmctl("record", "convert", str(recording), "--out", str(tmp_path / "o"), *junk)
    assert (said.code, "junk: exchangeInfo is not" in said.err) == (1, True)


def test_of_two_files_the_bad_line_is_named_and_not_the_cut_before_it(
    mmctl: Mmctl, recording: Path, tmp_path: Path
) -> None:
    with gzip.open(recording) as file:
        rows = file.read().splitlines()
    whole = recordings.write(tmp_path / "a.gz", rows[:400]).read_bytes()
    (tmp_path / "a.gz").write_bytes(whole[:-12])
    bad = recordings.write(tmp_path / "b.gz", [*rows[400:403], b"17 not a frame", *rows[403:]])
    said = mmctl("record", "convert", str(tmp_path / "a.gz"), str(bad), "--out", str(tmp_path / "o"))
    assert said.code == 1
    assert "b.gz:4: " in said.err
    assert not (tmp_path / "o").exists()
