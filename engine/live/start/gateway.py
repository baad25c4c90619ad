"""The gateway the configuration asks for, and the checks of the account that come before the first order."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.config.schema import Config
from engine.config.secret import Secret
from engine.live.failures import Exit, StartError
from engine.trade import Account, Instrument, Market, VenueCause
from engine.venue.clock import RecordedClock
from engine.venue.protocol import VenueError, VenueEvent

if TYPE_CHECKING:
    from engine.venue.binance.endpoints import Endpoints
    from engine.venue.binance.gateway import BinanceGateway
    from engine.venue.binance.signing import Credentials
    from engine.venue.ccxt.gateway import CcxtGateway
    from engine.venue.live_gateway import LiveGateway
    from engine.venue.paper.gateway import PaperGateway

CONNECT_S: Final = 30.0  # all of reaching the exchange at the start
PROBE_S: Final = 5.0


def market_of(config: Config) -> Market:
    """The market that the configuration names."""
    return Market.SPOT if config.exchange.market == "spot" else Market.USDM


def open_gateway(config: Config, *, sentinel: bool = False) -> "LiveGateway":
    """The gateway, not started: paper, Binance's own path, or ccxt. ``sentinel`` uses its own key where there is one.

    Raises ``StartError`` (exit 10) naming the key that does not fit.
    """
    try:
        if config.paper.enabled:
            return _paper(config)
        if config.exchange.name == "binance" and config.exchange.native:
            return _binance(config, _credentials(config, sentinel=sentinel))
        return _ccxt(config, _credentials(config, sentinel=sentinel))
    except ValueError as error:
        raise StartError(Exit.CONFIG, str(error)) from None


def _binance(config: Config, credentials: "Credentials") -> "BinanceGateway":
    from engine.venue.binance.gateway import BinanceGateway, BinanceSettings
    from engine.venue.link import LinkTimes

    venue = config.venue
    settings = BinanceSettings(
        market_of(config),
        _places(config),
        credentials,
        order_deadline_s=venue.order_timeout.seconds,
        request_deadline_s=venue.request_timeout.seconds,
        recv_window_ms=config.exchange.recv_window.ms,
        market_times=LinkTimes(stale_after_s=venue.stream_timeout.seconds),
        recorded=_recorded(config),
    )
    return BinanceGateway(settings)


def _paper(config: Config) -> "PaperGateway":
    from engine.venue.link import LinkTimes
    from engine.venue.paper.gateway import PaperGateway, PaperSettings

    settings = PaperSettings(
        market_of(config),
        _places(config),
        dict(config.paper.balances),
        base_opening=config.risk.max_position,
        latency_s=config.paper.latency.seconds,
        request_deadline_s=config.venue.request_timeout.seconds,
        market_times=LinkTimes(stale_after_s=config.venue.stream_timeout.seconds),
    )
    return PaperGateway(settings)


def _ccxt(config: Config, credentials: "Credentials") -> "CcxtGateway":
    from engine.venue.ccxt.gateway import CcxtGateway
    from engine.venue.ccxt.reads import CcxtSettings
    from engine.venue.ccxt.urls import Elsewhere

    exchange, venue = config.exchange, config.venue
    if _recorded(config) is not None:
        raise ValueError("venue.clock recording needs the native path: set exchange.native: true")
    elsewhere = Elsewhere(venue.rest, venue.stream or "", venue.ws_api or "") if venue.rest else None
    settings = CcxtSettings(
        exchange.name,
        market_of(config),
        credentials,
        request_deadline_s=venue.request_timeout.seconds,
        order_deadline_s=venue.order_timeout.seconds,
        stale_after_s=venue.stream_timeout.seconds,
        elsewhere=elsewhere,
        test_network=exchange.testnet,
        passphrase=exchange.passphrase,
        key_vouched_for=exchange.key_vouched_for,
    )
    return CcxtGateway(settings)


def _places(config: Config) -> "Endpoints":
    from engine.venue.binance.endpoints import endpoints

    venue = config.venue
    return endpoints(
        market_of(config),
        testnet=config.exchange.testnet,
        rest=venue.rest or "",
        stream=venue.stream or "",
        ws_api=venue.ws_api or "",
    )


def _credentials(config: Config, *, sentinel: bool) -> "Credentials":
    from engine.venue.binance.signing import Credentials

    own = config.sentinel
    if sentinel and own.api_key and own.api_secret:
        return Credentials(own.api_key, own.api_secret)
    if config.exchange.api_key is None:
        raise StartError(Exit.CONFIG, "exchange.api_key is missing")
    return Credentials(config.exchange.api_key, _secret(config))


def _recorded(config: Config) -> RecordedClock | None:
    if config.venue.clock == "wall":
        return None
    if config.environment != "sandbox" or not config.venue.stream:
        text = "venue.clock recording is for a sandbox only; remove it, or set environment: sandbox and venue.stream"
        raise StartError(Exit.CONFIG, text)
    return RecordedClock()


def _secret(config: Config) -> Secret:
    if config.exchange.private_key_file is not None:
        try:
            return Secret(config.exchange.private_key_file.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a PEM file"
            text = f"cannot read exchange.private_key_file {config.exchange.private_key_file}: {reason}"
            raise StartError(Exit.CONFIG, text) from None
    if config.exchange.api_secret is None:
        raise StartError(Exit.CONFIG, "exchange.api_secret is missing")
    return config.exchange.api_secret


def venue_failure(what: str, error: VenueError | TimeoutError) -> StartError:
    """A failed call at the start, with the exit code that tells an operator where to look."""
    refused = isinstance(error, VenueError) and (
        error.cause is VenueCause.NOT_AUTHORISED or error.http_status in (401, 403)
    )
    if refused:
        hint = "check key, secret and the addresses the key is restricted to"
        return StartError(Exit.AUTH, f"the exchange refuses the API key while {what}: {error}; {hint}")
    hint = "check venue.* addresses and the network; the engine starts once the exchange answers"
    text = str(error) or "no answer in time"
    return StartError(Exit.UNREACHABLE, f"the exchange cannot be reached while {what}: {text}; {hint}")


async def connect(
    config: Config, gateway: "LiveGateway", on_event: Callable[[VenueEvent], None]
) -> dict[str, Instrument]:
    """Start the gateway and return the instrument to trade, once key, clock and leverage are proved fit for it."""
    from engine.venue.ccxt.gateway import CcxtGateway

    symbol, what = config.strategy.symbol, "connecting"
    try:
        async with asyncio.timeout(CONNECT_S):
            await gateway.start(on_event)
            what = "reading what the key may do"
            refusal = (await gateway.scopes()).refusal()
            if refusal and isinstance(gateway, CcxtGateway):
                refusal += "; or set exchange.key_vouched_for: true once you have seen that it cannot"
            if refusal:
                raise StartError(Exit.REFUSED, refusal)
            what = "reading the instrument"
            instruments = await gateway.instruments([symbol])
            what = "reading how the account keeps positions and margin"
            refusal = (await gateway.modes(symbol)).refusal(symbol) if symbol in instruments else None
            if refusal:
                raise StartError(Exit.REFUSED, refusal)
            what = "setting the leverage"
            levered = gateway.market is Market.SPOT or await gateway.set_leverage(symbol, config.exchange.leverage)
    except (VenueError, TimeoutError) as error:
        raise await _why_not(gateway, what, error) from None
    if symbol not in instruments:
        raise StartError(Exit.CONFIG, f"strategy.symbol {symbol} is not traded on {config.exchange.market}")
    if not levered:
        raise StartError(Exit.REFUSED, f"the exchange did not confirm leverage {config.exchange.leverage} on {symbol}")
    if abs(gateway.clock.skew_ms) - gateway.clock.error_ms > config.risk.max_clock_skew.ms:
        text = f"this host's clock is {-gateway.clock.skew_ms / 1e3:+.3f} s from the exchange's"
        raise StartError(Exit.REFUSED, f"{text}, more than risk.max_clock_skew; set the clock (NTP) and start again")
    return instruments


async def _why_not(gateway: "LiveGateway", what: str, error: VenueError | TimeoutError) -> StartError:
    """A stream that does not come up does not say why; a refused key does, when it is asked for over REST."""
    failure = venue_failure(what, error)
    if failure.code is Exit.UNREACHABLE and what == "connecting":
        try:
            await asyncio.wait_for(gateway.scopes(), PROBE_S)
        except VenueError as probed:
            asked = venue_failure("asking what the key may do", probed)
            return asked if asked.code is Exit.AUTH else failure
        except TimeoutError:
            return failure
    return failure


def equity_of(account: Account, instrument: Instrument, mid: float) -> float:
    """The account's money in quote currency: what is held of quote and, on spot, of base at ``mid``."""
    free, locked = account.balances.get(instrument.quote, (Decimal(0), Decimal(0)))
    total = float(free + locked)
    if instrument.market is Market.SPOT:
        base_free, base_locked = account.balances.get(instrument.base, (Decimal(0), Decimal(0)))
        total += float(base_free + base_locked) * mid
    return total
