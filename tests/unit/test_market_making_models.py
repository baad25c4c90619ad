"""The quoting models against published tables and their own exact solutions."""

import math
import re

import numpy as np
import pytest

from engine.models import avellaneda_stoikov as avs
from engine.models import glft
from engine.models.intensity import CalibrationError, fit_intensity, two_scale_volatility

REACH = 60

# Spread, profit, sd of profit and of inventory: the dynamic programme behind the 2008 paper's tables.
EXACT = {
    (0.1, "inventory"): (1.4918, 64.89254, 6.54315, 2.92679),
    (0.1, "symmetric"): (1.4918, 68.22276, 13.45575, 8.39944),
    (0.01, "inventory"): (1.3490, 68.39963, 8.96056, 5.21254),
    (0.01, "symmetric"): (1.3490, 68.66612, 13.67746, 8.71166),
}
CASES = sorted(EXACT)


def distances(gamma: float, strategy: str) -> tuple[avs.Setting, avs.Floats, avs.Floats]:
    setting = avs.Setting(gamma=gamma)
    quotes = avs.inventory_distances if strategy == "inventory" else avs.symmetric_distances
    return setting, *quotes(setting, REACH)


@pytest.mark.parametrize(("gamma", "strategy"), CASES)
def test_exact_moments_equal_the_tables(gamma: float, strategy: str) -> None:
    got = avs.exact_moments(*distances(gamma, strategy))
    spread, profit, profit_sd, inventory_sd = EXACT[gamma, strategy]
    assert got.spread == pytest.approx(spread, abs=5e-5)
    assert got.profit == pytest.approx(profit, abs=1e-4)
    assert got.profit_sd == pytest.approx(profit_sd, abs=1e-4)
    assert got.inventory_sd == pytest.approx(inventory_sd, abs=1e-4)


def test_the_symmetric_strategy_has_the_moments_of_its_closed_form() -> None:
    setting, bid, ask = distances(0.1, "symmetric")
    d, n = float(bid[0, 0]), setting.steps
    p = setting.intensity_a * setting.dt * math.exp(-setting.intensity_k * d)
    got = avs.exact_moments(setting, bid, ask)
    assert got.profit == pytest.approx(2 * n * p * d, rel=1e-12)
    variance = d**2 * 2 * n * p * (1 - p) + setting.sigma**2 * setting.dt * 2 * p * (1 - p) * n * (n + 1) / 2
    assert got.profit_sd == pytest.approx(math.sqrt(variance), rel=1e-10)


@pytest.mark.parametrize(("gamma", "strategy"), CASES)
def test_simulated_paths_agree_with_the_exact_moments(gamma: float, strategy: str) -> None:
    setting, bid, ask = distances(gamma, strategy)
    paths = 200_000
    exact, drawn = avs.exact_moments(setting, bid, ask), avs.simulate(setting, bid, ask, paths=paths, seed=7)
    assert abs(drawn.profit - exact.profit) < 3 * exact.profit_sd / math.sqrt(paths)
    assert abs(drawn.inventory - exact.inventory) < 3 * exact.inventory_sd / math.sqrt(paths)
    assert drawn.profit_sd == pytest.approx(exact.profit_sd, rel=3 / math.sqrt(paths))  # sd of a sd is ~ sd / sqrt(2n)
    assert drawn.spread == pytest.approx(exact.spread, abs=1e-3)


def test_another_seed_draws_other_paths_and_the_same_seed_the_same() -> None:
    case = distances(0.1, "inventory")
    assert avs.simulate(*case, paths=1000, seed=1) == avs.simulate(*case, paths=1000, seed=1)
    assert avs.simulate(*case, paths=1000, seed=1) != avs.simulate(*case, paths=1000, seed=2)


def test_a_long_inventory_lowers_the_reservation_price_and_time_narrows_the_spread() -> None:
    assert avs.reservation_price(100, 3, 0.1, 2, 0.5) == pytest.approx(99.4)
    assert avs.optimal_spread(0.1, 2, 1.5, 1.0) > avs.optimal_spread(0.1, 2, 1.5, 0.0)


def test_glft_equals_the_golden_vector() -> None:
    half, skew = glft.closed_form(0.05, 10.69, 2.986162360812285, 0.04235741115084049)
    assert half == pytest.approx(20.47208533844371, rel=1e-12)
    assert skew == pytest.approx(9.76326865029227, rel=1e-12)


def test_exact_glft_quotes_equal_the_papers_figures() -> None:
    exact = glft.exact_bid_distances(0.01, 0.3, 0.9, 0.3, limit=30)
    by_inventory = {0: 3.313045, 1: 3.381168, 5: 3.653480, 10: 3.992933, 20: 4.665542}
    assert {q: round(float(exact[q + 30]), 6) for q in by_inventory} == by_inventory
    assert glft.eta(0.01, 0.9, 0.3) == pytest.approx(0.3256783558, abs=1e-10)
    half, skew = glft.closed_form(0.01, 0.3, 0.9, 0.3)
    assert half == pytest.approx(3.312915, abs=1e-6)
    assert skew == pytest.approx(0.0678658325, abs=1e-10)


@pytest.mark.parametrize("bad", [{"gamma": 0.0}, {"intensity_a": -1.0}, {"sigma": math.nan}])
def test_glft_refuses_parameters_outside_its_domain(bad: dict[str, float]) -> None:
    good = {"gamma": 0.1, "sigma": 1.0, "intensity_a": 1.0, "intensity_k": 1.0}
    with pytest.raises(ValueError, match=re.escape(str(next(iter(bad.values()))))):
        glft.closed_form(**{**good, **bad})


def test_intensity_is_recovered_from_marks_drawn_with_it() -> None:
    rng = np.random.default_rng(3)
    a, k, floor, n = 2.0, 0.7, 0.5, 40_000
    seconds = n / (a * math.exp(-k * floor))
    fit = fit_intensity(floor + rng.exponential(1 / k, n), seconds, floor)
    assert fit.k == pytest.approx(k, rel=4 * fit.relative_error)
    assert fit.a == pytest.approx(a, rel=4 * fit.relative_error)
    assert fit.relative_error == pytest.approx(0.005)


def test_too_few_market_orders_are_no_estimate() -> None:
    with pytest.raises(CalibrationError, match="3 market orders"):
        fit_intensity(np.array([1.0, 2.0, 3.0]), 10.0, 0.5)


def test_two_scales_see_the_volatility_under_the_bounce() -> None:
    rng = np.random.default_rng(5)
    n, sigma = 40_000, 0.8
    times = np.arange(n, dtype=np.int64) * 1_000_000_000
    efficient = np.cumsum(rng.normal(0, sigma, n))
    bounced = efficient + rng.choice([-2.0, 2.0], n)
    plain = math.sqrt(float(np.mean(np.diff(bounced) ** 2)))
    assert plain > 3 * sigma
    assert two_scale_volatility(times, bounced, average=30) == pytest.approx(sigma, rel=0.15)
