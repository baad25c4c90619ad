"""What charts are drawn of: the figures of the last hours in rings of fixed size, however long it is open."""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mmctl.client.engine import pick, section
from mmctl.tui.bounds import BEYOND
from mmctl.tui.panels import limits_of
from mmctl.tui.picture import Picture

F64 = npt.NDArray[np.float64]
NAN: Final = float("nan")

#: (seconds between two points, points): ten minutes of every look, and four hours of every fourth second.
FINE: Final = (0.25, 2400)
COARSE: Final = (4.0, 3600)
#: What charts may show, seconds.
SPANS: Final = (60.0, 300.0, 600.0, 3600.0, 14400.0)
ENGINE_COLUMNS: Final = ("pnl", "day", "drawdown", "limit", "fills")
SYMBOL_COLUMNS: Final = ("bid", "ask", "our_bid", "our_ask", "position", "volatility")
#: Symbols whose curves are kept: those looked at last, and the first ones of the engine.
SYMBOLS_KEPT: Final = 16
LIMITS_KEPT: Final = 24
STAGES_KEPT: Final = 12
FILLS_KEPT: Final = 2000
#: Sparklines: a point every five seconds, for five minutes.
SPARK: Final = (5.0, 60)
SPARKS_KEPT: Final = 2000


class Ring:
    """Points of several columns at the same times; one of a ``spacing`` (seconds), the oldest fall out."""

    def __init__(self, columns: int, spacing: float, most: int) -> None:
        self._spacing, self._most = spacing, most
        self._points = np.full((columns + 1, 2 * most), NAN)  # written on, and moved to the front once it is full
        self._end = 0
        self._slot = -1.0

    def add(self, time: float, values: Sequence[float]) -> None:
        """One more point; the last of a slot of time stays. A time before the last one begins anew (a replay)."""
        slot = time // self._spacing
        if slot < self._slot:
            self._end = 0
        elif slot == self._slot:
            self._end -= 1
        elif self._end == 2 * self._most:
            self._points[:, : self._most] = self._points[:, self._most :]
            self._end = self._most
        self._slot = slot
        self._points[0, self._end] = time
        self._points[1:, self._end] = values
        self._end += 1

    def read(self) -> F64:
        """Times in row 0, a column in each row below; at most as many points as it may hold. Not to be written to."""
        return self._points[:, max(0, self._end - self._most) : self._end]


