"""Which panels and tables each view has, and how a document becomes a table's row. Pure data and functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmctl.client.age import Freshness, Reading
from mmctl.client.engine import pick
from mmctl.client.why import grouped
from mmctl.formats import age as age_text
from mmctl.formats import digits, number, utc
from mmctl.tui import panels
from mmctl.tui.breaches import Breach
from mmctl.tui.panels import BAD, DIM, GOOD, WARN, Panel, Row
from mmctl.tui.picture import Picture

#: View -> the panels of its grid, in order.
PANELS: dict[str, tuple[Callable[[Picture], Panel], ...]] = {
    "overview": (
        panels.pnl_panel,
        panels.quotes_panel,
        panels.position_panel,
        panels.breaker_panel,
        panels.limits_panel,
        panels.orders_panel,
        panels.feeds_panel,
        panels.latency_panel,
        panels.reconciliation_panel,
    ),
    "risk": (panels.breaker_panel, panels.limits_panel, panels.feeds_panel, panels.reconciliation_panel),
    "orders": (panels.orders_panel,),
    "latency": (panels.latency_panel,),
    "hedge": (panels.hedge_panel,),
}

_EVENTS = ("events", "Events, newest first", ("time", "severity", "kind", "message"))
#: View -> the tables below its panels: key, title, columns.
TABLES: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "overview": (_EVENTS,),
    "risk": (_EVENTS,),
    "orders": (
        ("orders", "Working orders", ("symbol", "side", "price", "quantity", "filled", "state", "age", "client_id")),
        ("why", "Why quotes are missing", ("time", "symbol", "side", "reason", "times", "detail")),
    ),
    "fleet": (("fleet", "Engines", ("engine", "role", "epoch", "release", "account", "quoting", "breaker", "age")),),
    "events": (_EVENTS,),
}


def panel_keys(view: str) -> list[str]:
    """Widget keys of a view's panels, in order; made from the functions so that a view needs no document to exist."""
    return [f"{view}-{make.__name__.removesuffix('_panel')}" for make in PANELS.get(view, ())]


def order_rows(picture: Picture) -> list[Sequence[str]]:
    """One row an open order: prices and sizes with the symbol's digits, the age in words."""
    return [
        (
            str(row.get("symbol", "")),
            str(row.get("side", "")),
            number(row.get("price"), _digits(picture, row, "tick_size")),
            number(row.get("quantity"), _digits(picture, row, "lot_size")),
            number(row.get("filled"), _digits(picture, row, "lot_size")),
            str(row.get("state", "")),
            age_text(row["age_s"]) if isinstance(row.get("age_s"), int | float) else "unknown",
            str(row.get("client_id", "")),
        )
        for row in picture.orders
    ]


def _digits(picture: Picture, row: Mapping[str, Any], step: str) -> int | None:
    return digits(panels.symbols(picture).get(str(row.get("symbol", "")), {}).get(step))


def why_rows(picture: Picture) -> list[Sequence[str]]:
    """One row a reason why no quote was placed, with how often it held."""
    return [
        (
            _when(row),
            str(row.get("symbol", "")),
            str(row.get("side", "")),
            str(row.get("reason", "")),
            number(row.get("times", 1)),
            _text(row, "detail"),
        )
        for row in grouped(picture.why)[:200]
    ]


def event_rows(picture: Picture) -> list[Sequence[str]]:
    """The last 500 events, newest first."""
    return [
        (_when(row), str(row.get("severity", "")), str(row.get("kind", "")), _text(row, "message"))
        for row in reversed(list(picture.events)[-500:])
    ]


def _when(row: Mapping[str, Any]) -> str:
    ns = row.get("ns")
    return utc(ns) if isinstance(ns, int) else "-"


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def fleet_rows(readings: Mapping[str, Reading[Picture]], now: float, interval: float) -> list[Sequence[str]]:
    """One row an engine, with the age of what is known of it."""
    rows: list[Sequence[str]] = []
    for name, reading in readings.items():
        age = age_text(reading.age(now))
        if reading.freshness(now, interval) is Freshness.STALE:
            age = f"STALE {age}"
        if reading.value is None:
            rows.append((name, *["-"] * 6, reading.error or "no answer yet"))
            continue
        engine = pick(reading.value.state, "engine")
        known: Mapping[str, Any] = engine if isinstance(engine, Mapping) else {}
        rows.append(
            (
                name,
                str(known.get("role", "-")),
                number(known.get("epoch")),
                str(known.get("release") or known.get("version") or "-"),
                str(known.get("account", "-")),
                "yes" if known.get("quoting") else f"no: {known.get('not_quoting_reason') or '-'}",
                panels.breaker_of(reading.value)[1],
                age,
            )
        )
    return rows


def breach_panel(found: Sequence[Breach], many: bool) -> Panel:
    """View 0: only what is out of bounds."""
    rows = tuple(
        Row(breach.engine if many else "", breach.text, BAD if breach.level == BAD else WARN) for breach in found
    )
    return Panel("breaches", "Breaches", rows or (Row("", "everything is within its bounds", GOOD),))


def replay_panel(position: int, total: int, bad_lines: int, ns: int | None) -> Panel:
    """View 8: where a replay stands."""
    if total == 0:
        return Panel("replay", "Replay", (Row("", "start with --replay FILE to look at a recorded session", DIM),))
    rows = [Row("frame", f"{position + 1} of {total}"), Row("recorded", utc(ns or 0))]
    if bad_lines:
        rows.append(Row("unreadable lines", str(bad_lines), WARN))
    rows.append(Row("", "[ and ] step, p holds", DIM))
    return Panel("replay", "Replay", tuple(rows))
