"""What a backtest's account and the sandbox's open with."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from engine.backtest.holdings import MOST_E8, assets_of, balance_notes, purses
from engine.backtest.settings import Simulation
from engine.config.load import load_text
from engine.config.schema import Config
from engine.kernel.account.purse import (
    MARGIN,
    PURSE_BASE,
    PURSE_BASE_KEPT,
    PURSE_KIND,
    PURSE_LEVERAGE,
    PURSE_QUOTE,
    SPOT,
)
from engine.kernel.account.purse import UNBOUNDED as FREE
from engine.sandbox.errors import SandboxError
from engine.sandbox.foreground import read_balances
from engine.sandbox.matching.ledger import ClientAccount, deposit
from engine.sandbox.settings import AMPLE, DEFAULT_ACCOUNTS, Settings, holding
from engine.trade import Market

CONFIG = """
environment: testnet
exchange: {{name: binance, testnet: true, api_key: k, api_secret: s, market: {market}, leverage: 3}}
strategy: {{symbol: ETHUSDT, base_size: 0.1, max_inventory: 0.5}}
risk: {{daily_loss_limit: 100, max_drawdown_limit: 0.1, max_position: 1}}
paper: {{balances: {balances}}}
"""


def config(balances: str = "{}", market: str = "spot") -> Config:
    return load_text(CONFIG.format(balances=balances, market=market))


def columns(*symbols: str) -> list[Any]:
    return [SimpleNamespace(symbol=symbol, tick_e8=10**6, lot_e8=10**5) for symbol in symbols]


@pytest.mark.parametrize(
    ("symbol", "named", "assets"),
    [
        ("ETHUSDT", ("ETH", "USDT"), ("ETH", "USDT")),
        ("ETHUSDT", ("ETH",), ("ETH", "USDT")),
        ("BTCTUSD", (), ("BTC", "TUSD")),
        ("BTCUSDC_250328", ("USDC",), ("BTC", "USDC")),
        ("FOOBAR", ("FOO", "BAR"), ("FOO", "BAR")),
        ("BNBBTC", (), ("BNB", "BTC")),
    ],
)
def test_a_symbol_is_split_by_what_is_held(symbol: str, named: tuple[str, ...], assets: tuple[str, str]) -> None:
    assert assets_of(symbol, named) == assets


def test_without_balances_nothing_is_bound_and_it_says_so() -> None:
    assert [int(purse[PURSE_KIND]) for purse in purses(columns("ETHUSDT"), config(), Simulation())] == [FREE]
    assert balance_notes(columns("ETHUSDT"), config()) == [
        "no balances given (paper.balances): the account could pay for every order"
    ]


def test_a_spot_account_opens_with_what_is_given_and_nothing_else() -> None:
    chosen = config("{USDT: 300.5}")
    (purse,) = purses(columns("ETHUSDT"), chosen, Simulation(maker_fee=0.001))
    assert (purse[PURSE_KIND], purse[PURSE_BASE], purse[PURSE_QUOTE]) == (SPOT, 0, 30_050_000_000)
    assert balance_notes(columns("ETHUSDT"), chosen) == [
        "ETHUSDT: the account opens with 0 ETH and 300.5 USDT, and orders are no larger than it pays for"
    ]


def test_symbols_that_use_one_asset_share_it_evenly() -> None:
    made = purses(columns("ETHUSDT", "BTCUSDT"), config("{USDT: 300, ETH: 2}"), Simulation())
    assert [int(purse[PURSE_QUOTE]) for purse in made] == [15_000_000_000] * 2
    assert [int(purse[PURSE_BASE]) for purse in made] == [200_000_000, 0]


def test_futures_open_with_a_wallet_at_the_configured_leverage() -> None:
    chosen = config("{USDT: 300}", "usdm")
    (purse,) = purses(columns("ETHUSDT"), chosen, Simulation())
    assert (purse[PURSE_KIND], purse[PURSE_QUOTE], purse[PURSE_LEVERAGE]) == (MARGIN, 30_000_000_000, 3)
    assert "300 USDT at leverage 3" in balance_notes(columns("ETHUSDT"), chosen)[0]


def test_the_asset_fees_are_taken_in_keeps_some_and_a_fortune_does_not_overflow() -> None:
    (purse,) = purses(columns("BNBUSDT"), config("{BNB: 1, USDT: 999999999999999}"), Simulation(maker_fee=0.00075))
    assert (purse[PURSE_BASE_KEPT], purse[PURSE_QUOTE]) == (750, MOST_E8)


def test_the_sandbox_opens_with_little_and_in_simulated_time_with_plenty() -> None:
    """A default account that can pay for everything would hide orders that a real one cannot."""
    assert Decimal(Settings().opening[0].spot["ETH"]) <= 1
    assert Settings(simulate=True).opening[0] == AMPLE
    own = holding(DEFAULT_ACCOUNTS, {"USDT": "5"}, {})
    assert replace(Settings(simulate=True), accounts=own).opening == own
    assert (own[0].spot, own[0].usdm, own[1]) == ({"USDT": "5"}, DEFAULT_ACCOUNTS[0].usdm, DEFAULT_ACCOUNTS[1])


def test_balances_are_read_per_market() -> None:
    assert read_balances(["USDT=300", "spot:eth=0.5", "usdm:USDT=70"]) == (
        {"USDT": "300", "ETH": "0.5"},
        {"USDT": "70"},
    )


@pytest.mark.parametrize("word", ["USDT", "=5", "coin:USDT=5", "USDT=-5", "USDT=1e3", "usdm:=5"])
def test_a_balance_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(SandboxError, match=r"--balances .*: expected"):
        read_balances([word])


def test_an_account_that_owes_takes_a_deposit_and_gives_nothing_away() -> None:
    """A trade of an order that was cancelled before may take more than is free."""
    account = ClientAccount("a", 1, {}, {})
    account.balance("USDT").free = -500
    deposit(account, Market.SPOT, "USDT", 200)
    assert account.balance("USDT").free == -300
    with pytest.raises(SandboxError, match="free on spot"):
        deposit(account, Market.SPOT, "USDT", -1)
    assert account.balance("USDT").free == -300
