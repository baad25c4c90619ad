"""What the recorder asks over REST, without a key: depth snapshots, and which symbols are traded. Slowly, and bounded.

One request a second, whatever is due: a tenth to a half of the address's budget, which an engine beside it shares.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.outcome import NO_SUCH_SYMBOL
from engine.venue.bounded import BoundedResponse

PACE_S: Final = 1.0
DEPTH_LEVELS: Final = 1000
_LIMITED: Final = (418, 429)
_LONGEST_WAIT_S: Final = 3600.0
_PATHS: Final = {Market.SPOT: "/api/v3", Market.USDM: "/fapi/v1"}


class AskError(Exception):
    """The exchange gave no answer, or refused; ``code`` is its own, 0 without one. The message names what was asked."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Rest:
    """One session for all markets. ``close`` it."""

    def __init__(self, places: Mapping[Market, Endpoints], deadline_s: float, pace_s: float = PACE_S) -> None:
        self._places, self._deadline_s, self._pace_s = places, deadline_s, pace_s
        self._session: ClientSession | None = None
        self._turn = asyncio.Lock()
        self._next = 0.0  # monotonic s

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def depth(self, market: Market, symbol: str) -> tuple[bytes, int]:
        """A depth snapshot as it was answered, and when it arrived (ns since 1970). Raises AskError."""
        body = await self._get(market, "depth", {"symbol": symbol, "limit": str(DEPTH_LEVELS)})
        return body, time.time_ns()

    async def status(self, market: Market, symbol: str) -> str:
        """``TRADING`` or what the exchange says instead; ``NOT LISTED`` where it does not know the symbol.

        Raises AskError.
        """
        params = {"symbol": symbol} if market is Market.SPOT else {}
        try:
            body = await self._get(market, "exchangeInfo", params)
            rows: list[dict[str, Any]] = json.loads(body)["symbols"]
            row = next((row for row in rows if row["symbol"] == symbol), None)
            return "NOT LISTED" if row is None else str(row.get("status", "TRADING"))
        except AskError as error:
            if error.code == NO_SUCH_SYMBOL:
                return "NOT LISTED"
            raise
        except (ValueError, KeyError, TypeError) as wrong:
            raise AskError(f"exchangeInfo of {symbol} cannot be read: {type(wrong).__name__}") from None

    async def _get(self, market: Market, what: str, params: Mapping[str, str]) -> bytes:
        await self._my_turn()
        if self._session is None:
            timeout = ClientTimeout(total=self._deadline_s)
            self._session = ClientSession(response_class=BoundedResponse, timeout=timeout)
        url = f"{self._places[market].rest}{_PATHS[market]}/{what}"
        asked = f"{what} of {params.get('symbol', market.value)}"
        try:
            async with self._session.get(url, params=params) as answer:
                body = await answer.read()
                if answer.status == 200:
                    return body
                if answer.status in _LIMITED:
                    self._wait(answer.headers.get("Retry-After", ""))
        except TimeoutError:
            raise AskError(f"{asked}: no answer within {self._deadline_s:g} s") from None
        except (ClientError, OSError) as error:
            raise AskError(f"{asked}: {type(error).__name__}") from None
        code, said = _refusal(body)
        raise AskError(f"{asked}: HTTP {answer.status}, code {code}: {said}", code)

    async def _my_turn(self) -> None:
        async with self._turn:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._pace_s

    def _wait(self, after: str) -> None:
        seconds = float(after) if after.replace(".", "", 1).isdigit() else 60.0
        self._next = time.monotonic() + min(max(seconds, self._pace_s), _LONGEST_WAIT_S)


def _refusal(body: bytes) -> tuple[int, str]:
    try:
        found = json.loads(body)
        return int(found["code"]), str(found["msg"])[:200]
    except (ValueError, KeyError, TypeError):
        return 0, "no readable answer"


async def retried(act: Callable[[], Any], told: Callable[[AskError], None], first_s: float, longest_s: float) -> Any:
    """What ``act()`` returns once it raises no AskError; each one is ``told``, and the waits between double."""
    wait_s = first_s
    while True:
        try:
            return await act()
        except AskError as error:
            told(error)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, longest_s)
