"""Every strategy, in any book, with any inventory and any signals: sane, within the inventory, never crossing."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel import layout as at
from engine.kernel.quoting.actions import sane
from engine.kernel.quoting.checks import Reason
from engine.models.glft import closed_form
from engine.strategy.adaptive import ADVERSE_DEFAULT
from engine.strategy.glft import glft_terms
from engine.strategy.parameters import Sizing, StrategyError, fill_params
from engine.strategy.registry import STRATEGIES, strategy

SIZING = Sizing(Decimal("0.01"), Decimal("0.001"), Decimal("0.1"), Decimal("0.5"), 0.0002)
NUMBER = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-300, 1e300, math.inf, -1.0]))


def book(bid: int = 268_100, spread: int = 2, position: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    view = np.zeros(at.VIEW_SIZE, np.int64)
    view[at.VIEW_BID_TICKS], view[at.VIEW_ASK_TICKS], view[at.VIEW_POSITION_LOTS] = bid, bid + spread, position
    view[at.VIEW_SIZE_PERMILLE] = view[at.VIEW_SPREAD_PERMILLE] = 1000
    return view


def quotes(
    name: str, view: np.ndarray[tuple[int], np.dtype[np.int64]], signals: dict[int, float] | None = None, **given: float
) -> list[int]:
    found = strategy(name)
    filled = np.full(at.SIGNALS_SIZE, np.nan)
    for number, value in (signals or {}).items():
        filled[number] = value
    out = np.zeros(at.OUT_SIZE, np.int64)
    assert found.quote(1, view, filled, fill_params(found, SIZING, given), out) == 0
    return [int(value) for value in out]


MODEL = {at.SIGNAL_SIGMA: 10.69, at.SIGNAL_INTENSITY_A: 2.986162360812285, at.SIGNAL_INTENSITY_K: 0.04235741115084049}


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 10_000_000),
    st.integers(1, 5_000),
    st.integers(-600, 600),
    st.lists(NUMBER, min_size=at.SIGNALS_SIZE, max_size=at.SIGNALS_SIZE),
    st.integers(0, 1000),
)
def test_quotes_are_sane_within_the_inventory_and_never_cross(
    name: str, bid: int, spread: int, position: int, signals: list[float], size: int
) -> None:
    view = book(bid, spread, position)
    view[at.VIEW_SIZE_PERMILLE] = size
    found = strategy(name)
    out = np.zeros(at.OUT_SIZE, np.int64)
    assert found.quote(1, view, np.array(signals), fill_params(found, SIZING, {}), out) == 0
    assert sane(out)
    if out[at.OUT_BID_LOTS]:
        assert out[at.OUT_BID_TICKS] < bid + spread
        assert position + out[at.OUT_BID_LOTS] <= 500
    else:
        assert out[at.OUT_BID_REASON] != Reason.NONE
    if out[at.OUT_ASK_LOTS]:
        assert out[at.OUT_ASK_TICKS] > bid
        assert position - out[at.OUT_ASK_LOTS] >= -500
    else:
        assert out[at.OUT_ASK_REASON] != Reason.NONE


def test_basic_quotes_its_spread_around_the_mid_and_skews_against_the_inventory() -> None:
    out = quotes("basic", book(), base_spread=0.001, skew_factor=0.5)
    mid = 268_101.0
    assert out[at.OUT_BID_TICKS] == math.floor(mid - 0.0005 * mid)
    assert out[at.OUT_ASK_TICKS] == math.ceil(mid + 0.0005 * mid)
    long = quotes("basic", book(position=400), base_spread=0.001, skew_factor=0.5)
    shift = 0.5 * 0.8 * 0.0005 * mid
    assert long[at.OUT_BID_TICKS] == math.floor(mid - shift - 0.0005 * mid)
    assert long[at.OUT_BID_LOTS] == 100
    full = quotes("basic", book(position=500))
    assert (full[at.OUT_BID_LOTS], full[at.OUT_BID_REASON]) == (0, Reason.MAX_INVENTORY)


def test_the_breaker_shrinks_the_size_and_widens_the_spread() -> None:
    view = book()
    view[at.VIEW_SIZE_PERMILLE], view[at.VIEW_SPREAD_PERMILLE] = 250, 2000
    out = quotes("basic", view, base_spread=0.001, skew_factor=0.0)
    assert out[at.OUT_BID_LOTS] == 25
    assert out[at.OUT_BID_TICKS] == math.floor(268_101 - 0.001 * 268_101)


def test_glft_agrees_with_the_golden_vector_and_with_the_model() -> None:
    half, skew = glft_terms(0.05, 10.69, 2.986162360812285, 0.04235741115084049)
    assert half == pytest.approx(20.47208533844371, rel=1e-12)
    assert skew == pytest.approx(9.76326865029227, rel=1e-12)
    for gamma, sigma, a, k in ((0.01, 0.3, 0.9, 0.3), (0.5, 3.0, 10.0, 1.5), (1e-6, 1.0, 1.0, 1.0)):
        assert glft_terms(gamma, sigma, a, k) == pytest.approx(closed_form(gamma, sigma, a, k), rel=1e-12)


def test_glft_quotes_the_closed_form_and_leans_against_the_inventory() -> None:
    out = quotes("glft", book(), MODEL)
    assert (out[at.OUT_BID_TICKS], out[at.OUT_ASK_TICKS]) == (268_080, 268_122)
    assert out[at.OUT_FALLBACK] == 0
    long = quotes("glft", book(position=200), MODEL)
    assert long[at.OUT_BID_TICKS] == math.floor(268_101 - 2 * 9.76326865029227 - 20.47208533844371)


@pytest.mark.parametrize("name", ["glft", "adaptive"])
def test_without_its_signals_it_quotes_as_basic_and_says_so(name: str) -> None:
    plain = quotes("basic", book())
    for missing in MODEL:
        out = quotes(name, book(), {key: value for key, value in MODEL.items() if key != missing})
        assert out[:4] == plain[:4]
        assert out[at.OUT_FALLBACK] > 0


def test_adaptive_widens_with_the_regime_and_follows_the_expected_move_within_its_limit() -> None:
    def distance(**signals: float) -> tuple[int, int]:
        numbers = {
            "regime": at.SIGNAL_REGIME_MULTIPLIER,
            "move": at.SIGNAL_EXPECTED_MOVE,
            "vol": at.SIGNAL_VOL_FORECAST,
        }
        out = quotes("adaptive", book(), MODEL | {numbers[key]: value for key, value in signals.items()}, gamma=0.05)
        return out[at.OUT_BID_TICKS], out[at.OUT_ASK_TICKS]

    bid, ask = distance()
    wide = distance(regime=10.0)
    assert wide[0] < bid
    assert wide[1] > ask
    up = distance(move=5.0)
    assert (up[0] - bid, up[1] - ask) == (5, 5)
    assert distance(move=1e6)[0] - bid <= 0.5 * (ask - bid) / 2 + 1


def test_adaptive_never_quotes_below_what_a_fill_costs() -> None:
    calm = {at.SIGNAL_SIGMA: 0.0, at.SIGNAL_INTENSITY_A: 100.0, at.SIGNAL_INTENSITY_K: 50.0}
    out = quotes("adaptive", book(), calm)
    least = 0.0002 * 268_101 + 0.5
    assert out[at.OUT_BID_TICKS] == math.floor(268_101 - least)
    assert strategy("adaptive").parameters[ADVERSE_DEFAULT - at.PARAM_COMMON].default == 0.5


@pytest.mark.parametrize(("given", "named"), [({"base_spred": 0.1}, "base_spred"), ({"skew_factor": 99.0}, "99")])
def test_a_wrong_parameter_is_named(given: dict[str, float], named: str) -> None:
    with pytest.raises(StrategyError, match=named):
        fill_params(strategy("basic"), SIZING, given)


def test_sizes_below_a_lot_are_refused() -> None:
    small = Sizing(Decimal("0.01"), Decimal("0.001"), Decimal("0.0009"), Decimal("1"))
    with pytest.raises(StrategyError, match="less than one lot"):
        fill_params(strategy("basic"), small, {})
