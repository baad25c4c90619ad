"""Where Binance is: its public addresses, its test network, or whatever the configuration names (a sandbox)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.trade import Market


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses without a path. ``account`` serves sapi (key restrictions), which futures hosts do not have."""

    rest: str
    stream: str
    ws_api: str
    account: str

    def market_stream(self, market: Market, streams: list[str]) -> str:
        """The address of one connection that brings all of ``streams``, named as Binance does (``btcusdt@depth``)."""
        path = "/stream" if market is Market.SPOT else "/public/stream"
        return f"{self.stream}{path}?streams={'/'.join(streams)}"

    def listen(self, listen_key: str) -> str:
        """The user stream of futures; spot brings it over the WebSocket API."""
        return f"{self.stream}/private/ws?listenKey={listen_key}"

    def orders(self, market: Market) -> str:
        """The WebSocket API; a configured address that already names its path is taken as it is."""
        if urlsplit(self.ws_api).path:
            return self.ws_api
        return self.ws_api + ("/ws-api/v3" if market is Market.SPOT else "/ws-fapi/v1")


_SPOT = Endpoints(
    "https://api.binance.com",
    "wss://stream.binance.com:9443",
    "wss://ws-api.binance.com:443",
    "https://api.binance.com",
)
_USDM = Endpoints(
    "https://fapi.binance.com", "wss://fstream.binance.com", "wss://ws-fapi.binance.com", "https://api.binance.com"
)
_SPOT_TEST = Endpoints(
    "https://testnet.binance.vision",
    "wss://stream.testnet.binance.vision",
    "wss://ws-api.testnet.binance.vision",
    "https://testnet.binance.vision",
)
_USDM_TEST = Endpoints(
    "https://testnet.binancefuture.com",
    "wss://fstream.binancefuture.com",
    "wss://testnet.binancefuture.com",
    "https://testnet.binance.vision",
)


def endpoints(
    market: Market, *, testnet: bool = False, rest: str = "", stream: str = "", ws_api: str = ""
) -> Endpoints:
    """The addresses to use. Once any is configured, all are expected to be, so that a sandbox never meets the world.

    Raises ValueError when only some are configured.
    """
    given = [name for name, url in (("rest", rest), ("stream", stream), ("ws_api", ws_api)) if url]
    if given and len(given) < 3:
        missing = sorted({"rest", "stream", "ws_api"} - set(given))
        raise ValueError(f"venue.{given[0]} is set and venue.{missing[0]} is not: set all three, or none")
    if given:
        base = rest.rstrip("/")
        return Endpoints(base, stream.rstrip("/"), ws_api.rstrip("/"), base)
    if testnet:
        return _SPOT_TEST if market is Market.SPOT else _USDM_TEST
    return _SPOT if market is Market.SPOT else _USDM
