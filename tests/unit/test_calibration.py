"""``mmctl backtest calibrate``: a market drawn with A, k and sigma gives them back, and says where they are no law."""

import math
from pathlib import Path

import numpy as np
import pytest

from engine.backtest.calibration import calibrate
from engine.kernel.codec.frame import FRAME_BBO, FRAME_TRADE
from engine.market.columns import Columns, ColumnsReport, save
from engine.models.intensity import CalibrationError
from engine.trade import Market
from tests.sandbox import recordings
from tests.unit.conftest import Mmctl

A, K, SIGMA, SECONDS = 4.0, 0.02, 3.0, 20_000
FLOOR = 10.0  # far from the touch, and so coarse a decay that whole ticks do not show


def market(*, decay: bool = True, prints: int = 1, tied: bool = False, seed: int = 11) -> Columns:
    """A bookTicker a second on a random walk, and between them orders whose reaches decay exponentially, or do not.

    ``tied``: one order a second, at the very time of the next bookTicker, which already shows another mid.
    """
    rng = np.random.default_rng(seed)
    mids = 500_000 + np.cumsum(np.rint(rng.normal(0.0, SIGMA, SECONDS))).astype(np.int64)
    tickers = np.arange(SECONDS, dtype=np.int64) * 1_000_000_000
    n = rng.poisson(A * (SECONDS - 1))
    at = np.sort(rng.integers(1, tickers[-1], n)) // 1_000_000 * 1_000_000 + 1_000
    if tied:
        at = tickers[1:]
        n = at.size
    reach = rng.exponential(1 / K, n) if decay else rng.choice([12.0, 150.0], n)
    side = rng.choice(np.array([1, -1]), n)
    far = mids[(at - 1) // 1_000_000_000] + side * np.floor(reach).astype(np.int64)

    when = np.concatenate((tickers, np.repeat(at, prints)))
    kinds = np.concatenate((np.full(SECONDS, FRAME_BBO), np.full(n * prints, FRAME_TRADE))).astype(np.uint8)
    order = np.argsort(when, kind="stable")
    counts = np.where(kinds == FRAME_BBO, 2, 1)[order]
    start = np.concatenate(([0], np.cumsum(counts)))
    nearer = far[:, None] - side[:, None] * np.arange(prints)[None, ::-1]  # an order's prints, the furthest last
    bids_and_asks = np.stack((mids - 1, mids + 1), 1)
    ticks = [*bids_and_asks, *nearer.reshape(-1, 1)]
    sides = [*np.tile([1, -1], (SECONDS, 1)), *np.repeat(side, prints).reshape(-1, 1)]
    rows = np.concatenate([ticks[i] for i in order])
    whose = np.concatenate([sides[i] for i in order]).astype(np.int8)
    ids = np.arange(len(order), dtype=np.int64)
    return Columns(
        symbol="ETHUSDT", tick_e8=1_000_000, lot_e8=100_000, report=ColumnsReport(), kind=kinds[order],
        exch_ns=when[order], local_ns=when[order], first_id=ids, last_id=ids, prev_id=ids - 1, start=start, exch=ids,
        side=whose, ticks=rows, lots=np.ones(len(rows), np.int64),
    )  # fmt: skip


def test_a_market_drawn_with_a_k_and_sigma_gives_them_back() -> None:
    found = calibrate(market(), FLOOR)
    assert found.k == pytest.approx(K, rel=0.02)  # whole ticks take half a tick off each reach: 1 % of 1 / k
    assert found.a == pytest.approx(A, rel=0.02)
    assert found.sigma == pytest.approx(SIGMA, rel=0.03)
    assert found.orders == pytest.approx(A * SECONDS * math.exp(-K * FLOOR), rel=0.02)
    assert found.ks < 0.02
    assert found.tick == 0.01


def test_the_prints_of_one_order_are_one_order() -> None:
    one, three = calibrate(market(), FLOOR), calibrate(market(prints=3), FLOOR)
    assert (one.orders, one.k) == (three.orders, three.k)


def test_an_order_met_the_mid_before_the_bookticker_of_its_own_time() -> None:
    whole = market(tied=True)
    found = calibrate(whole, 0.0)
    tickers, trades = whole.kind == FRAME_BBO, whole.kind == FRAME_TRADE
    mids = whole.ticks[whole.start[:-1][tickers]] + 1
    reaches = whole.side[whole.start[:-1][trades]] * (whole.ticks[whole.start[:-1][trades]] - mids[:-1])
    assert found.k == pytest.approx(1 / float(reaches.mean()))


def test_a_decay_that_is_none_is_told() -> None:
    found = calibrate(market(decay=False), FLOOR).as_dict(0.05)
    assert found["ks"] > 3 * found["ks_bound"]
    assert found["decay_shown"] is False


def test_without_best_prices_or_trades_there_is_no_estimate() -> None:
    whole = market()
    for kind, says in ((FRAME_BBO, "no bookTicker"), (FRAME_TRADE, "no trades")):
        other = np.where(whole.kind == kind, 0, whole.kind).astype(np.uint8)
        values = {name: getattr(whole, name) for name in whole.__slots__}
        with pytest.raises(CalibrationError, match=says):
            calibrate(Columns(**{**values, "kind": other}), FLOOR)


def test_the_verb_tells_each_symbol_and_names_a_file_it_cannot_use(mmctl: Mmctl, tmp_path: Path) -> None:
    file = tmp_path / "eth.mmc"
    save(market(), file)
    said = mmctl("backtest", "calibrate", "--data", str(file), "--floor-ticks", str(FLOOR), "--json")
    assert said.code == 0, said.err
    (one,) = next(event for event in said.events if event["event"] == "result")["calibrations"]
    assert (one["symbol"], one["glft"]["gamma"]) == ("ETHUSDT", 0.05)
    assert one["glft"]["half_spread"] > math.log1p(0.05 / one["k"]) / 0.05
    short = recordings.write(tmp_path / "short.gz", recordings.lines(Market.USDM, "ETHUSDT", 20))
    refused = mmctl("backtest", "calibrate", "--data", str(short))
    assert (refused.code, "short.gz: " in refused.err, "Traceback" in refused.err) == (1, True, False)
