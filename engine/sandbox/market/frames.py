"""What a market source delivers: one frame with its time on the source's own line and its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.sandbox.market.book import DepthBook, Level
from engine.sandbox.market.symbols import MarketKey

Opening = tuple[MarketKey, int, list[Level], list[Level]]


@dataclass(slots=True)
class Frame:
    """``kind`` is depth, bookTicker or trade. ``raw`` is the frame's bytes where they exist already."""

    key: MarketKey
    kind: str
    data: dict[str, Any]
    raw: bytes | None = None
    local_ns: int = 0  # the recording's receive time, 0 for a synthetic frame


class Source(Protocol):
    """A market: opening books, then frames in time order for ever (or until the recordings end)."""

    def opening(self, books: Mapping[MarketKey, DepthBook]) -> list[Opening]:
        """(market, last update id, bids, asks) of each market before the first frame.

        ``books`` are the exchange's own, which every frame taken has been applied to before the next is asked for.
        """
        ...

    def next_ns(self) -> int | None:
        """When the next frame is due on the source's line, which starts at 0; None at the end."""
        ...

    def take(self, now_ms: int) -> list[Frame]:
        """The frames due next, stamped with exchange time ``now_ms``."""
        ...

    def jump(self, key: MarketKey, bps: float) -> None:
        """Move the price by ``bps`` from the next frame on (the fault price_jump)."""
        ...
