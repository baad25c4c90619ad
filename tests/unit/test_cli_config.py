"""``mmctl config``, ``init`` and ``query``: broken files, whole files, and a journal that can only be read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mmctl.release.packed import TEMPLATES
from tests.needs import ROOT
from tests.unit.conftest import Mmctl

BROKEN = """exchange: {name: binance, api_key: "${NO_SUCH_VARIABLE}"}
strategy:
  symbol: ETHUSDT
  base_spred: 0.001
  base_size: 0.1
  max_inventory: 1
  tick_interval: soon
risk: {daily_loss_limit: -5, max_drawdown_limit: 0.05, max_position: 2}
"""


def test_every_error_comes_at_once_with_its_line_and_the_nearest_key(mmctl: Mmctl, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    said = mmctl("config", "check", str(file), "--json")
    assert said.code == 10
    *errors, last = said.events
    lines = {error["line"]: error for error in errors}
    assert {1, 4, 7, 8} <= set(lines)
    assert "NO_SUCH_VARIABLE" in lines[1]["message"]
    assert "base_spread" in lines[4]["suggestion"]
    assert last["event"] == "error"
    for number in (1, 4, 7, 8):
        assert f"{file}:{number}:" in said.err


@pytest.mark.parametrize("text", ["strategy: [", "a: b: c", "\t- x", "", "- just\n- a list\n", "\x00"])
def test_what_is_no_configuration_at_all_exits_10_without_a_traceback(text: str, mmctl: Mmctl, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    said = mmctl("config", "check", str(file))
    assert said.code == 10
    assert str(file) in said.err
    assert "Traceback" not in said.err


def test_a_missing_file_and_an_unknown_target_are_told_apart(mmctl: Mmctl, fleet: Path) -> None:
    assert mmctl("config", "check", "nowhere.yaml").code == 10
    said = mmctl("config", "check", "hree")
    assert said.code == 2
    assert "did you mean 'here'" in said.err


def test_a_target_means_its_own_config_and_a_broken_fleet_exits_10(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> None:
    assert mmctl("config", "check", "here").code == 0
    assert mmctl("config", "check", str(fleet)).code == 0
    fleet.write_bytes(b"\xef\xbb\xbf" + fleet.read_bytes().replace(b"\n", b"\r\n"))
    assert mmctl("config", "check", str(fleet)).code == 0, "as an editor of Windows saves it"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("targets:\n  a:\n    hosts: [{addres: 10.0.0.1}]\n")
    said = mmctl("config", "check", str(wrong))
    assert said.code == 10
    assert "address" in said.err


def test_show_masks_secrets_and_fills_in_defaults(
    mmctl: Mmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_SECRET", "hunter2-very-secret")
    for arguments in (("--json",), ()):
        said = mmctl("config", "show", str(ROOT / "configs/config.yaml"), *arguments)
        assert said.code == 0, said.err
        assert "hunter2" not in said.out + said.err
        assert "recv_window" in said.out


def test_diff_tells_what_reloads_from_what_needs_a_restart(mmctl: Mmctl, tmp_path: Path) -> None:
    old = (ROOT / "configs/config.yaml").read_text()
    changed = old.replace("  base_spread: 0.001\n", "  base_spread: 0.002\n").replace(
        "  market: spot\n", "  market: usdm\n"
    )
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(changed)
    said = mmctl("config", "diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml"), "--json")
    changes = {change["path"]: change["reloadable"] for change in said.events[0]["changes"]}
    assert changes == {"strategy.base_spread": True, "exchange.market": False}
    same = mmctl("config", "diff", str(tmp_path / "old.yaml"), str(tmp_path / "old.yaml"))
    assert same.out == "no difference\n"


def test_init_writes_an_installation_that_checks_and_touches_nothing_that_exists(mmctl: Mmctl, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert mmctl("init", str(folder)).code == 0
    for name in TEMPLATES:
        assert (folder / name).is_file()
    assert (folder / "sandbox.env").stat().st_mode & 0o077 == 0
    assert mmctl("config", "check", str(folder / "fleet.yaml")).code == 0
    assert mmctl("config", "check", str(folder / "config.yaml")).code == 0
    token = (folder / "sandbox.env").read_text()
    (folder / "config.yaml").write_text("mine")
    (folder / "rollout.yaml").unlink()
    again = mmctl("init", str(folder), "--json")
    assert again.events[0]["written"] == ["rollout.yaml"]
    assert (folder / "config.yaml").read_text() == "mine"
    assert (folder / "sandbox.env").read_text() == token
    assert mmctl("init", str(folder / "config.yaml")).code == 7


@pytest.fixture
def journal(fleet: Path, tmp_path: Path) -> Path:
    path = tmp_path / "root/shared/data/journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE trades (trade_id INTEGER, price TEXT)")
        db.executemany("INSERT INTO trades VALUES (?, ?)", [(i, f"{i}.5") for i in range(5)])
        db.commit()
    return path


def test_a_query_reads_rows(mmctl: Mmctl, journal: Path) -> None:
    said = mmctl("query", "here", "SELECT trade_id, price FROM trades ORDER BY 1", "--json")
    assert said.code == 0, said.err
    assert [event["price"] for event in said.events[:-1]] == ["0.5", "1.5", "2.5", "3.5", "4.5"]
    assert "4.5" in mmctl("query", "here", "select max(price) as top from trades").out


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM trades",
        "WITH x AS (SELECT 1) DELETE FROM trades",
        "SELECT 1; DELETE FROM trades",
        "PRAGMA user_version=7",
        "VALUES (1); DROP TABLE trades",
    ],
)
def test_a_query_can_change_nothing(sql: str, mmctl: Mmctl, journal: Path) -> None:
    mmctl("query", "here", sql)
    with closing(sqlite3.connect(journal)) as db:
        assert db.execute("SELECT count(*) FROM trades").fetchone() == (5,)
        assert db.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_wrong_or_endless_query_ends_with_the_journals_own_words(mmctl: Mmctl, journal: Path) -> None:
    said = mmctl("query", "here", "SELECT nosuch FROM trades")
    assert said.code == 1
    assert "no such column" in said.err
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    said = mmctl("query", "here", endless, "--deadline", "3s")
    assert said.code == 1
    assert "longer than" in said.err


def test_a_journal_that_is_not_there_is_said(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("query", "here", "SELECT 1")
    assert said.code == 1
    assert "there is no journal at" in said.err