class Track:
    """Named columns over time, fine for minutes and coarse for hours. Times are seconds since 1970."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._index = {name: row for row, name in enumerate(columns, 1)}
        self._fine, self._coarse = (Ring(len(columns), *size) for size in (FINE, COARSE))

    def add(self, time: float, values: Sequence[float]) -> None:
        """One point of every column, NaN where there is none."""
        self._fine.add(time, values)
        self._coarse.add(time, values)

    def column(self, name: str, span: float) -> tuple[F64, F64]:
        """Times and values of a column, fine enough for ``span`` seconds; more than those may be in it."""
        points = (self._fine if span <= FINE[0] * FINE[1] else self._coarse).read()
        return points[0].copy(), points[self._index[name]].copy()  # what is drawn later must not move meanwhile


class History:
    """Everything kept of one engine. ``add`` takes each picture once; ``clear`` forgets (a replay that was moved)."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.engine = Track(ENGINE_COLUMNS)
        self.symbols: OrderedDict[str, Track] = OrderedDict()
        self.limits: OrderedDict[str, Track] = OrderedDict()
        self.stages: OrderedDict[str, Track] = OrderedDict()
        self.fills: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self.sparks: dict[tuple[str, str], deque[float]] = {}
        self._spark_slot = -1.0

    def add(self, picture: Picture) -> None:
        """Keep the figures of ``picture``."""
        now = time_of(picture)
        drawdown = picture.metrics.value("mm_portfolio_drawdown_ratio") if picture.metrics else None
        worst = max((figure(limit.get("ratio")) for limit in limits_of(picture)[:1]), default=NAN)
        pnl = section(picture.state, "pnl")
        self.engine.add(
            now,
            (figure(pnl.get("total")), figure(pnl.get("day")), figure(drawdown), worst, figure(pnl.get("fills"))),
        )
        for limit in limits_of(picture)[:LIMITS_KEPT]:
            name = str(limit.get("name", "?"))
            self._track(self.limits, name, ("ratio",), LIMITS_KEPT).add(now, (figure(limit.get("ratio")),))
        for stage, values in section(picture.state, "latency").items():
            if isinstance(values, Mapping):
                track = self._track(self.stages, str(stage), ("p50", "p99"), STAGES_KEPT)
                track.add(now, (figure(values.get("p50")), figure(values.get("p99"))))
        found = picture.symbols
        for name in list(found)[:SYMBOLS_KEPT] if len(self.symbols) < SYMBOLS_KEPT else ():
            self._track(self.symbols, name, SYMBOL_COLUMNS, SYMBOLS_KEPT)
        for name, track in self.symbols.items():
            if name in found:
                track.add(now, symbol_figures(found[name], picture, name))
        self._sparks(now, found)
        for fill in reversed(picture.fills):
            self.fills.setdefault(fill_id(fill), fill)
        while len(self.fills) > FILLS_KEPT:
            self.fills.popitem(last=False)

    def watch(self, symbol: str) -> None:
        """Curves of ``symbol`` are kept from now on; those of the one looked at longest ago make room."""
        self._track(self.symbols, symbol, SYMBOL_COLUMNS, SYMBOLS_KEPT)
        self.symbols.move_to_end(symbol)

    def spark(self, symbol: str, name: str) -> Sequence[float]:
        """Points for a sparkline of ``mid`` or ``position``, five seconds apart, the oldest first."""
        return self.sparks.get((symbol, name), ())

    def _sparks(self, now: float, found: Mapping[str, Mapping[str, Any]]) -> None:
        slot = now // SPARK[0]
        if slot == self._spark_slot:
            return
        self._spark_slot = slot
        for symbol, values in list(found.items())[: SPARKS_KEPT // 2]:
            for name, value in (("mid", mid_of(values)), ("position", figure(pick(values, "position", "base")))):
                if (symbol, name) in self.sparks or len(self.sparks) < SPARKS_KEPT:
                    self.sparks.setdefault((symbol, name), deque(maxlen=SPARK[1])).append(value)

    @staticmethod
    def _track(tracks: OrderedDict[str, Track], name: str, columns: Sequence[str], most: int) -> Track:
        if name not in tracks:
            while len(tracks) >= most:
                tracks.popitem(last=False)
            tracks[name] = Track(columns)
        return tracks[name]


def time_of(picture: Picture) -> float:
    """When a picture is of, seconds since 1970: the engine's clock, or ours where it does not say."""
    return (picture.engine_ns or picture.received_ns) / 1e9


def figure(value: Any) -> float:
    """A number of a document, NaN for anything else, and for what no figure can be."""
    if value is None or isinstance(value, bool):
        return NAN
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return NAN
    return found if abs(found) < BEYOND else NAN


def mid_of(values: Mapping[str, Any]) -> float:
    """The middle of best bid and ask, a price; NaN where one is missing."""
    return (figure(pick(values, "book", "bid")) + figure(pick(values, "book", "ask"))) / 2


def symbol_figures(values: Mapping[str, Any], picture: Picture, name: str) -> tuple[float, ...]:
    """The columns of a symbol's track: prices, position in base currency, volatility in bps."""
    book, quote = section(values, "book"), section(values, "quote")
    volatility = picture.metrics.value("mm_volatility_bps", symbol=name) if picture.metrics else None
    return (
        figure(book.get("bid")),
        figure(book.get("ask")),
        figure(quote.get("bid")),
        figure(quote.get("ask")),
        figure(pick(values, "position", "base")),
        figure(volatility),
    )


def fill_id(fill: Mapping[str, Any]) -> str:
    """What tells one fill from every other."""
    return f"{fill.get('symbol')}|{fill.get('trade_id')}|{fill.get('client_id')}"


def fill_time(fill: Mapping[str, Any]) -> float:
    """When the exchange filled it, seconds since 1970, or when it was booked; NaN where neither is told."""
    for name in ("exchange_ns_text", "booked_ns_text", "exchange_ns", "booked_ns", "ns"):
        found = figure(fill.get(name))
        if found > 0:
            return found / 1e9
    return NAN
