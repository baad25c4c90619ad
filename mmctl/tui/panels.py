"""From documents to what stands in a panel: rows of label, value and level. Pure, so every figure can be tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import digits, number, utc
from mmctl.tui.bounds import BAD, BAD_RATIO, BEYOND, DIM, FEED_BAD_S, FEED_WARN_S, GOOD, PLAIN, WARN, WARN_RATIO
from mmctl.tui.picture import Picture
from mmctl.watch.health import always_talks

BREAKER_NAMES = {0: "closed", 1: "half open", 2: "open", 3: "halted"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a panel."""

    label: str
    value: str
    level: str = PLAIN


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled list of rows; ``key`` names the widget that shows it."""

    key: str
    title: str
    rows: tuple[Row, ...]
    one_line: bool = False  # a row is cut where it does not fit, not folded


def float_of(value: Any) -> float | None:
    """A number of a document; None for anything else. A price, a size, a count or a ratio, as there."""
    try:
        found = None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found is not None and abs(found) < BEYOND else None


def short(value: Any) -> str:
    """At most four decimals, none of them a zero at the end: for figures that have no step of their own."""
    text = number(value, 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def breaker_of(picture: Picture) -> tuple[int | None, str]:
    """The breaker's code (0-3, None if unknown) and name."""
    breaker = section(picture.state, "risk", "breaker")
    code = breaker.get("code")
    name = str(breaker.get("state", "")).lower().replace("_", " ")
    if not isinstance(code, int):
        code = next((c for c, n in BREAKER_NAMES.items() if n == name), None)
    return code, BREAKER_NAMES.get(code, name or "unknown") if code is not None else name or "unknown"


def _breaker_row(picture: Picture) -> Row:
    code, name = breaker_of(picture)
    level = {0: GOOD, 1: WARN, 2: BAD, 3: BAD}.get(code if code is not None else -1, WARN)
    return Row("breaker", name, level)


def pnl_panel(picture: Picture) -> Panel:
    """Profit and loss in its parts, in the account's currency."""
    pnl = section(picture.state, "pnl")
    currency = str(pnl.get("currency") or "")
    total = float_of(pnl.get("total"))
    level = PLAIN if not total else GOOD if total > 0 else BAD
    rows = [Row("total", f"{number(pnl.get('total'), 4, True)} {currency}".strip(), level)]
    parts = ("realized", "unrealized", "spread", "inventory", "fees", "funding", "hedge")
    rows += [Row(part, number(pnl.get(part), 4, True)) for part in parts if part in pnl]
    return Panel("pnl", "Profit and loss", tuple(rows))


def position_panel(picture: Picture) -> Panel:
    """Of each symbol the position in base currency with its limit, the notional and the average price."""
    rows: list[Row] = []
    for name, symbol in picture.symbols.items():
        base, limit = float_of(pick(symbol, "position", "base")), float_of(pick(symbol, "position", "limit_base"))
        ratio = abs(base) / limit if base is not None and limit else None
        tick, lot = digits(symbol.get("tick_size")), digits(symbol.get("lot_size"))
        rows.append(Row(name, f"{number(base, lot, True)} of {short(limit)}", _ratio_level(ratio)))
        rows.append(Row("  notional", number(pick(symbol, "position", "notional_quote"), 2)))
        average = pick(symbol, "position", "avg_price")
        rows.append(Row("  average price", number(average, tick) if tick is not None else short(average)))
    return Panel("position", "Position", tuple(rows) or (Row("", "no symbol reported", DIM),))


def quotes_panel(picture: Picture) -> Panel:
    """Whether it quotes and why not, and of each symbol the quotes beside the market's best."""
    rows: list[Row] = []
    engine = section(picture.state, "engine")
    if engine.get("quoting"):
        rows.append(Row("quoting", "yes", GOOD))
    else:
        rows.append(Row("quoting", f"no: {engine.get('not_quoting_reason') or 'no reason given'}", WARN))
    for name, symbol in picture.symbols.items():
        book, quote = section(symbol, "book"), section(symbol, "quote")
        state = str(book.get("state", "unknown")).lower()
        age = float_of(book.get("age_s"))
        live = GOOD if state == "live" and (age is None or age < FEED_WARN_S) else BAD
        tick, lot = digits(symbol.get("tick_size")), digits(symbol.get("lot_size"))
        rows.append(Row(f"{name} book", f"{number(book.get('bid'), tick)} / {number(book.get('ask'), tick)}", live))
        rows.append(Row("  state, age", f"{state}, {age_text(age)}", live))
        rows.append(Row("  our bid", _quote(quote, "bid", tick, lot)))
        rows.append(Row("  our ask", _quote(quote, "ask", tick, lot)))
        spread = number(quote.get("spread"), tick)
        rows.append(Row("  spread, age", f"{spread}, {age_text(float_of(quote.get('age_s')))}"))
    return Panel("quotes", "Quotes", tuple(rows))


def _quote(quote: Mapping[str, Any], side: str, tick: int | None, lot: int | None) -> str:
    if quote.get(side) is None:
        return "none"
    return f"{number(quote.get(f'{side}_size'), lot)} @ {number(quote.get(side), tick)}"


def _ratio_level(ratio: float | None) -> str:
    if ratio is None:
        return DIM
    return BAD if ratio >= BAD_RATIO else WARN if ratio >= WARN_RATIO else PLAIN


def limits_of(picture: Picture) -> list[Mapping[str, Any]]:
    """Limits of the risk document, the least headroom first."""
    limits = pick(picture.state, "risk", "limits")
    rows = [row for row in limits if isinstance(row, Mapping)] if isinstance(limits, list) else []
    return sorted(rows, key=lambda row: -(float_of(row.get("ratio")) or 0.0))


