"""One fill explained on the command line: asked of the journal, which is there when the engine is not."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mmctl.cli.output import Output
from mmctl.cli.query import ask
from mmctl.cli.reach import Engine, ask_each, finish
from mmctl.cli.run import Run
from mmctl.client.explain import ENDED_FIRST, NOT_BY_VERSION, Explanation, Stage, as_json, explained
from mmctl.fleet.errors import OperatorError, UsageError
from mmctl.formats import iso_utc, took

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
SECONDS = 20.0
MOST_FILLS = 20  # of one order
_TRACES = ("order_traces", "fill_traces")


class NoSuchFill(OperatorError):
    """No journal of the target holds the fill."""


def explain(run: Run, found: Mapping[str, Engine], wanted: str, symbol: str = "") -> None:
    """Print the fills that ``wanted`` names, a trade's id or a client order id. Ends the run with a code on failure."""
    named("trade or client order id", wanted)
    if symbol:
        named("symbol", symbol)
    outcomes = ask_each(run, found, lambda engine: explanations(engine, wanted, symbol, run.remaining(SECONDS)))
    shown = 0
    for name, outcome in outcomes.items():
        for one in outcome.value or ():
            shown += 1
            run.out.event("explanation", host=name, **as_json(one))
            _print(run.out, name, one)
    finish(run, outcomes)
    if not shown:
        of = f" on {symbol}" if symbol else ""
        raise NoSuchFill(f"no fill {wanted}{of} is in the journal", "`mmctl trades TARGET` lists the last fills' ids.")


def named(word: str, text: str) -> str:
    """``text``, fit to stand in a statement. Raises UsageError where it can be no ``word``."""
    if not _NAME.fullmatch(text):
        raise UsageError(f"'{text}' is no {word}", "`mmctl trades TARGET` lists the ids and symbols of the last fills.")
    return text


