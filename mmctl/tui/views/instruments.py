"""A row an instrument: prices, quotes, position, how well both sides were quoted, and a line of the last minutes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import digits, number
from mmctl.tui.bounds import BAD, DIM, GOOD, WARN, level_of
from mmctl.tui.draw.bars import bar, spark
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.history import NAN, figure, mid_of
from mmctl.tui.views.base import Look

SPARK_CELLS = 16


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of one engine. ``mids``: its mid over the last minutes; ``uptime``: share of time both sides stood."""

    symbol: str
    values: Mapping[str, Any]
    mids: Sequence[float]
    positions: Sequence[float]
    uptime: float
    shown: bool  # charts and ladder are of this one


def rows(look: Look) -> list[Instrument]:
    """Every symbol of the engine, in its order."""
    if look.picture is None:
        return []
    metrics = look.picture.metrics
    uptimes = metrics.by("mm_quote_uptime_ratio", "symbol") if metrics else {}
    history = look.history
    return [
        Instrument(
            symbol,
            values,
            history.spark(symbol, "mid"),
            history.spark(symbol, "position"),
            uptimes.get(symbol, NAN),
            symbol == look.symbol,
        )
        for symbol, values in look.picture.symbols.items()
    ]


def _use(row: Instrument) -> float:
    base, limit = figure(pick(row.values, "position", "base")), figure(pick(row.values, "position", "limit_base"))
    return abs(base) / limit if limit > 0 else NAN


def _price(row: Instrument, *path: str) -> str:
    return number(pick(row.values, *path), digits(row.values.get("tick_size")))


def _spread_bps(row: Instrument, part: str) -> float:
    """Of the market's best prices or of our quotes, in bps of the mid; NaN where one is missing."""
    mid = mid_of(row.values)
    prices = section(row.values, part)
    return (figure(prices.get("ask")) - figure(prices.get("bid"))) / mid * 1e4 if mid > 0 else NAN


def _markout(row: Instrument, horizon: str) -> float:
    found = section(row.values, "markouts_bps")
    return figure(found.get(horizon, found.get(f"{horizon}s")))


def _state(row: Instrument) -> str:
    return str(pick(row.values, "book", "state") or "unknown").lower()


def _position_style(row: Instrument) -> str:
    return level_of("mm_limit_use_ratio", _use(row)) if math.isfinite(_use(row)) else ""


def _signed(value: float, places: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:+,.{places}f}"


def _plain(value: float, places: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:,.{places}f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value * 100:.1f}%"


SHEET = Sheet(
    "Instruments",
    (
        Column("symbol", lambda r: ("▸" if r.shown else " ") + r.symbol, lambda r: r.symbol, text=True),
        Column("book", _state, style=lambda r: GOOD if _state(r) == "live" else BAD, text=True),
        Column("mid", lambda r: number(mid_of(r.values), _mid_digits(r)), lambda r: mid_of(r.values), right=True),
        Column("last 5 min", lambda r: spark(r.mids, SPARK_CELLS), style=lambda r: "curve", rank=1),
        Column(
            "our bid",
            lambda r: _price(r, "quote", "bid"),
            lambda r: figure(pick(r.values, "quote", "bid")),
            lambda r: "bid",
            right=True,
        ),
        Column(
            "our ask",
            lambda r: _price(r, "quote", "ask"),
            lambda r: figure(pick(r.values, "quote", "ask")),
            lambda r: "ask",
            right=True,
        ),
        Column(
            "spread bps",
            lambda r: _plain(_spread_bps(r, "quote")),
            lambda r: _spread_bps(r, "quote"),
            rank=1,
            right=True,
        ),
        Column(
            "market bps", lambda r: _plain(_spread_bps(r, "book")), lambda r: _spread_bps(r, "book"), rank=3, right=True
        ),
        Column(
            "position",
            lambda r: number(pick(r.values, "position", "base"), digits(r.values.get("lot_size")), True),
            lambda r: figure(pick(r.values, "position", "base")),
            _position_style,
            right=True,
        ),
        Column("of limit", lambda r: f"{_share(_use(r))} {bar(_use(r), 6)}", _use, _position_style, rank=1, right=True),
        Column("over 5 min", lambda r: spark(r.positions, SPARK_CELLS), style=lambda r: "curve2", rank=5),
        Column(
            "notional",
            lambda r: number(pick(r.values, "position", "notional_quote"), 2),
            lambda r: figure(pick(r.values, "position", "notional_quote")),
            rank=2,
            right=True,
        ),
        Column("markout 5s bps", lambda r: _signed(_markout(r, "5")), lambda r: _markout(r, "5"), rank=4, right=True),
        Column(
            "uptime",
            lambda r: _share(r.uptime),
            lambda r: r.uptime,
            lambda r: level_of("mm_quote_uptime_ratio", r.uptime),
            rank=3,
            right=True,
        ),
        Column(
            "open",
            lambda r: number(r.values.get("open_orders")),
            lambda r: figure(r.values.get("open_orders")),
            rank=3,
            right=True,
        ),
        Column(
            "unknown",
            lambda r: number(r.values.get("unknown_orders")),
            lambda r: figure(r.values.get("unknown_orders")),
            lambda r: WARN if r.values.get("unknown_orders") else DIM,
            rank=4,
            right=True,
        ),
        Column(
            "book age",
            lambda r: age_text(pick(r.values, "book", "age_s")) if _known(r) else "-",
            lambda r: figure(pick(r.values, "book", "age_s")),
            lambda r: level_of("mm_feed_age_seconds", figure(pick(r.values, "book", "age_s"))),
            rank=1,
            right=True,
        ),
    ),
    lambda r: r.symbol,
)


def _known(row: Instrument) -> bool:
    return isinstance(pick(row.values, "book", "age_s"), int | float)


def _mid_digits(row: Instrument) -> int | None:
    """One decimal more than a tick has: a mid lies between two ticks."""
    tick = digits(row.values.get("tick_size"))
    return None if tick is None else tick + 1
