"""``mmctl stats`` and ``mmctl trades``: what an engine did since it started, and its last fills."""

from typing import Annotated, Any

import typer

from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish
from mmctl.cli.run import current
from mmctl.client.engine import Document, age_of, section
from mmctl.formats import age, number, utc


def stats(target: TargetArg = None) -> None:
    """Orders, fill ratio, latency and profit since the engine started."""
    run = current()
    with engines(run, target) as found:
        outcomes = ask_each(run, found, lambda engine: engine.client().state())
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            figures = summary(outcome.value)
            run.out.event("stats", host=name, **figures)
            run.out.say(f"{name}: since {utc(figures['started_ns'] or 0)}, as of {age(figures['age_s'])} ago")
            run.out.table(("what", "value"), [(key, number(value)) for key, value in figures["counts"].items()])
            run.out.say()
            rows = [
                (stage, *(_time(values.get(p)) for p in ("p50", "p95", "p99")))
                for stage, values in figures["latency"].items()
            ]
            run.out.table(("stage", "p50", "p95", "p99"), rows, right=("p50", "p95", "p99"))
    finish(run, outcomes)


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
    return f"{value * 1e3:.3f} ms" if isinstance(value, int | float) else "-"


_TRADES = (
    "SELECT timestamp, symbol, CASE side WHEN 1 THEN 'buy' ELSE 'sell' END AS side, price, quantity, maker, fee, "
    "fee_asset, client_id, trade_id FROM trades ORDER BY exchange_ms DESC, trade_id DESC LIMIT {limit}"
)


def trades(
    target: TargetArg = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
) -> None:
    """The last fills from the journal, newest first."""
    from mmctl.cli.query import ask

    run = current()

    def last(engine: Engine) -> tuple[list[str], list[list[Any]]]:
        return ask(engine, _TRADES.format(limit=limit), limit, run.remaining(20.0))

    with engines(run, target) as found:
        outcomes = ask_each(run, found, last)
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            columns, rows = outcome.value
            for row in rows:
                run.out.event("trade", host=name, **dict(zip(columns, row, strict=True)))
            if len(found) > 1:
                run.out.say(f"{name}:")
            run.out.table(columns, rows, right=("price", "quantity", "fee"))
    finish(run, outcomes)
