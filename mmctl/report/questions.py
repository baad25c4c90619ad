"""What a report asks a journal: one SELECT a name, in words that SQLite and PostgreSQL both understand.

Money is asked for as it is kept, exact; only an order by size compares it as a floating number.
"""

# ruff: noqa: S608 - built of names of ours and numbers; the account alone is text, and quoted (``literal``)
from collections.abc import Mapping, Sequence
from typing import Final

from mmctl.report.period import Day

#: Samples come once a second. So long without one, and the engine did not run, or its journal lost a stretch.
GAP_NS: Final = 10_000_000_000
#: Trades before the day that are walked through for the cost of the position it began with.
BASIS_TRADES: Final = 5_000
MOST_EVENTS: Final = 5_000
MOST_ROWS: Final = 2_000_000
CLOSES_AT_ONCE: Final = 100
LIVE: Final = ("INITIALIZED", "SUBMITTED", "UNKNOWN", "ACCEPTED", "PARTIALLY_FILLED", "PENDING_CANCEL")
PNL: Final = (
    "ns, total, realized, unrealized, fees, funding, hedge, spread, inventory, day_total, equity, peak_equity, currency"
)
_ORDER: Final = "symbol, side, price, quantity, filled, state, reason, epoch, created_ns, updated_ns"
_FILL: Final = "symbol, trade_id, side, price, quantity, maker, fee, fee_asset, exchange_ms, booked_ns"
_REAL: Final = "CAST({} AS DOUBLE PRECISION)"

Questions = dict[str, str]

ACCOUNTS: Final = "SELECT account FROM engine_state GROUP BY account ORDER BY account"


