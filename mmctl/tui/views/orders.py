"""Screen 3: working orders, fills with their markouts, why quotes are missing."""

import math
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from mmctl.client.engine import section
from mmctl.client.why import grouped
from mmctl.formats import age as age_text
from mmctl.formats import digits, number
from mmctl.tui import panels
from mmctl.tui.bounds import BAD, DIM, GOOD, WARN
from mmctl.tui.draw import bars
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.history import NAN, figure, fill_id, fill_time
from mmctl.tui.picture import Picture
from mmctl.tui.views import curves
from mmctl.tui.views.base import Look, View, absent
from mmctl.tui.views.events import when

#: Horizons whose markouts stand in the table of fills, seconds.
HORIZONS = (1.0, 5.0, 30.0)
#: Fills that are listed; more are kept for the charts.
LISTED = 500


def _side_style(row: Mapping[str, Any]) -> str:
    return "bid" if str(row.get("side", "")).lower() == "buy" else "ask"


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _state_style(row: Mapping[str, Any]) -> str:
    state = str(row.get("state", "")).upper()
    return WARN if "UNKNOWN" in state or "PENDING" in state else ""


ORDERS = Sheet(
    "Working orders",
    (
        Column("symbol", lambda r: _text(r, "symbol"), text=True),
        Column("side", lambda r: _text(r, "side"), style=_side_style, text=True),
        Column("price", lambda r: number(r.get("price"), r.get("tick")), lambda r: figure(r.get("price")), right=True),
        Column(
            "quantity",
            lambda r: number(r.get("quantity"), r.get("lot")),
            lambda r: figure(r.get("quantity")),
            right=True,
        ),
        Column(
            "filled",
            lambda r: number(r.get("filled"), r.get("lot")),
            lambda r: figure(r.get("filled")),
            rank=1,
            right=True,
        ),
        Column("state", lambda r: _text(r, "state"), style=_state_style, rank=1, text=True),
        Column("bps from mid", lambda r: _signed(r.get("away")), lambda r: figure(r.get("away")), rank=2, right=True),
        Column("age", lambda r: _age(r), lambda r: figure(r.get("age_s")), right=True),
        Column("client id", lambda r: _text(r, "client_id"), rank=3, text=True),
    ),
    lambda r: _text(r, "client_id"),
)


def _age(row: Mapping[str, Any]) -> str:
    return age_text(row["age_s"]) if isinstance(row.get("age_s"), int | float) else "unknown"


def _signed(value: Any) -> str:
    found = figure(value)
    return "-" if math.isnan(found) else f"{found:+,.2f}"


def order_rows(picture: Picture) -> list[dict[str, Any]]:
    """One row an open order: with the symbol's digits, and how far from the mid it stands, bps."""
    known = picture.symbols
    found = []
    for row in picture.orders:
        values = known.get(str(row.get("symbol", "")), {})
        book = section(values, "book")
        mid = (figure(book.get("bid")) + figure(book.get("ask"))) / 2
        away = (figure(row.get("price")) - mid) / mid * 1e4 if mid > 0 else NAN
        tick, lot = digits(values.get("tick_size")), digits(values.get("lot_size"))
        found.append({**row, "tick": tick, "lot": lot, "away": away})
    return found


def _markout_style(row: Mapping[str, Any], horizon: float) -> str:
    value = figure(row.get(f"markout {horizon:g}s"))
    return DIM if math.isnan(value) else GOOD if value > 0 else BAD if value < 0 else ""