def bar(ratio: float | None, width: int = 6) -> str:
    """A bar of ``width`` cells for a share of 0-1; full beyond."""
    if ratio is None:
        return "·" * width
    filled = max(0, min(width, round(ratio * width)))
    return "█" * filled + "░" * (width - filled)


def limits_panel(picture: Picture, most: int = 99) -> Panel:
    """The ``most`` limits with the least headroom: share used, use and limit."""
    rows = []
    for limit in limits_of(picture)[:most]:
        ratio = float_of(limit.get("ratio"))
        share = "-" if ratio is None else f"{ratio * 100:.0f}%"
        # What a narrow panel cuts off is the bar, which says the least.
        text = f"{share:>4}  {short(limit.get('use'))} of {short(limit.get('limit'))}  {bar(ratio)}"
        rows.append(Row(str(limit.get("name", "?")), text, _ratio_level(ratio)))
    return Panel("limits", "Limits, least headroom first", tuple(rows) or (Row("", "no limit reported", DIM),), True)


def breaker_panel(picture: Picture) -> Panel:
    """The breaker's state, and since when, why and by what evidence."""
    breaker = section(picture.state, "risk", "breaker")
    rows = [_breaker_row(picture)]
    reason = breaker.get("reason")
    if reason:
        rows.append(Row("reason", str(reason)))
    since = breaker.get("since_ns")
    if isinstance(since, int) and since > 0:
        rows.append(Row("since", utc(since)))
    evidence = breaker.get("evidence")
    if isinstance(evidence, Mapping):
        rows += [Row(f"  {key}", short(value)) for key, value in evidence.items()]
    level = pick(picture.state, "risk", "level")
    name = str(pick(picture.state, "risk", "level_name") or "unknown")
    mark = {0: GOOD, 1: PLAIN, 2: WARN, 3: BAD}.get(level if isinstance(level, int) else -1, WARN)
    rows.append(Row("risk level", f"{name} ({number(level)})", mark))
    if pick(picture.state, "risk", "halted"):
        rows.append(Row("halted", "until a person resets it", BAD))
    return Panel("breaker", "Circuit breaker", tuple(rows))


def orders_panel(picture: Picture) -> Panel:
    """Orders counted by what became of them, and how many are open."""
    orders = section(picture.state, "orders")
    rows = [Row(name, number(orders.get(name))) for name in ("placed", "accepted", "filled", "cancelled", "rejected")]
    unknown = float_of(orders.get("unknown")) or 0
    rows.append(Row("unknown", number(orders.get("unknown")), BAD if unknown else PLAIN))
    still_open = sum(int(float_of(symbol.get("open_orders")) or 0) for symbol in picture.symbols.values())
    rows.append(Row("open now", str(still_open)))
    return Panel("orders", "Orders", tuple(rows))


def feeds_panel(picture: Picture) -> Panel:
    """Of each feed whether it is connected, and the age of its last message."""
    rows: list[Row] = []
    feeds = picture.state.get("feeds")
    for feed in feeds if isinstance(feeds, list) else []:
        if not isinstance(feed, Mapping):
            continue
        age = float_of(feed.get("age_s"))
        if not feed.get("connected"):
            rows.append(Row(str(feed.get("name")), "disconnected", BAD))
        else:
            heard = "connected" if age is None else f"heard {age_text(age)} ago"
            rows.append(Row(str(feed.get("name")), heard, _feed_level(feed, age)))
    return Panel("feeds", "Feeds", tuple(rows) or (Row("", "no feed reported", WARN),))


def _feed_level(feed: Mapping[str, Any], age: float | None) -> str:
    if not always_talks(str(feed.get("name"))):
        return PLAIN
    if age is None:
        return WARN
    return BAD if age >= FEED_BAD_S else WARN if age >= FEED_WARN_S else GOOD


def reconciliation_panel(picture: Picture) -> Panel:
    """When the account was last compared with the exchange, and what differed."""
    found = section(picture.state, "reconciliation")
    state = str(found.get("state", "unknown"))
    last = found.get("last_ns")
    rows = [
        Row("state", state, GOOD if state.lower() in ("ok", "reconciled", "clean") else WARN),
        Row("last", utc(last) if isinstance(last, int) else "-"),
    ]
    discrepancies = found.get("discrepancies")
    if isinstance(discrepancies, Mapping):
        rows += [Row(f"  {name}", number(count), WARN if count else PLAIN) for name, count in discrepancies.items()]
    return Panel("reconciliation", "Reconciliation", tuple(rows))


def latency_panel(picture: Picture) -> Panel:
    """Latency percentiles of each stage."""
    rows = [Row("", "     p50        p95        p99", DIM)]
    for stage, values in section(picture.state, "latency").items():
        if isinstance(values, Mapping):
            rows.append(Row(str(stage), "  ".join(f"{seconds_text(values.get(p)):>9}" for p in ("p50", "p95", "p99"))))
    return Panel("latency", "Latency", tuple(rows) if len(rows) > 1 else (Row("", "nothing measured yet", DIM),))


def seconds_text(value: Any) -> str:
    """A latency in the unit that fits: microseconds, milliseconds or seconds; ``-`` for none."""
    seconds = float_of(value)
    if seconds is None or seconds != seconds:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def hedge_panel(picture: Picture) -> Panel:
    """The engine has no hedge, and so the metrics page has no figure of one yet."""
    return Panel("hedge", "Hedge and regime", (Row("", "this engine hedges nothing", DIM),))


def matching(rows: Sequence[Row], text: str) -> tuple[Row, ...]:
    """Rows that hold ``text`` in label or value, without regard to case; all rows for an empty text."""
    wanted = text.lower()
    return tuple(row for row in rows if wanted in row.label.lower() or wanted in row.value.lower())
