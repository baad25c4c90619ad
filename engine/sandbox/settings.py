"""What a sandbox is started with: address, market, accounts, fees, limits and faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BTCUSDC", "ETHUSDC")


@dataclass(frozen=True, slots=True)
class KeySettings:
    """One API key. ``secret`` signs with HMAC-SHA256; ``ed25519_public`` is a PEM public key instead of it."""

    key: str
    secret: str = field(default="", repr=False)
    ed25519_public: str = ""
    trade: bool = True
    withdraw: bool = False


def _balances(**amounts: str) -> Mapping[str, str]:
    return MappingProxyType(amounts)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account: its keys and opening balances, in whole units of each asset as decimal text.

    They are modest, so that what an account cannot pay for is refused here as it is on Binance.
    """

    name: str
    keys: tuple[KeySettings, ...]
    spot: Mapping[str, str] = field(
        default_factory=lambda: _balances(USDT="10000", USDC="10000", BTC="0.1", ETH="1", BNB="1")
    )
    usdm: Mapping[str, str] = field(default_factory=lambda: _balances(USDT="10000", USDC="10000"))
    hedge_mode: bool = False  # futures: two positions a symbol; an order without a side of them is refused (-4061)
    multi_assets: bool = False  # futures: every asset is margin for every position
    isolated: tuple[str, ...] = ()  # futures symbols on isolated margin
    portfolio: bool = False  # a portfolio margin account


DEFAULT_KEY = KeySettings("sandbox-key", "sandbox-secret")
SENTINEL_KEY = KeySettings("sandbox-sentinel-key", "sandbox-sentinel-secret")
WITHDRAW_KEY = KeySettings("sandbox-withdraw-key", "sandbox-withdraw-secret", withdraw=True)
SECOND_KEY = KeySettings("second-key", "second-secret")

DEFAULT_ACCOUNTS = (
    AccountSettings("sandbox", (DEFAULT_KEY, SENTINEL_KEY, WITHDRAW_KEY)),
    AccountSettings("second", (SECOND_KEY,)),
)


AMPLE = replace(
    DEFAULT_ACCOUNTS[0],
    spot=_balances(USDT="1000000", USDC="1000000", BTC="10", ETH="200", BNB="10"),
    usdm=_balances(USDT="1000000", USDC="1000000"),
)
"""The default account in simulated time, where it is compared with a backtest, which none binds unless it is given."""


def holding(
    accounts: tuple[AccountSettings, ...], spot: Mapping[str, str], usdm: Mapping[str, str]
) -> tuple[AccountSettings, ...]:
    """The accounts, the first of them opening with other balances; an empty mapping leaves a market's as they are."""
    first, *others = accounts
    if not spot and not usdm:
        return accounts
    return (replace(first, spot=spot or first.spot, usdm=usdm or first.usdm), *others)


@dataclass(frozen=True, slots=True)
class Fees:
    """Fractions of notional in units of 1e-8; negative is a rebate."""

    spot_maker_e8: int = 100_000  # 0.1 %
    spot_taker_e8: int = 100_000
    usdm_maker_e8: int = 20_000  # 0.02 %
    usdm_taker_e8: int = 50_000  # 0.05 %


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Request weight per minute and address; orders per account. ``enabled`` False counts but never refuses."""

    enabled: bool = True
    spot_weight: int = 6000
    usdm_weight: int = 2400
    spot_orders_10s: int = 100
    spot_orders_day: int = 200_000
    usdm_orders_10s: int = 300
    usdm_orders_minute: int = 1200
    strikes_to_ban: int = 10  # refused requests in one minute before 418
    ban_s: int = 120


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a sandbox needs to start.

    ``speed`` 1 is the recording's own pace, 0 as fast as the readers take it. ``lockstep`` sends one frame, as
    recorded, and waits for its acknowledgement before the next. ``simulate`` plays one recording once in its own time:
    orders take the latencies in that time and meet it as in a backtest; it pauses after ``hold_s``. ``symbols`` adds
    synthetic markets; the default is all listed symbols, or none where ``data`` is given.
    """

    host: str = "127.0.0.1"
    port: int = 0
    listen_fd: int | None = None  # a listening socket inherited from the process that started us, in place of port
    data: tuple[Path, ...] = ()
    speed: float = 1.0
    seed: int = 1
    symbols: tuple[str, ...] = ()
    temper: str = "usual"  # of the synthetic markets' flow: usual or lively
    accounts: tuple[AccountSettings, ...] = DEFAULT_ACCOUNTS
    fees: Fees = Fees()
    limits: RateLimits = RateLimits()
    faults: tuple[Mapping[str, Any], ...] = ()
    loop: bool = True
    lockstep: bool = False
    simulate: bool = False
    hold_s: float = 0.0
    paused: bool = False
    queue_model: str = "power_prob"
    queue_n: float = 2.0
    partial_fills: bool = True
    listen_key_ms: int = 3_600_000
    entry_latency_ms: float = 0.0  # from a trading request's arrival to the exchange's matching
    response_latency_ms: float = 0.0  # from there to its answer
    latency_spread: float = 0.0  # simulate: lognormal around the two, by ``seed``, as a backtest draws them

    @property
    def opening(self) -> tuple[AccountSettings, ...]:
        """The accounts as they open; in simulated time the usual one is ample."""
        if self.simulate and self.accounts == DEFAULT_ACCOUNTS:
            return (AMPLE, *DEFAULT_ACCOUNTS[1:])
        return self.accounts
