"""One kept backtest as a self-contained HTML page: what it earned, from what, and how sure that is.

Charts are plotly's (the ``research`` extra), its script inlined: the page opens without a network.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mmctl.fleet.errors import OperatorError

GAIN, LOSS, NEUTRAL, ACCENT = "#1a7f37", "#c0392b", "#6e7781", "#1f5fa8"
PARTS: Final = ("spread", "inventory", "fees", "funding", "hedge")
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;color:#1f2328;max-width:1100px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem} h2{font-size:1.1rem;margin:2rem 0 .3rem} p.note{color:#57606a;margin:.2rem 0}
table{border-collapse:collapse} td,th{padding:.25rem .9rem .25rem 0;text-align:left;font-variant-numeric:tabular-nums}
td.n{text-align:right} th{color:#57606a;font-weight:500} .tiles{display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0}
.tile{border:1px solid #d0d7de;border-radius:6px;padding:.6rem 1rem;min-width:8.5rem}
.tile b{display:block;font-size:1.25rem}
.gain{color:#1a7f37} .loss{color:#c0392b} code{font-size:.85em;word-break:break-all}
"""


class PlotlyMissing(OperatorError):
    """The charts' library is not installed."""


@dataclass(frozen=True, slots=True)
class Series:
    """Equity of one symbol: seconds since the start, quote currency, base currency or lots, mid in ticks."""

    symbol: str
    seconds: Sequence[float]
    equity: Sequence[float]
    position_lots: Sequence[float]
    mid_ticks: Sequence[float]


def page(name: str, result: Mapping[str, Any], made_from: Mapping[str, Any], series: Sequence[Series]) -> str:
    """The whole page. Raises PlotlyMissing when the ``research`` extra is not installed."""
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise PlotlyMissing("charts need plotly", hint="Install it: pip install 'mmctl[research]'.") from None
    charts = [(title, note, draw(go, result, series)) for title, note, draw in CHARTS]
    body = [f"<h1>Backtest {html.escape(name)}</h1>", _source(made_from), _tiles(result), _measures(result)]
    script: str | bool = True
    for title, note, figure in charts:
        figure.update_layout(
            template="plotly_white",
            height=320,
            margin={"l": 60, "r": 20, "t": 10, "b": 40},
            legend={"orientation": "h"},
        )
        chart = figure.to_html(full_html=False, include_plotlyjs=script)
        script = False
        body.append(f"<h2>{html.escape(title)}</h2><p class=note>{html.escape(note)}</p>{chart}")
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f"<title>Backtest {html.escape(name)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _source(made_from: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(key))}</th><td><code>{html.escape(str(value))}</code></td></tr>"
        for key, value in made_from.items()
    )
    return f"<details><summary>Made from</summary><table>{rows}</table></details>"


def _tiles(result: Mapping[str, Any]) -> str:
    measures = result["measures"]
    total = float(result["pnl"]["total"])
    tiles = [
        ("profit", f"{total:,.4f}", "gain" if total > 0 else "loss" if total < 0 else ""),
        ("max drawdown", f"{float(result['max_drawdown']):,.4f}", ""),
        ("fills", f"{len(result['fills']):,}", ""),
        ("orders", f"{int(result['orders']):,}", ""),
        ("fill ratio", _percent(measures["fill_ratio"]), ""),
        ("quote uptime", _percent(measures["quote_uptime"]), ""),
        ("turnover", f"{float(measures['turnover']):,.2f}", ""),
    ]
    cells = "".join(f"<div class=tile>{label}<b class='{style}'>{value}</b></div>" for label, value, style in tiles)
    return f"<div class=tiles>{cells}</div>"


