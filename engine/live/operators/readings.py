"""What /api tells in detail: fills by page, the book's levels, latencies over the time asked for. See docs/api.md."""

import time
from collections.abc import Mapping
from typing import Any, Final

from engine.live.account.recent_fills import MOST_ON_A_PAGE, FillQuestion
from engine.live.operators.depth import MOST_LEVELS, depth_of
from engine.live.session.session import Session
from engine.telemetry.latency import Latencies
from engine.telemetry.moments import BadQuestion, iso_utc, length_s, moment_of, since_ns

USUAL_FILLS: Final = 100
USUAL_LEVELS: Final = 20
USUAL_SINCE: Final = "15m"
LONGEST_S: Final = 86_400.0  # as long as latencies are kept
LONGEST_CURSOR: Final = 19  # digits


class SessionReadings:
    """Implements ``engine.telemetry.state.Readings``: empty before a session leads, then what it holds."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._session: Session | None = None

    def lead(self, session: Session) -> None:
        """Answers are of ``session`` from here on."""
        self._session = session

    def fills(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The body of /api/fills. Parameters: ``limit``, ``cursor``, ``symbol``, ``since``."""
        _only(query, "limit", "cursor", "symbol", "since")
        cursor = query.get("cursor", "")
        if cursor and (not cursor.isdecimal() or not cursor.isascii() or len(cursor) > LONGEST_CURSOR):
            raise BadQuestion("cursor must be one that a page before gave")
        asked = FillQuestion(
            _number(query, "limit", USUAL_FILLS, MOST_ON_A_PAGE),
            int(cursor or 0),
            query.get("symbol", ""),
            since_ns(query["since"]) if "since" in query else 0,
        )
        session = self._session
        if asked.symbol:
            self._known(asked.symbol)
        if session is None:
            return {**moment_of("as_of", time.time_ns()), "fills": [], "cursor": None, "complete": False}
        page = session.parts.clerk.fills.page(asked)
        return {
            **moment_of("as_of", time.time_ns()),
            "fills": list(page.fills),
            "cursor": str(page.cursor) if page.cursor else None,
            "complete": page.complete,
        }

    def book(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The body of /api/book. Parameters: ``symbol`` (may be left out where there is one), ``levels``."""
        _only(query, "symbol", "levels")
        levels = _number(query, "levels", USUAL_LEVELS, MOST_LEVELS)
        session = self._session
        if session is None:
            raise BadQuestion("this engine does not lead yet: it shows no book", 503)
        symbol = query.get("symbol", "")
        if not symbol and len(session.pairs) == 1:
            symbol = next(iter(session.pairs))
        self._known(symbol)
        return depth_of(session.pairs[symbol], session.parts.desk.manager, levels, time.monotonic_ns())

    async def latency(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The body of /api/latency. Parameters: ``since`` (a length of time or a time), ``step`` (a length of time)."""
        _only(query, "since", "step")
        now = time.time_ns()
        seconds = (now - since_ns(query.get("since", USUAL_SINCE), now)) / 1e9
        if not 0 < seconds <= LONGEST_S:
            raise BadQuestion(f"since must lie within the last day, and not in the future ({iso_utc(now)} now)")
        step = length_s(query["step"], "step", LONGEST_S) if "step" in query else None
        return await self._latencies.body(seconds, step)

    def _known(self, symbol: str) -> None:
        session = self._session
        if session is not None and symbol not in session.pairs:
            known = ", ".join(session.pairs)
            raise BadQuestion(f"symbol must be one of {known}", 404 if symbol else 400)


def _only(query: Mapping[str, str], *names: str) -> None:
    """A misspelt parameter would be answered as if it had not been given."""
    for name in query:
        if name not in names:
            raise BadQuestion(f"unknown parameter {name[:40]}; known are {', '.join(names)}")


def _number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, str(usual))
    if not text.isdecimal() or not text.isascii() or len(text) > 9 or not 1 <= int(text) <= most:
        raise BadQuestion(f"{name} must be a whole number from 1 to {most}")
    return int(text)
