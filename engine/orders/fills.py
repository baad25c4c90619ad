"""Which trades have been booked: each exactly once, by the exchange's trade id, in bounded memory."""

from engine.trade import VenueFill


class FillBook:
    """Trade ids seen per symbol. Below the proved id everything has been read, so single ids need not be kept."""

    __slots__ = ("_last", "_proved", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}
        self._proved: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def book(self, fill: VenueFill) -> bool:
        """True the first time a trade is shown, False ever after."""
        symbol, trade_id = fill.symbol, fill.trade_id
        seen = self._seen.setdefault(symbol, set())
        if trade_id <= self._proved.get(symbol, -1) or trade_id in seen:
            return False
        seen.add(trade_id)
        self._last[symbol] = max(trade_id, self._last.get(symbol, -1))
        return True

    def prove(self, symbol: str, through_trade_id: int) -> None:
        """Every trade up to ``through_trade_id`` is booked (or, at the start, is in the journal)."""
        proved = max(through_trade_id, self._proved.get(symbol, -1))
        self._proved[symbol] = proved
        self._last[symbol] = max(proved, self._last.get(symbol, -1))
        self._seen[symbol] = {trade_id for trade_id in self._seen.get(symbol, set()) if trade_id > proved}

    def booked(self, symbol: str) -> frozenset[int]:
        """Ids booked above the proved one."""
        return frozenset(self._seen.get(symbol, ()))

    def proved(self, symbol: str) -> int:
        """The id up to which nothing is missing; -1 where nothing is proved. The next gap fill starts after it."""
        return self._proved.get(symbol, -1)

    def last(self, symbol: str) -> int:
        """The highest trade id ever booked, -1 if none. Trades below it may still be missing: see ``proved``."""
        return self._last.get(symbol, -1)
