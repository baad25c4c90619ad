"""Where a sandbox is reached: the URLs to put into ccxt, and into a native client, in place of Binance's."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Addresses:
    """Every address of one sandbox, e.g. ``Addresses("127.0.0.1", 8900)``."""

    host: str
    port: int

    @property
    def rest(self) -> str:
        """Where REST is served, for both markets."""
        return f"http://{self.host}:{self.port}"

    @property
    def spot_stream(self) -> str:
        """Where spot's market and user streams are."""
        return f"ws://{self.host}:{self.port}/stream/ws"

    @property
    def usdm_stream(self) -> str:
        """Where futures' market and user streams are."""
        return f"ws://{self.host}:{self.port}/fstream/ws"

    @property
    def spot_ws_api(self) -> str:
        """Where spot takes orders over a WebSocket."""
        return f"ws://{self.host}:{self.port}/ws-api/v3"

    @property
    def usdm_ws_api(self) -> str:
        """Where futures take orders over a WebSocket."""
        return f"ws://{self.host}:{self.port}/ws-fapi/v1"

    def ccxt_urls(self) -> dict[str, Any]:
        """ccxt's ``urls["api"]`` for Binance, both REST and WebSocket (ccxt tells spot by ``/stream`` in it)."""
        rest = self.rest
        urls: dict[str, Any] = {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "v1": f"{rest}/api/v1"}
        for version, suffix in (("v1", ""), ("v2", "V2"), ("v3", "V3")):
            for kind in ("Public", "Private"):
                urls[f"fapi{kind}{suffix}"] = f"{rest}/fapi/{version}"
                urls[f"dapi{kind}{suffix}"] = f"{rest}/dapi/{version}"
                urls[f"eapi{kind}{suffix}"] = f"{rest}/eapi/{version}"
        for version, suffix in (("v1", ""), ("v2", "V2"), ("v3", "V3"), ("v4", "V4")):
            urls[f"sapi{suffix}"] = f"{rest}/sapi/{version}"
            urls[f"papi{suffix}"] = f"{rest}/papi/{version}"
        urls |= {"fapiData": f"{rest}/futures/data", "dapiData": f"{rest}/futures/data"}
        urls["ws"] = {
            "spot": self.spot_stream,
            "margin": self.spot_stream,
            "linear": self.usdm_stream,
            "inverse": f"ws://{self.host}:{self.port}/dstream/ws",
            "ws-api": {"spot": self.spot_ws_api, "linear": self.usdm_ws_api},
        }
        return urls
