"""The backtester on real recordings: hftbacktest's fills, the result's contract, repeatability, and bad input."""

import gzip
import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from engine.backtest.driver import Result, run
from engine.backtest.metrics import max_drawdown, ratios, sortino, stationary_bootstrap
from engine.backtest.settings import LatencySpec, SettingsError, Simulation
from engine.backtest.tape import TapeError, read_tapes, tape_of
from engine.config.load import load_text
from engine.config.schema import Config
from engine.market.convert import convert, load
from tests.needs import data_file, need

ETH = "binance/recordings-2024-08-08/usdm-ethusdt.gz"
BTC = "binance/recordings-2024-08-08/usdm-btcusdt.gz"

CONFIG = """
environment: testnet
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy:
  name: NAME
  symbol: ETHUSDT
  base_spread: 0.0001
  base_size: 0.05
  max_inventory: 0.2
  skew_factor: 0.5
risk:
  daily_loss_limit: 1000
  max_drawdown_limit: 0.5
  max_position: 1
"""


def config(name: str = "basic", **strategy: str) -> Config:
    text = CONFIG.replace("NAME", name)
    for key, value in strategy.items():
        text = text.replace("  skew_factor: 0.5\n", f"  skew_factor: 0.5\n  {key}: {value}\n")
    return load_text(text)


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 12,000 frames of the ETH recording."""
    target = tmp_path_factory.mktemp("data") / "opening.gz"
    with gzip.open(data_file(ETH)) as whole, gzip.open(target, "wb", compresslevel=1) as part:
        for _ in range(12_000):
            part.write(whole.readline())
    return target


def test_every_fill_is_hftbacktests_under_each_queue_model() -> None:
    need(find_spec("hftbacktest") is not None, "hftbacktest (the bench extra)")
    from benchmarks.backtest import cases

    seen = set()
    for case in cases([data_file(ETH)]):
        case.ours()
        case.peers()
        assert case.our_fills == case.their_fills, case.name
        assert len(case.our_fills) > 100
        seen.add(tuple(case.our_fills))
    assert len(seen) == 2  # the queue model matters in this comparison


@pytest.mark.parametrize("name", ["spot-btcusdt", "cm-ethusd_perp"])
def test_every_fill_is_hftbacktests_on_other_markets_and_settings(name: str) -> None:
    need(find_spec("hftbacktest") is not None, "hftbacktest (the bench extra)")
    from benchmarks.backtest import THEIR_QUEUES, Setting, cases

    settings = (Setting(), Setting(1_000_000, 3, 0.00002, 0.3, 20), Setting(120_000_000, 10, 0.0002, 1.5, 1_000))
    fills = 0
    for case in cases([data_file(f"binance/recordings-2024-08-08/{name}.gz")], list(THEIR_QUEUES), settings):
        case.ours()
        case.peers()
        assert case.our_fills == case.their_fills, f"{case.name} {case.setting}"
        fills += len(case.our_fills)
    assert fills > 100


def test_the_result_keeps_the_contract(opening: Path) -> None:
    found = run([opening], config()).contract()
    assert found["events"] > 50_000
    assert found["orders"] > 10
    assert found["fills"]
    for ns, symbol, side, price, quantity, maker in found["fills"]:
        assert 1_723_161_255 * 10**9 < ns < 1_723_161_600 * 10**9
        assert (symbol, maker) == ("ETHUSDT", True)
        assert side in ("buy", "sell")
        assert 2_600 < price < 2_800
        assert 0 < quantity <= 0.2
    pnl = found["pnl"]
    parts = pnl["spread"] + pnl["inventory"] - pnl["fees"] + pnl["funding"] + pnl["hedge"]
    assert pnl["total"] == pytest.approx(parts, abs=1e-8)
    assert set(found["markouts"]) == {"0.1", "1", "5", "30", "60"}
    assert found["max_drawdown"] >= 0
    assert len(found["decisions_sha256"]) == 64


def test_fees_and_position_follow_from_the_fills(opening: Path) -> None:
    found = run([opening], config(), Simulation(maker_fee=0.0003))
    traded = sum(price * quantity for _, _, _, price, quantity, _ in found.fills)
    assert found.pnl["fees"] == pytest.approx(0.0003 * traded, rel=1e-6)
    assert found.measures.max_inventory <= 0.2
    assert found.measures.turnover == pytest.approx(traded, rel=1e-9)


@pytest.mark.parametrize("name", ["basic", "glft", "adaptive"])
def test_the_same_run_twice_takes_the_same_decisions(name: str, opening: Path) -> None:
    first, second = run([opening], config(name)), run([opening], config(name))
    assert first.decisions_sha256 == second.decisions_sha256
    assert first.fills == second.fills
    rows = np.ascontiguousarray(first.decisions, "<i8").tobytes()
    assert hashlib.sha256(rows).hexdigest() == first.decisions_sha256
    assert run([opening], config(name), Simulation(start_after_s=5.0)).decisions_sha256 != first.decisions_sha256


def test_a_column_file_gives_what_its_recording_gives(opening: Path, tmp_path: Path) -> None:
    convert([opening], tmp_path / "opening.col")
    assert run([tmp_path / "opening.col"], config()).fills == run([opening], config()).fills


def test_two_symbols_together_decide_as_they_do_alone() -> None:
    eth, btc = data_file(ETH), data_file(BTC)
    both = run([eth, btc], config())
    alone = run([eth], config())
    assert [fill for fill in both.fills if fill[1] == "ETHUSDT"] == alone.fills
    assert both.by_symbol["ETHUSDT"] == alone.pnl
    assert [row[0] for row in both.fills] == sorted(row[0] for row in both.fills)
    assert both.pnl["total"] == pytest.approx(sum(one["total"] for one in both.by_symbol.values()), abs=1e-8)


@pytest.mark.parametrize(
    "change",
    [
        lambda: Simulation(latency=LatencySpec(entry_ns=80_000_000, response_ns=80_000_000)),
        lambda: Simulation(latency=LatencySpec("lognormal", spread=1.0, seed=3)),
        lambda: Simulation(partial_fills=True),
        lambda: Simulation(queue_ticks=20),
        lambda: Simulation(overlap=True),
    ],
)
def test_each_assumption_changes_what_happens(change: Callable[[], Simulation], opening: Path) -> None:
    plain, changed = run([opening], config(), Simulation()), run([opening], config(), change())
    assert (plain.decisions_sha256, plain.fills) != (changed.decisions_sha256, changed.fills)


def test_a_user_strategy_by_path_runs_like_a_built_in_one(opening: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def quote(now_ns, view, signals, params, out):\n"
        "    out[0] = view[0]\n    out[1] = int(params[3])\n    return 0\n"
    )
    found: Result = run([opening], config("mine", file=str(file)))
    assert {fill[2] for fill in found.fills} == {"buy"}


def test_bad_data_names_the_file_and_the_cause(tmp_path: Path) -> None:
    empty, wrong = tmp_path / "empty.gz", tmp_path / "notes.txt"
    empty.write_bytes(gzip.compress(b""))
    wrong.write_text("not a recording\n")
    for path in (empty, wrong, tmp_path / "gone.gz", tmp_path):
        with pytest.raises(TapeError, match=path.name):
            run([path], config())
    with pytest.raises(TapeError, match="no data"):
        run([], config())


def test_data_without_a_snapshot_or_twice_the_same_symbol_is_refused(opening: Path, tmp_path: Path) -> None:
    headless = tmp_path / "headless.gz"
    with gzip.open(opening) as whole, gzip.open(headless, "wb") as part:
        part.writelines(line for line in whole if b"lastUpdateId" not in line)
    with pytest.raises(TapeError, match="snapshot"):
        run([headless], config())
    with pytest.raises(TapeError, match="already"):
        read_tapes([opening, opening])


def test_a_gap_in_the_feed_is_not_quoted_over(opening: Path, tmp_path: Path) -> None:
    holed = tmp_path / "holed.gz"
    with gzip.open(opening) as whole, gzip.open(holed, "wb") as part:
        lines = list(whole)
        diffs = [at for at, line in enumerate(lines) if b"depthUpdate" in line]
        del lines[diffs[300]]
        part.writelines(lines)
    tape = tape_of(load([holed]), "holed")
    off = int(np.flatnonzero(np.diff(tape.live.astype(int)) < 0)[0])
    assert not tape.live[off + 1 :].any()  # no second snapshot: not live again
    decisions = run([holed], config()).decisions
    assert decisions[-1, 0] <= tape.local_ns[off + 1] + 20_000_000
    assert (decisions[decisions[:, 0] >= tape.local_ns[off + 1]][:, 3] == 2).all()  # cancels only


@pytest.mark.parametrize(
    "bad",
    [
        Simulation(queue_model="psychic"),
        Simulation(latency=LatencySpec("quantum")),
        Simulation(latency=LatencySpec(response_ns=-1)),
    ],
)
def test_a_senseless_setting_is_named(bad: Simulation, opening: Path) -> None:
    with pytest.raises(SettingsError, match=r"psychic|quantum|negative"):
        run([opening], config(), bad)


def test_the_drawdown_is_the_greatest_fall_from_a_peak() -> None:
    assert max_drawdown(np.array([0.0, 3.0, 1.0, 4.0, -1.0, 2.0])) == 5.0
    assert max_drawdown(np.array([1.0, 2.0])) == 0.0


def test_ratios_of_a_known_sample_lie_in_their_interval() -> None:
    changes = np.random.default_rng(5).normal(0.1, 1.0, 4_000)
    found, _ = ratios(changes, 1.0)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    true = 0.1 * np.sqrt(365.25 * 86_400)
    assert found.low < true < found.high
    assert sortino(np.array([1.0, -1.0, 2.0])) == pytest.approx((2 / 3) / np.sqrt(1 / 3))


def test_too_few_or_flat_returns_give_no_ratio_instead_of_a_number() -> None:
    assert ratios(np.ones(5), 1.0)[0].value is None
    assert ratios(np.zeros(100), 1.0)[0].value is None


def test_the_bootstrap_keeps_blocks_together() -> None:
    table = stationary_bootstrap(1_000, 50, 10.0, 1)
    follows = np.diff(table, axis=1) % 1_000 == 1
    assert 0.87 < follows.mean() < 0.93  # nine of ten continue a block of mean length ten
