"""ccxt's own addresses of an exchange, sent elsewhere (a sandbox): the same paths on another host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Base addresses in place of the exchange's: REST, streams, and its WebSocket API (empty: as streams)."""

    rest: str
    stream: str
    ws_api: str = ""

    def redirect(self, urls: Any) -> Any:
        """ccxt's ``urls["api"]`` with every host replaced; raises ValueError for an address that cannot be read.

        Streams keep the first label of their old host as the first part of the path (``fstream.`` -> ``/fstream``):
        an exchange's markets are often told apart by nothing else.
        """
        if isinstance(urls, Mapping):
            return {name: self.redirect(inner) for name, inner in urls.items()}
        if not isinstance(urls, str):
            return urls
        old = urlsplit(urls)
        if old.scheme in ("http", "https"):
            return self.rest.rstrip("/") + old.path
        if old.scheme not in ("ws", "wss"):
            raise ValueError(f"an address of the exchange cannot be sent elsewhere: {urls}")
        if "ws-api" in old.path or "ws-fapi" in old.path:
            base = urlsplit(self.ws_api or self.stream)
            return f"{base.scheme}://{base.netloc}{old.path}"
        label = old.netloc.partition(".")[0]
        return f"{self.stream.rstrip('/')}/{label}{old.path}"