FILLS = Sheet(
    "Fills, newest first",
    (
        Column("time", lambda r: _text(r, "shown"), lambda r: r.get("at")),
        Column("symbol", lambda r: _text(r, "symbol"), rank=1, text=True),
        Column("side", lambda r: _text(r, "side"), style=_side_style, text=True),
        Column("price", lambda r: number(r.get("price"), r.get("tick")), lambda r: figure(r.get("price")), right=True),
        Column(
            "quantity",
            lambda r: number(r.get("quantity"), r.get("lot")),
            lambda r: figure(r.get("quantity")),
            right=True,
        ),
        Column(
            "position",
            lambda r: number(r.get("position"), r.get("lot"), True),
            lambda r: figure(r.get("position")),
            rank=2,
            right=True,
        ),
        Column("maker", lambda r: {True: "maker", False: "taker"}.get(r.get("maker"), "-"), rank=2, text=True),
        Column(
            "fee", lambda r: number(r.get("fee_quote"), 4), lambda r: figure(r.get("fee_quote")), rank=2, right=True
        ),
        *(
            Column(
                f"{horizon:g}s bps",
                lambda r, horizon=horizon: _signed(r.get(f"markout {horizon:g}s")),  # type: ignore[misc]
                lambda r, horizon=horizon: figure(r.get(f"markout {horizon:g}s")),  # type: ignore[misc]
                lambda r, horizon=horizon: _markout_style(r, horizon),  # type: ignore[misc]
                rank=1,
                right=True,
            )
            for horizon in HORIZONS
        ),
        Column("client id", lambda r: _text(r, "client_id"), rank=3, text=True),
    ),
    fill_id,
)


def fill_rows(look: Look) -> list[dict[str, Any]]:
    """The last fills, newest first, with the markouts seen from here: of the mids that were polled."""
    known = look.picture.symbols if look.picture else {}
    found = []
    for fill in list(reversed(look.history.fills.values()))[:LISTED]:
        symbol = str(fill.get("symbol", ""))
        values = known.get(symbol, {})
        at = fill_time(fill)
        row = {
            **fill,
            "at": at,
            "shown": _clock(at),
            "tick": digits(values.get("tick_size")),
            "lot": digits(values.get("lot_size")),
        }
        bought = str(fill.get("side", "")).lower() == "buy"
        price = figure(fill.get("price"))
        for horizon in HORIZONS:
            row[f"markout {horizon:g}s"] = curves.markout(look, symbol, at, price, bought, horizon)
        found.append(row)
    return found


def _clock(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    return curves.clock(seconds)


WHY = Sheet(
    "Why quotes are missing",
    (
        Column("time", when, lambda r: r.get("ns")),
        Column("symbol", lambda r: _text(r, "symbol"), rank=1, text=True),
        Column("side", lambda r: _text(r, "side"), text=True),
        Column("reason", lambda r: _text(r, "reason"), style=lambda r: WARN, text=True),
        Column("times", lambda r: number(r.get("times", 1)), lambda r: figure(r.get("times", 1)), right=True),
        Column("detail", lambda r: _text(r, "detail"), wide=True, text=True),
    ),
    lambda r: f"{_text(r, 'symbol')}|{_text(r, 'side')}|{_text(r, 'reason')}",
)


def markouts(picture: Picture) -> list[tuple[str, float | None, str]]:
    """Mean markout of the last hour by horizon, bps, as the engine measures it."""
    found = picture.metrics.by("mm_markout_bps", "horizon") if picture.metrics else {}
    order = sorted(found, key=lambda name: figure(name.removesuffix("s")))
    return [(name, None if math.isnan(found[name]) else found[name], "") for name in order]


class OrdersView(View):
    """The third screen."""

    NAME = "orders"

    def compose(self) -> ComposeResult:
        with Horizontal(classes="row top"):
            yield self.table("orders", ORDERS)
            with Vertical(classes="side"):
                yield self.box("counts")
                yield self.canvas("markouts")
        yield self.table("fills", FILLS)
        yield self.table("why", WHY)

    def paint(self, look: Look) -> None:
        """Orders, fills and reasons; a part that did not come says so."""
        picture = look.picture
        assert picture is not None
        for key, rows in (("orders", order_rows(picture)), ("why", grouped(picture.why)[:200])):
            why = absent(look, key)
            title = f"{self.grid(key).sheet.title}: NOT KNOWN, {why}" if why else ""
            self.grid(key).show(rows, look.filter_text, title)
        self.put("counts", panels.orders_panel, look)
        shown = markouts(picture)
        self.drawing("markouts").show(
            "Markouts, mean of the last hour", tuple(shown), lambda width, height: bars.around_zero(shown, width, "bps")
        )

    def charts(self, look: Look) -> None:
        """The list of fills, which is long."""
        why = absent(look, "fills")
        self.grid("fills").show(fill_rows(look), look.filter_text, f"Fills: NOT KNOWN, {why}" if why else "")
