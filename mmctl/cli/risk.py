"""``mmctl why`` and ``mmctl breaker status|reset``: risk state, and why a quote is missing."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mmctl.cli.reach import TargetArg, ask_each, engines, finish, quoting_target
from mmctl.cli.run import current
from mmctl.cli.since import oldest
from mmctl.client.engine import section
from mmctl.client.why import grouped
from mmctl.fleet.errors import UsageError
from mmctl.formats import iso_utc, number, utc

app = typer.Typer(help="The circuit breaker: its state, and its reset.")


def why(
    target: TargetArg = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many reasons, newest first.")] = 20,
    since: Annotated[str | None, typer.Option("--since", help="10m, 2h, or 2024-08-08T12:00:00.")] = None,
    fill: Annotated[str, typer.Option("--fill", metavar="ID", help="Explain a fill: a trade or client order id.")] = "",
    symbol: Annotated[str, typer.Option("--symbol", help="Of this symbol alone.")] = "",
) -> None:
    """Why quotes are missing, newest first: each reason once, with count, first and last time; or why a fill came."""
    run = current()
    since_ns = round((oldest(since) or 0.0) * 1e9)
    with engines(run, target) as found:
        if fill:
            from mmctl.cli.explain import explain

            explain(run, found, fill, symbol)
            return
        outcomes = ask_each(run, found, lambda engine: (engine.client().state(), engine.client().why()))
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            state, reasons = outcome.value
            engine = section(state, "engine")
            if engine.get("mode") == "paper":
                run.out.say(f"{name}: trading on paper: no order leaves this engine")
            if not engine.get("quoting"):
                reason = engine.get("not_quoting_reason") or "no reason given"
                run.out.event("not_quoting", host=name, reason=reason)
                run.out.styled(f"{name}: not quoting: {reason}", "yellow")
            known = section(state, "symbols")
            if symbol and known and symbol not in known:
                raise UsageError(f"{name} trades no {symbol}", f"It trades {', '.join(known)}.")
            kept = [reason for reason in reasons if not symbol or reason.get("symbol") == symbol]
            newest = grouped(kept, since_ns)[:limit]
            for reason in newest:
                run.out.event("why", **(reason | _times(reason) | {"host": name}))
            if not newest:
                run.out.say(f"{name}: no quote was refused or suppressed" + (f" since {since}" if since else ""))
                continue
            rows = [
                (
                    utc(_last(r)),
                    utc(r["first_ns"])[11:] if utc(r["first_ns"])[:10] == utc(_last(r))[:10] else utc(r["first_ns"]),
                    *(str(r.get(k, "")) for k in ("symbol", "side", "reason", "times", "detail")),
                )
                for r in newest
            ]
            columns = ("last", "first", "symbol", "side", "reason", "times", "example")
            run.out.table(columns, rows, right=("times",))
    finish(run, outcomes)


def _last(reason: Mapping[str, Any]) -> int:
    """When it was last seen, ns since 1970; 0 where the engine does not say."""
    ns = reason.get("ns")
    return ns if isinstance(ns, int) else 0


def _times(reason: Mapping[str, Any]) -> dict[str, str]:
    """Both times as text: the engine's own texts are those of one row, these of all rows that were put together."""
    first, last = reason["first_ns"], _last(reason)
    return {
        "time": iso_utc(last),
        "ns_text": str(last),
        "first_time": iso_utc(first),
        "first_ns_text": str(first),
        "last_time": iso_utc(last),
    }


@app.command("status")
def status(target: TargetArg = None) -> None:
    """The breaker's state, its evidence, and every limit by headroom."""
    run = current()
    with engines(run, target) as found:
        outcomes = ask_each(run, found, lambda engine: engine.client().risk())
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            risk = outcome.value
            run.out.event("breaker", **{**risk, "host": name})
            breaker = section(risk, "breaker")
            state, code = str(breaker.get("state", "unknown")).lower(), breaker.get("code")
            since = breaker.get("since_ns") or 0
            run.out.styled(
                f"{name}: breaker {state} since {utc(int(since))}, risk level {risk.get('level_name', 'unknown')}",
                "green" if code == 0 else "red",
            )
            if breaker.get("reason"):
                run.out.say(f"  reason: {breaker['reason']}")
            for key, value in section(breaker, "evidence").items():
                run.out.say(f"  {key}: {number(value)}")
            limits = risk.get("limits")
            rows = [
                (
                    str(limit.get("name")),
                    *(number(limit.get(k), 4) for k in ("use", "limit", "headroom")),
                    _percent(limit),
                )
                for limit in sorted(limits if isinstance(limits, list) else [], key=lambda r: -(r.get("ratio") or 0))
            ]
            run.out.table(("limit", "use", "of", "headroom", "used"), rows, right=("use", "of", "headroom", "used"))
    finish(run, outcomes)


def _percent(limit: dict[str, object]) -> str:
    ratio = limit.get("ratio")
    return f"{ratio * 100:.0f}%" if isinstance(ratio, int | float) else "-"


@app.command("reset")
def reset(
    target: TargetArg = None,
    reason: Annotated[str, typer.Option("--reason", help="Why it is safe to quote again; kept in the audit.")] = "",
    confirm: Annotated[str, typer.Option("--confirm", metavar="ACCOUNT", help="The account's name.")] = "",
) -> None:
    """Close a breaker that halted. Needs a reason and the account's name."""
    from mmctl.cli.emergency import command

    if not reason.strip():
        raise UsageError("why is it safe?", "Give --reason; it goes into the audit trail.")
    quoting_target(current(), target)
    command("breaker-reset", target, confirm, {"reason": reason})
