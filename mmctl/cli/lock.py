"""``mmctl lock status|acquire|release``: who may change a target now."""

from typing import Annotated

import typer

from mmctl.cli.deploy import site
from mmctl.cli.reach import TargetArg
from mmctl.cli.run import current
from mmctl.fleet.errors import UsageError
from mmctl.ledger import lock as locks

app = typer.Typer(help="The fleet's lock.")


@app.command()
def status(target: TargetArg = None) -> None:
    """Whether the hosts of a target are locked, by whom and for how long."""
    run = current()
    with site(run, target, records=True) as hosts:
        states = {name: locks.read_state(t, hosts.layout) for name, t in hosts.transports.items()}
    rows = []
    for name, state in states.items():
        run.out.event("lock", host=name, **state.__dict__)
        record = state.record or {}
        left = (
            "-" if not state.held else ("until released" if state.seconds_left is None else f"{state.seconds_left} s")
        )
        rows.append((name, "held" if state.held else "free", left, record.get("operator"), record.get("command")))
    run.out.table(("host", "lock", "left", "operator", "command"), rows)
    run.out.result(held=sum(state.held for state in states.values()))


@app.command()
def acquire(
    target: TargetArg = None,
    reason: Annotated[
        str, typer.Option("--reason", "--message", "-m", help="Why; shown to whoever is kept out. Needed.")
    ] = "",
) -> None:
    """Hold the lock until `mmctl lock release`; no deploy passes it."""
    run = current()
    if not reason.strip():
        raise UsageError("why is it locked?", "Give --reason; whoever is kept out reads it.")
    with site(run, target, records=True) as hosts:
        record = locks.Record.now(run.run_id, "mmctl lock acquire", hosts.target.name, reason, ttl=0)
        for name, transport in sorted(hosts.transports.items()):
            generation = locks.acquire(transport, hosts.layout, record)
            run.out.event("locked", host=name, generation=generation)
            run.out.say(f"{name}: locked, generation {generation}, until mmctl lock release")
    run.out.result(run=run.run_id)


@app.command()
def release(
    target: TargetArg = None,
    force: Annotated[bool, typer.Option("--force", help="Also a lock of somebody else.")] = False,
) -> None:
    """Give back a lock you took by hand, or one a run of yours left when it died; another's needs --force."""
    run = current()
    with site(run, target, records=True) as hosts:
        for name, transport in sorted(hosts.transports.items(), reverse=True):
            theirs = run.run_id if force else locks.run_to_release(transport, hosts.layout)
            if theirs:
                locks.give_back(transport, hosts.layout, theirs, force)
            run.out.event("released", host=name)
            run.out.say(f"{name}: free")
    run.out.result(forced=force)
