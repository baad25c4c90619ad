"""``mmctl report backtest``: one page that needs no network and says what the kept run says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.trade import Market
from tests.sandbox import recordings
from tests.unit.conftest import Mmctl
from tests.unit.test_backtest_refusals import CONFIG


@pytest.fixture
def kept(mmctl: Mmctl, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A kept run of the basic strategy, and its result as it was told."""
    recording = recordings.write(tmp_path / "r.gz", recordings.lines(Market.USDM, "ETHUSDT", 300))
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("STRATEGY", "basic"))
    out = tmp_path / "evening"
    said = mmctl("backtest", "run", "--config", str(config), "--data", str(recording), "--out", str(out), "--json")
    assert said.code == 0, said.err
    return out, next(event for event in said.events if event["event"] == "result")


def test_the_page_holds_the_runs_numbers_and_nothing_from_elsewhere(
    mmctl: Mmctl, kept: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, result = kept
    said = mmctl("report", "backtest", str(out), "--out", str(tmp_path / "page.html"), "--json")
    assert said.code == 0, said.err
    page = (tmp_path / "page.html").read_text()
    told = next(event for event in said.events if event["event"] == "result")
    assert (told["page"], told["bytes"]) == (str(tmp_path / "page.html"), len(page.encode()))
    assert result["decisions_sha256"] in page
    assert f"orders<b class=''>{result['orders']:,}</b>" in page
    assert re.search(rf"profit<b class='\w*'>{result['pnl']['total']:,.4f}</b>", page)
    equity = re.findall(r'Plotly\.newPlot\(\s*"[\w-]+",\s*(\[.*?\]),\s*\{"template"', page, re.DOTALL)
    assert json.loads(equity[0])[0]["name"] == "ETHUSDT"
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page), "it opens without a network"


@pytest.mark.parametrize(("run", "out"), [("none", "p.html"), ("evening", "no/p.html")])
def test_what_cannot_be_read_or_written_is_named(
    mmctl: Mmctl, kept: tuple[Path, dict[str, Any]], tmp_path: Path, run: str, out: str
) -> None:
    said = mmctl("report", "backtest", str(tmp_path / run), "--out", str(tmp_path / out))
    assert said.code == 1
    assert str(tmp_path / (run if run == "none" else out)) in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / out).exists()
