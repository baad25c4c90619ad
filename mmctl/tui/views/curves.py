"""The charts of the screens: from an engine's history to curves, levels and marks. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from mmctl.client.engine import pick
from mmctl.formats import digits
from mmctl.tui.bounds import threshold_of
from mmctl.tui.draw.chart import Chart, Curve, Level, Mark
from mmctl.tui.history import NAN, Track, figure, fill_time
from mmctl.tui.views.base import Look, instrument

#: Seconds without a picture after which a curve is broken, at the least.
GAP_SECONDS = 5.0
STYLES = ("curve", "curve2", "curve3", "curve4")


def _gap(look: Look) -> float:
    coarse = 9.0 if look.span > 600.0 else 0.0
    return max(GAP_SECONDS, 3.5 * look.interval, coarse)


def _curve(track: Track, column: str, look: Look, name: str, style: str, step: bool = False) -> Curve:
    times, values = track.column(column, look.span)
    return Curve(name, style, times, values, step)


def price(look: Look) -> Chart | None:
    """Mid and our quotes of the symbol, with our fills on them; None where no curve is kept of it."""
    track = look.history.symbols.get(look.symbol)
    if track is None:
        return None
    times, bids = track.column("bid", look.span)
    _, asks = track.column("ask", look.span)
    start, end = look.window
    return Chart(
        curves=(
            Curve("mid", "mid", times, (bids + asks) / 2),
            _curve(track, "our_bid", look, "our bid", "bid", step=True),
            _curve(track, "our_ask", look, "our ask", "ask", step=True),
        ),
        start=start,
        end=end,
        decimals=_decimals(look, "tick_size", 2),
        marks=fills(look),
        gap=_gap(look),
    )


def fills(look: Look) -> Sequence[Mark]:
    """Our fills of the symbol in the window: up for bought, down for sold."""
    start, end = look.window
    marks = []
    for fill in reversed(look.history.fills.values()):
        when = fill_time(fill)
        if fill.get("symbol") != look.symbol or not start <= when <= end:
            continue
        bought = str(fill.get("side", "")).lower() in ("buy", "bid", "b")
        value = figure(fill.get("price"))
        if math.isfinite(value):
            marks.append(Mark(when, value, "▲" if bought else "▼", "bid" if bought else "ask"))
        if len(marks) >= 400:
            break
    return marks


def inventory(look: Look) -> Chart | None:
    """Position over time between its limits, base currency."""
    track = look.history.symbols.get(look.symbol)
    if track is None:
        return None
    limit = figure(pick(instrument(look), "position", "limit_base"))
    levels = [Level(0.0, "", "axis", reach=True)]
    if math.isfinite(limit) and limit > 0:
        levels += [Level(limit, "limit", "warn", reach=True), Level(-limit, "-limit", "warn", reach=True)]
    start, end = look.window
    curves = (_curve(track, "position", look, "position", "curve", step=True),)
    return Chart(curves, start, end, _decimals(look, "lot_size", 4), (), levels, _gap(look))


def pnl(look: Look) -> Chart:
    """Total profit and loss since the start, quote currency."""
    start, end = look.window
    curve = _curve(look.history.engine, "pnl", look, "total", "curve")
    return Chart((curve,), start, end, 4, levels=(Level(0.0, "", "axis"),), gap=_gap(look))


def drawdown(look: Look) -> Chart:
    """Fall from the equity's peak, per cent, with the thresholds of its alert."""
    start, end = look.window
    bound = threshold_of("mm_portfolio_drawdown_ratio")
    levels = [Level(bound.warn, "warn", "warn"), Level(bound.crit, "bad", "bad-line")]
    metrics = look.picture.metrics if look.picture else None
    limit = metrics.value("mm_portfolio_drawdown_limit_ratio") if metrics else None
    if limit:
        levels.append(Level(limit, "limit", "bad-line", reach=True))
    curve = _curve(look.history.engine, "drawdown", look, "drawdown", "curve2")
    return Chart((curve,), start, end, 3, levels=levels, gap=_gap(look), suffix="%", scale=100.0)


def limits(look: Look, names: Sequence[str]) -> Chart:
    """Use of the given limits over time, per cent, with the marks from which they count as breached."""
    start, end = look.window
    bound = threshold_of("mm_limit_use_ratio")
    levels = (
        Level(bound.warn, "warn", "warn"),
        Level(bound.crit, "bad", "bad-line"),
        Level(1.0, "limit", "bad-line", reach=True),
    )
    curves = [
        _curve(look.history.limits[name], "ratio", look, name, STYLES[index % len(STYLES)])
        for index, name in enumerate(names[:4])
        if name in look.history.limits
    ]
    return Chart(curves, start, end, 1, levels=levels, gap=_gap(look), suffix="%", scale=100.0, named=True)


def latency(look: Look, stage: str) -> Chart | None:
    """Percentiles of a stage over time, milliseconds; None where nothing of it is known yet."""
    track = look.history.stages.get(stage)
    if track is None:
        return None
    start, end = look.window
    curves = (_curve(track, "p99", look, "p99", "curve2"), _curve(track, "p50", look, "p50", "curve"))
    levels: tuple[Level, ...] = ()
    if stage in ("decision", "submit", "ack", "network"):
        bound = threshold_of("mm_order_latency_seconds")
        levels = (Level(bound.warn, "warn", "warn"), Level(bound.crit, "bad", "bad-line"))
    return Chart(curves, start, end, 3, levels=levels, gap=_gap(look), suffix=" ms", scale=1e3)


def volatility(look: Look) -> Chart | None:
    """Volatility of the symbol's mid over time, basis points per root second."""
    track = look.history.symbols.get(look.symbol)
    if track is None:
        return None
    start, end = look.window
    return Chart((_curve(track, "volatility", look, "volatility", "curve3"),), start, end, 3, gap=_gap(look))


def spreads(look: Look) -> Chart | None:
    """The market's spread and ours over time, basis points of mid."""
    track = look.history.symbols.get(look.symbol)
    if track is None:
        return None
    times, bids = track.column("bid", look.span)
    _, asks = track.column("ask", look.span)
    _, our_bids = track.column("our_bid", look.span)
    _, our_asks = track.column("our_ask", look.span)
    mids = (bids + asks) / 2
    start, end = look.window
    curves = (
        Curve("market", "mid", times, (asks - bids) / mids * 1e4, True),
        Curve("ours", "ours", times, (our_asks - our_bids) / mids * 1e4, True),
    )
    return Chart(curves, start, end, 2, gap=_gap(look))


def markout(look: Look, symbol: str, time: float, price_paid: float, bought: bool, horizon: float) -> float:
    """How far the mid had moved our way ``horizon`` seconds after a fill, bps; NaN where no picture was taken then."""
    track = look.history.symbols.get(symbol)
    if track is None or not price_paid > 0:
        return NAN
    times, bids = track.column("bid", 600.0)
    at = int(times.searchsorted(time + horizon))
    if at >= len(times) or times[at] - time - horizon > max(2.0, 2 * look.interval):
        return NAN
    _, asks = track.column("ask", 600.0)
    mid = float(bids[at] + asks[at]) / 2
    return (mid - price_paid) / price_paid * 1e4 * (1 if bought else -1)


def _decimals(look: Look, step: str, otherwise: int) -> int:
    found = digits(look.picture.symbols.get(look.symbol, {}).get(step)) if look.picture else None
    return otherwise if found is None else found


def clock(seconds: float) -> str:
    """A time of the last day to the millisecond, UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):  # beyond every calendar
        return "-"