def _measures(result: Mapping[str, Any]) -> str:
    rows = []
    for name in ("sharpe", "sortino"):
        ratio = result["measures"][name]
        if ratio["value"] is None:
            rows.append((f"{name}, a year", "not shown: too few changes of equity"))
        else:
            rows.append(
                (f"{name}, a year", f"{ratio['value']:.2f} (95 % interval {ratio['low']:.2f} to {ratio['high']:.2f})")
            )
    for name, label in (("mean_inventory", "mean inventory, base"), ("max_inventory", "largest inventory, base")):
        rows.append((label, f"{float(result['measures'][name]):.6g}"))
    rows.append(("decisions sha256", result["decisions_sha256"]))
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(str(b))}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _inventory(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    return _lines(go, series, "position_lots", "lots")


def _lines(go: Any, series: Sequence[Series], field: str, unit: str) -> Any:
    figure = go.Figure()
    for one in series:
        figure.add_scatter(x=list(one.seconds), y=list(getattr(one, field)), name=one.symbol, mode="lines")
    figure.update_xaxes(title="seconds")
    figure.update_yaxes(title=unit)
    return figure


def _equity(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    figure = _lines(go, series, "equity", "quote currency")
    if len(series) > 1:
        grid, total = _total(series)
        figure.add_scatter(x=grid, y=total, name="together", mode="lines", line={"color": "black"})
    return figure


def _total(series: Sequence[Series]) -> tuple[list[float], list[float]]:
    """Equity of all symbols together at every second at which one of them has a point."""
    grid = sorted({second for one in series for second in one.seconds})
    totals = [0.0] * len(grid)
    for one in series:
        at, last = 0, 0.0
        for i, second in enumerate(grid):
            while at < len(one.seconds) and one.seconds[at] <= second:
                last = one.equity[at]
                at += 1
            totals[i] += last
    return grid, totals


def _drawdown(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    grid, total = _total(series)
    peak, down = float("-inf"), []
    for value in total:
        peak = max(peak, value)
        down.append(value - peak)
    figure = go.Figure()
    figure.add_scatter(x=grid, y=down, fill="tozeroy", mode="lines", line={"color": LOSS}, name="drawdown")
    figure.update_xaxes(title="seconds")
    figure.update_yaxes(title="quote currency")
    return figure


def _attribution(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    pnl = result["pnl"]
    values = [-float(pnl[part]) if part == "fees" else float(pnl[part]) for part in PARTS]
    figure = go.Figure()
    figure.add_waterfall(
        x=[*PARTS, "total"],
        y=[*values, float(pnl["total"])],
        measure=["relative"] * len(PARTS) + ["total"],
        text=[f"{value:,.4f}" for value in [*values, float(pnl["total"])]],
        increasing={"marker": {"color": GAIN}},
        decreasing={"marker": {"color": LOSS}},
        totals={"marker": {"color": ACCENT}},
    )
    figure.update_yaxes(title="quote currency")
    return figure


def _markouts(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    known = [(f"{horizon} s", float(value)) for horizon, value in result["markouts"].items() if value is not None]
    figure = go.Figure()
    figure.add_bar(
        x=[name for name, _ in known],
        y=[value for _, value in known],
        marker={"color": [GAIN if value >= 0 else LOSS for _, value in known]},
    )
    figure.update_yaxes(title="basis points")
    if not known:
        figure.add_annotation(text="no fill has a markout", showarrow=False)
    return figure


def _fills(go: Any, result: Mapping[str, Any], series: Sequence[Series]) -> Any:
    figure = go.Figure()
    many = len(series) > 1
    for one in series:
        first = one.mid_ticks[0] if many and one.mid_ticks else 1.0
        mids = [mid / first for mid in one.mid_ticks] if many else list(one.mid_ticks)
        figure.add_scatter(
            x=list(one.seconds), y=mids, name=one.symbol, mode="lines", line={"color": NEUTRAL} if not many else {}
        )
    if not many and series:
        _mark_fills(figure, result, series[0])
    figure.update_xaxes(title="seconds")
    figure.update_yaxes(title="relative to the start" if many else "ticks")
    return figure


def _mark_fills(figure: Any, result: Mapping[str, Any], one: Series) -> None:
    scale = result["scales"][one.symbol]
    start, tick = scale["start_ns"], scale["tick_size"]
    for side, symbol, colour in (("buy", "triangle-up", GAIN), ("sell", "triangle-down", LOSS)):
        rows = [fill for fill in result["fills"] if fill[2] == side and fill[1] == one.symbol]
        figure.add_scatter(
            x=[(fill[0] - start) / 1e9 for fill in rows],
            y=[fill[3] / tick for fill in rows],
            mode="markers",
            marker={"symbol": symbol, "color": colour, "size": 8},
            name=side,
        )


#: Every chart: title, what it shows and what bad looks like, how it is drawn.
CHARTS: Final = (
    ("Equity", "Quote currency, marked to the mid, after fees.", _equity),
    ("Drawdown", "Quote currency below the highest equity so far; nearer to zero is better.", _drawdown),
    ("Where it came from", "Total = spread captured + inventory - fees + funding + hedge.", _attribution),
    (
        "Markouts",
        "Mean gain of a fill against the mid so much later, basis points. Below zero: the other side knew more.",
        _markouts,
    ),
    ("Inventory", "Lots held.", _inventory),
    ("Mid price", "Ticks, with our fills.", _fills),
)