def explanations(engine: Engine, wanted: str, symbol: str, seconds: float) -> list[Explanation]:
    """What the journal of one engine holds of the fills that ``wanted`` names; empty where it holds none.

    Raises UsageError where one id is a trade's of several symbols.
    """
    if engine.site.journal is None:
        raise OperatorError(
            f"{engine.name}: a fill is explained from a SQLite journal, and its journal is PostgreSQL",
            "psql shows what it is made of: tables trades, orders, order_traces, fill_traces.",
        )
    end = time.monotonic() + seconds

    def rows(sql: str, most: int = 1000) -> list[dict[str, Any]]:
        columns, found = ask(engine, sql, most, max(end - time.monotonic(), 1.0))
        return [dict(zip(columns, row, strict=True)) for row in found]

    of = f" AND symbol = '{symbol}'" if symbol else ""
    match = f"trade_id = {int(wanted)}" if wanted.isdecimal() and len(wanted) < 19 else f"client_id = '{wanted}'"
    trades = rows(f"SELECT * FROM trades WHERE {match}{of} ORDER BY exchange_ms, trade_id", MOST_FILLS)  # noqa: S608
    symbols = sorted({str(trade["symbol"]) for trade in trades})
    if len(symbols) > 1:
        raise UsageError(f"fill {wanted} is one of each of {', '.join(symbols)}", "Name one with --symbol.")
    if not trades:
        return []
    tables = {row["name"] for row in rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    now = time.time_ns()
    return [_one(trade, rows, tables, now) for trade in trades]


def _one(trade: dict[str, Any], rows: Any, tables: set[str], now_ns: int) -> Explanation:
    client = f"account = {_quoted(trade['account'])} AND client_id = {_quoted(trade['client_id'])}"
    order = next(iter(rows(f"SELECT * FROM orders WHERE {client}")), None)  # noqa: S608
    trace = after = None
    missing = NOT_BY_VERSION, NOT_BY_VERSION
    if set(_TRACES) <= tables:
        trace = next(iter(rows(f"SELECT * FROM order_traces WHERE {client}")), None)  # noqa: S608
        of = f"{client} AND symbol = {_quoted(trade['symbol'])} AND trade_id = {int(trade['trade_id'])}"
        after = next(iter(rows(f"SELECT * FROM fill_traces WHERE {of}")), None)  # noqa: S608
        if trace is None or after is None:
            missing = _why_missing(trade, order, rows)
    return explained(trade, order, trace, after, missing, now_ns)


def _why_missing(trade: dict[str, Any], order: dict[str, Any] | None, rows: Any) -> tuple[str, str]:
    """Whether the engine that sent the order, and the one that booked the fill, wrote traces at all."""
    epoch = int(order["epoch"]) if order is not None else -1
    sent = rows(f"SELECT 1 FROM order_traces WHERE epoch = {epoch} LIMIT 1", 1)  # noqa: S608
    earlier = f"SELECT 1 FROM fill_traces WHERE received_ns <= {int(trade['booked_ns'])} LIMIT 1"  # noqa: S608
    return (ENDED_FIRST if sent else NOT_BY_VERSION), (ENDED_FIRST if rows(earlier, 1) else NOT_BY_VERSION)


def _quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"


# --- for people ---


def _print(out: Output, host: str, found: Explanation) -> None:
    trade, order = found.trade, found.order
    side = "bought" if trade.get("side") == 1 else "sold"
    out.styled(
        f"{host}: {side} {trade.get('quantity')} {trade.get('symbol')} at {trade.get('price')} "
        f"(trade {trade.get('trade_id')}, order {trade.get('client_id')})",
        "bold",
    )
    out.say(f"  {'maker' if trade.get('maker') else 'taker'}, fee {trade.get('fee')} {trade.get('fee_asset')}")
    if order:
        out.say(f"  order: {order.get('quantity')} at {order.get('price')}, now {order.get('state')}")
    _print_inputs(out, found)
    out.say()
    width = max(len(stage.name) for stage in found.stages)
    out.styled(f"  {'TIME (UTC)':<18}  {'TOOK':>10}  STEP", "bold")
    day = ""
    for stage in found.stages:
        day = _print_stage(out, stage, width, day)
    out.say()
    for markout in found.markouts:
        value = f"{markout.bps:+.2f} bps" if markout.bps is not None else markout.missing
        label = f"markout after {markout.horizon_s:g} s"
        out.say(f"  {iso_utc(markout.at_ns)[11:29]}  {'':>10}  {label:<{width}}  {value}")
    out.say()
    if found.reaction_ns is not None:
        out.say(f"  from the frame to the order's bytes: {took(found.reaction_ns)}")
    longest = next((stage for stage in found.stages if stage.longest), None)
    if longest is not None and longest.took_ns is not None:
        out.say(f"  longest step: {longest.name}, {took(longest.took_ns)}")
    for gap in found.gaps:
        out.styled(f"  gap: {gap}", "yellow")


def _print_stage(out: Output, stage: Stage, width: int, day: str) -> str:
    """One line, and the day above it where it is another; returns the day."""
    if stage.at_ns is None:
        out.styled(f"  {'-':<18}  {'':>10}  {stage.name:<{width}}  {stage.missing}", "dim")
        return day
    text = iso_utc(stage.at_ns)
    if text[:10] != day:
        out.styled(f"  {text[:10]}", "dim")
    gap = "" if stage.took_ns is None else ("~" if stage.two_clocks else "") + took(stage.took_ns)
    clock = "exchange clock" if stage.clock != "ours" else ""
    notes = "; ".join(part for part in (clock, stage.note, "LONGEST" if stage.longest else "") if part)
    line = f"  {text[11:29]}  {gap:>10}  {stage.name:<{width}}  {notes}".rstrip()
    if stage.longest:
        out.styled(line, "yellow")
    else:
        out.say(line)
    return text[:10]


def _print_inputs(out: Output, found: Explanation) -> None:
    inputs = found.inputs
    if not inputs.get("strategy"):
        return
    wanted = inputs.get("wanted")
    sides: Sequence[str] = ("bid", "ask")
    quotes = wanted if isinstance(wanted, Mapping) else {}
    words = [f"{side} {_quote(quotes.get(side))}" for side in sides]
    sigma = inputs.get("volatility_ticks")
    out.say(
        f"  decision: {inputs['strategy']} saw {inputs.get('bid')} / {inputs.get('ask')}, mid {inputs.get('mid')}, "
        f"volatility {'not used' if sigma is None else f'{sigma:g} ticks/√s'}, "
        f"position {inputs.get('position')} of {inputs.get('position_limit')}"
    )
    out.say(f"  it wanted {', '.join(words)}")
    scale = inputs.get("size_permille"), inputs.get("spread_permille")
    if scale != (1000, 1000):
        out.say(f"  breaker: sizes at {scale[0]} ‰, spreads at {scale[1]} ‰")
    if inputs.get("fallback"):
        out.say("  the strategy had to do without some of its signals")
    if inputs.get("smaller_because"):
        out.styled(f"  quoted smaller than wanted: {inputs['smaller_because']}", "yellow")


def _quote(value: Any) -> str:
    return f"{value.get('size')} at {value.get('price')}" if isinstance(value, Mapping) else "none"
