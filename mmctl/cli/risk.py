"""``mmctl why`` and ``mmctl breaker status|reset``: risk state, and why a quote is missing."""

from typing import Annotated

import typer

from mmctl.cli.reach import TargetArg, ask_each, engines, finish, quoting_target
from mmctl.cli.run import current
from mmctl.client.engine import section
from mmctl.client.why import grouped
from mmctl.formats import number, utc

app = typer.Typer(help="The circuit breaker: its state, and its reset.")


def why(
    target: TargetArg = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many reasons, newest first.")] = 20,
) -> None:
    """The last refused or suppressed quotes, newest first: each reason once, with how often it came."""
    run = current()
    with engines(run, target) as found:
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
            newest = grouped(reasons)[:limit]
            for reason in newest:
                run.out.event("why", host=name, **reason)
            if not newest:
                run.out.say(f"{name}: no quote was refused or suppressed")
                continue
            rows = [
                (
                    utc(int(r.get("ns") or 0)),
                    *(str(r.get(k, "")) for k in ("symbol", "side", "reason", "times", "detail")),
                )
                for r in newest
            ]
            run.out.table(("time", "symbol", "side", "reason", "times", "detail"), rows, right=("times",))
    finish(run, outcomes)


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
            run.out.event("breaker", host=name, **risk)
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
    from mmctl.fleet.errors import UsageError

    if not reason.strip():
        raise UsageError("why is it safe?", "Give --reason; it goes into the audit trail.")
    quoting_target(current(), target)
    command("breaker-reset", target, confirm, {"reason": reason})
