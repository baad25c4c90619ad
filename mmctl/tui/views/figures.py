"""The tiles at the top of the overview: the figures that are looked at first, with the level of each. Pure."""

import math

from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import digits, number
from mmctl.tui.bounds import BAD, DIM, GOOD, PLAIN, WARN, level_of
from mmctl.tui.draw.tiles import Tile
from mmctl.tui.history import figure
from mmctl.tui.panels import breaker_of, limits_of, seconds_text
from mmctl.tui.picture import Picture
from mmctl.tui.views.base import Look, instrument


def tiles(look: Look) -> list[Tile]:
    """The most important first: what does not fit is left out from the end."""
    picture = look.picture
    if picture is None:
        return []
    return [*_money(picture), *_position(look), *_state(picture), *_work(look, picture)]


def _money(picture: Picture) -> list[Tile]:
    pnl = section(picture.state, "pnl")
    currency = str(pnl.get("currency") or "")
    found = [Tile("PnL", f"{number(pnl.get('total'), 4, True)} {currency}".strip(), _sign(figure(pnl.get("total"))))]
    if "day" in pnl:
        found.append(Tile("today", number(pnl.get("day"), 2, True), _sign(figure(pnl.get("day")))))
    return found


def _sign(value: float) -> str:
    return GOOD if value > 0 else BAD if value < 0 else PLAIN


def _position(look: Look) -> list[Tile]:
    values = instrument(look)
    if not values:
        return []
    base, limit = figure(pick(values, "position", "base")), figure(pick(values, "position", "limit_base"))
    use = abs(base) / limit if limit > 0 else math.nan
    lot = digits(values.get("lot_size"))
    share = "" if math.isnan(use) else f" {use * 100:.0f}%"
    return [
        Tile(f"{look.symbol} position", f"{number(pick(values, 'position', 'base'), lot, True)}{share}", _level(use))
    ]


def _level(use: float) -> str:
    return PLAIN if math.isnan(use) else level_of("mm_limit_use_ratio", use)


def _state(picture: Picture) -> list[Tile]:
    code, name = breaker_of(picture)
    engine = section(picture.state, "engine")
    quoting = bool(engine.get("quoting"))
    worst = limits_of(picture)[:1]
    found = [
        Tile("breaker", name, {0: GOOD, 1: WARN}.get(-1 if code is None else code, BAD)),
        Tile("quoting", "yes" if quoting else "no", GOOD if quoting else WARN),
    ]
    for limit in worst:
        ratio = figure(limit.get("ratio"))
        found.append(Tile("nearest limit", f"{limit.get('name')} {ratio * 100:.0f}%", _level(ratio)))
    if picture.metrics:
        drawdown = picture.metrics.value("mm_portfolio_drawdown_ratio")
        if drawdown is not None:
            found.append(Tile("drawdown", f"{drawdown * 100:.3f}%", level_of("mm_portfolio_drawdown_ratio", drawdown)))
    return found


def _work(look: Look, picture: Picture) -> list[Tile]:
    values = instrument(look)
    quote, book = section(values, "quote"), section(values, "book")
    tick = digits(values.get("tick_size"))
    found: list[Tile] = []
    if values:
        found.append(
            Tile("our bid / ask", f"{number(quote.get('bid'), tick)} / {number(quote.get('ask'), tick)}", "ours")
        )
        found.append(Tile("market", f"{number(book.get('bid'), tick)} / {number(book.get('ask'), tick)}"))
    orders, pnl = section(picture.state, "orders"), section(picture.state, "pnl")
    fills = pnl.get("fills", orders.get("filled"))
    found.append(Tile("fills", number(fills)))
    for stage in ("tick_to_order", "ack"):
        p99 = figure(pick(picture.state, "latency", stage, "p99"))
        if math.isfinite(p99):
            metric = "mm_tick_to_order_seconds" if stage == "tick_to_order" else "mm_order_latency_seconds"
            found.append(Tile(f"{stage.replace('_', ' ')} p99", seconds_text(p99), level_of(metric, p99)))
    age = book.get("age_s")
    if isinstance(age, int | float):
        text = "<1s" if age < 1 else age_text(age)
        found.append(Tile("feed age", text, level_of("mm_feed_age_seconds", float(age))))
    if picture.metrics:
        uptime = picture.metrics.value("mm_quote_uptime_ratio", symbol=look.symbol)
        if uptime is not None:
            found.append(Tile("uptime", f"{uptime * 100:.1f}%", level_of("mm_quote_uptime_ratio", uptime)))
        found.append(_rejects(picture))
    return found


def _rejects(picture: Picture) -> Tile:
    ratio = picture.metrics.value("mm_reject_ratio") if picture.metrics else None
    return Tile(
        "rejects",
        "-" if ratio is None else f"{ratio * 100:.1f}%",
        DIM if ratio is None else level_of("mm_reject_ratio", ratio),
    )
