"""``mmctl stats`` and ``mmctl trades``: what an engine did since it started, and its last fills."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mmctl.cli.output import Output
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish
from mmctl.cli.run import current
from mmctl.cli.since import for_engine
from mmctl.client.engine import BadAnswer, Document, age_of, section
from mmctl.formats import age, number, took, utc

STAGES = ("decision", "submit", "ack", "network", "tick_to_order")
USUAL_SINCE = "15m"


def stats(
    target: TargetArg = None,
    since: Annotated[
        str | None, typer.Option("--since", help=f"Latencies since: 15m, 2h, or a time. Default: {USUAL_SINCE}.")
    ] = None,
) -> None:
    """Orders, fill ratio and profit since the engine started, and latencies by stage since ``--since``."""
    run = current()
    asked = for_engine(since or USUAL_SINCE)
    with engines(run, target) as found:
        outcomes = ask_each(run, found, lambda engine: _read(engine, asked, must=since is not None))
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            state, latency = outcome.value
            figures = summary(state)
            if latency is not None:
                figures["latency"] = {str(k): dict(v) for k, v in section(latency, "stages").items()}
                figures["window"] = dict(section(latency, "window"))
            run.out.event("stats", host=name, **figures)
            run.out.say(f"{name}: since {utc(figures['started_ns'] or 0)}, as of {age(figures['age_s'])} ago")
            run.out.table(("what", "value"), [(key, number(value)) for key, value in figures["counts"].items()])
            run.out.say()
            _print_latency(run.out, figures)
    finish(run, outcomes)


def _read(engine: Engine, since: str, *, must: bool) -> tuple[Document, Document | None]:
    """State and latencies; None for the latter where the engine is of a version that only tells of the last minute."""
    client = engine.client()
    state = client.state()
    try:
        return state, client.latency(since)
    except BadAnswer as error:
        if error.status != 404:
            raise
        if must:
            hint = "Leave --since out for what it does keep, or deploy this release."
            raise BadAnswer(f"{engine.name}: its engine keeps no latencies for --since", hint, 404) from None
        return state, None


def _print_latency(out: Output, figures: dict[str, Any]) -> None:
    window = figures.get("window")
    if window:
        begin = str(window.get("from_time"))[:19].replace("T", " ")
        out.say(f"latency since {begin}Z ({age(window.get('covered_s'))}):")
    else:
        out.say("latency lately; this engine keeps no longer:")
    found = figures["latency"]
    stages = [stage for stage in STAGES if stage in found] + sorted(found.keys() - set(STAGES))
    columns = ("p50", "p95", "p99", "max")
    rows = []
    for stage in stages:
        values = found[stage]
        count, waited = values.get("count"), values.get("waited")
        note = f"{waited} of them counted for a stall of the loop" if waited else ""
        rows.append((stage, *(_time(values.get(p)) for p in columns), number(count), note))
    out.table(("stage", *columns, "count", ""), rows, right=(*columns, "count"))


def summary(state: Document) -> dict[str, Any]:
    """The figures of one state document: counts, ratios, profit parts, latency by stage (seconds)."""
    orders, pnl = section(state, "orders"), section(state, "pnl")
    placed, filled = orders.get("placed"), orders.get("filled")
    counts: dict[str, Any] = dict(orders)
    if isinstance(placed, int) and isinstance(filled, int) and placed:
        counts["fill_ratio"] = round(filled / placed, 6)
    counts |= {f"pnl_{key}": value for key, value in pnl.items() if key != "currency"}
    latency = {str(k): dict(v) for k, v in section(state, "latency").items() if isinstance(v, dict)}
    started = section(state, "engine").get("started_ns")
    return {
        "started_ns": started if isinstance(started, int) else None,
        "age_s": age_of(state),
        "currency": pnl.get("currency"),
        "counts": counts,
        "latency": latency,
    }


def _time(value: Any) -> str:
    return took(round(value * 1e9)) if isinstance(value, int | float) else "-"


_TRADES = (
    "SELECT exchange_ms, timestamp, symbol, CASE side WHEN 1 THEN 'buy' ELSE 'sell' END AS side, price, quantity, "
    "maker, fee, fee_asset, client_id, trade_id FROM trades {of}ORDER BY exchange_ms DESC, trade_id DESC LIMIT {limit}"
)


def trades(
    target: TargetArg = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    explain: Annotated[
        str, typer.Option("--explain", metavar="ID", help="One fill from frame to markout: a trade or client order id.")
    ] = "",
    symbol: Annotated[str, typer.Option("--symbol", help="Of this symbol alone.")] = "",
) -> None:
    """The last fills from the journals, newest first, or one of them explained. Needs no engine that runs."""
    from mmctl.cli.explain import explain as explain_fill
    from mmctl.cli.explain import named
    from mmctl.cli.query import ask

    run = current()
    of = f"WHERE symbol = '{named('symbol', symbol)}' " if symbol else ""
    if explain:
        with engines(run, target) as found:
            explain_fill(run, found, explain, symbol)
        return

    def last(engine: Engine) -> tuple[list[str], list[list[Any]]]:
        return ask(engine, _TRADES.format(limit=limit, of=of), limit, run.remaining(20.0))

    with engines(run, target) as found:
        outcomes = ask_each(run, found, last)
    columns, merged = newest({name: outcome.value for name, outcome in outcomes.items() if outcome.value}, limit)
    for host, row in merged:
        run.out.event("trade", host=host, **dict(zip(columns, row, strict=True)))
    several = len(outcomes) > 1
    rows = [[host, *row] if several else row for host, row in merged]
    run.out.table(["host", *columns] if several else columns, rows, right=("price", "quantity", "fee"))
    finish(run, outcomes)


def newest(
    answers: Mapping[str, tuple[list[str], list[list[Any]]]], limit: int
) -> tuple[list[str], list[tuple[str, list[Any]]]]:
    """The last ``limit`` fills of all hosts, newest first: the columns' names, and each row with its host.

    The first column of each answer is the exchange's time (ms), by which they are ordered, and is left out.
    """
    found = [(row[0] or 0, host, row[1:]) for host, (_, rows) in answers.items() for row in rows]
    found.sort(key=lambda item: item[0], reverse=True)
    columns = next((columns[1:] for columns, _ in answers.values()), [])
    return columns, [(host, row) for _, host, row in found[:limit]]