def literal(text: str) -> str:
    """``text`` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _real(column: str) -> str:
    return _REAL.format(column)


def journal_of(account: str) -> Questions:
    """What does not hang on a day: version, first and last sample, positions now."""
    mine = f"account = {literal(account)}"
    return {
        "schema": "SELECT value FROM meta WHERE name = 'schema_version'",
        "oldest": f"SELECT ns FROM pnl WHERE {mine} ORDER BY ns LIMIT 1",
        "newest": f"SELECT ns FROM pnl WHERE {mine} ORDER BY ns DESC LIMIT 1",
        "positions": f"SELECT symbol, quantity, average_price, updated_ns FROM positions WHERE {mine} ORDER BY symbol",
    }


def money(account: str, day: Day, bucket_s: int = 60) -> Questions:
    """Profit, loss and drawdown of one day; the curve has one point a ``bucket_s`` seconds, its last."""
    mine = f"account = {literal(account)}"
    within = f"{mine} AND ns >= {day.begin_ns} AND ns < {day.end_ns}"
    bucket = bucket_s * 1_000_000_000
    equity, peak = _real("equity"), _real("peak_equity")
    return {
        "before": f"SELECT {PNL} FROM pnl WHERE {mine} AND ns < {day.begin_ns} ORDER BY ns DESC LIMIT 1",
        "first": f"SELECT {PNL} FROM pnl WHERE {within} ORDER BY ns LIMIT 1",
        "last": f"SELECT {PNL} FROM pnl WHERE {within} ORDER BY ns DESC LIMIT 1",
        "samples": f"SELECT count(*) AS samples FROM pnl WHERE {within}",
        "curve": f"SELECT {PNL} FROM pnl WHERE {mine} AND ns IN "
        f"(SELECT max(ns) FROM pnl WHERE {within} GROUP BY ns / {bucket}) ORDER BY ns",
        "drawdown": f"SELECT ns, equity, peak FROM (SELECT ns, equity, max({equity}) OVER "
        f"(ORDER BY ns ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS peak FROM pnl WHERE {within}) found "
        f"ORDER BY peak - {equity} DESC, ns LIMIT 1",
        "limit_drawdown": f"SELECT ns, equity, peak_equity FROM pnl WHERE {within} AND {peak} > 0 "
        f"ORDER BY ({peak} - {equity}) / {peak} DESC, ns LIMIT 1",
        "worst_total": f"SELECT ns, day_total FROM pnl WHERE {within} ORDER BY {_real('day_total')}, ns LIMIT 1",
        "gaps": f"SELECT ns, later FROM (SELECT ns, lead(ns) OVER (ORDER BY ns) AS later FROM pnl WHERE {within}) one "
        f"WHERE later - ns > {GAP_NS} ORDER BY ns",
    }


def trading(account: str, day: Day) -> Questions:
    """Orders that stood at some time of the day, its trades, and those before that its cost hangs on."""
    mine = f"account = {literal(account)}"
    begin_ms, end_ms = day.begin_ns // 1_000_000, day.end_ns // 1_000_000
    live = ", ".join(literal(state) for state in LIVE)
    older = f"{mine} AND exchange_ms < {begin_ms}"
    return {
        "orders": f"SELECT {_ORDER} FROM orders WHERE {mine} AND updated_ns >= {day.begin_ns} "
        f"AND created_ns < {day.end_ns} UNION ALL SELECT {_ORDER} FROM orders WHERE {mine} AND state IN ({live}) "
        f"AND updated_ns < {day.begin_ns}",
        "fills": f"SELECT {_FILL} FROM trades WHERE {mine} AND exchange_ms >= {begin_ms} AND exchange_ms < {end_ms} "
        "ORDER BY symbol, trade_id",
        "basis": f"SELECT {_FILL} FROM trades WHERE {older} ORDER BY exchange_ms DESC, trade_id DESC "
        f"LIMIT {BASIS_TRADES}",
        "held": f"SELECT symbol, sum(side * {_real('quantity')}) AS held, count(*) AS trades FROM trades "
        f"WHERE {older} GROUP BY symbol ORDER BY symbol",
    }


def told(account: str, day: Day) -> Questions:
    """What the engine told: risk events, changes of its configuration, latencies, markouts, how epochs ended."""
    mine = f"account = {literal(account)}"
    within = f"{mine} AND ns >= {day.begin_ns} AND ns < {day.end_ns}"
    return {
        "events": f"SELECT event_id, ns, kind, severity, message, evidence FROM risk_events WHERE {within} "
        "ORDER BY ns, event_id",
        "changes": f"SELECT ns, actor, reason, changes FROM config_changes WHERE {within} ORDER BY ns",
        "stops": f"SELECT event_id, ns FROM risk_events WHERE {mine} AND kind = 'stop' AND ns < {day.end_ns} "
        "ORDER BY ns DESC LIMIT 1000",
        "latencies": f"SELECT stage, count, max_ns, buckets FROM latencies WHERE {within} ORDER BY stage, ns",
        "markouts": f"SELECT markouts FROM fill_traces WHERE {mine} AND received_ns >= {day.begin_ns} "
        f"AND received_ns < {day.end_ns}",
        "epoch_before": f"SELECT epoch FROM orders WHERE {mine} AND updated_ns < {day.begin_ns} "
        "ORDER BY updated_ns DESC LIMIT 1",
    }


def closes(account: str, moments: Sequence[int]) -> Questions:
    """The last sample before each of ``moments`` (ns), by index: names ``closes:0``, ``closes:1``, ... of some each."""
    mine = f"account = {literal(account)}"
    found: Questions = {}
    for start in range(0, len(moments), CLOSES_AT_ONCE):
        parts = [
            f"SELECT * FROM (SELECT {at} AS number, {PNL} FROM pnl WHERE {mine} AND ns < {moment} "
            f"ORDER BY ns DESC LIMIT 1) found{at}"
            for at, moment in enumerate(moments[start : start + CLOSES_AT_ONCE], start)
        ]
        found[f"closes:{start}"] = " UNION ALL ".join(parts)
    return found


def counted(account: str, day: Day) -> Questions:
    """One day in numbers, for a span of many: drawdown, orders by state, trades by symbol and side, events by kind."""
    mine = f"account = {literal(account)}"
    asked = money(account, day)
    created = f"{mine} AND updated_ns >= {day.begin_ns} AND created_ns >= {day.begin_ns} AND created_ns < {day.end_ns}"
    begin_ms, end_ms = day.begin_ns // 1_000_000, day.end_ns // 1_000_000
    return {
        **{name: asked[name] for name in ("drawdown", "samples", "gaps", "first", "last")},
        "by_state": f"SELECT state, CASE WHEN state = 'REJECTED' THEN reason ELSE '' END AS reason, "
        f"count(*) AS orders, sum(CASE WHEN {_real('filled')} > 0 THEN 1 ELSE 0 END) AS hit "
        f"FROM orders WHERE {created} GROUP BY 1, 2 ORDER BY 1, 2",
        "traded": f"SELECT side, count(*) AS fills, sum({_real('price')} * {_real('quantity')}) AS value FROM trades "
        f"WHERE {mine} AND exchange_ms >= {begin_ms} AND exchange_ms < {end_ms} GROUP BY side ORDER BY side",
        "by_kind": f"SELECT kind, severity, count(*) AS times FROM risk_events WHERE {mine} AND ns >= {day.begin_ns} "
        f"AND ns < {day.end_ns} GROUP BY kind, severity ORDER BY kind, severity",
        "opened": f"SELECT event_id, ns, message, evidence FROM risk_events WHERE {mine} AND kind = 'breaker' "
        f"AND ns >= {day.begin_ns} AND ns < {day.end_ns} ORDER BY ns",
    }


def limits_of(questions: Mapping[str, str]) -> dict[str, int]:
    """The most rows each answer may have: what is cut is told, never taken for the whole."""
    few = ("events", "opened", "changes")
    return {name: MOST_EVENTS if name.rpartition("/")[2] in few else MOST_ROWS for name in questions}
