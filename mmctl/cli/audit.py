"""``mmctl audit``: who did what, from the operator's trail or a host's, and whether the chain is whole."""

import json
from typing import Annotated

import typer

from mmctl.cli.deploy import site
from mmctl.cli.reach import TargetArg
from mmctl.cli.run import current
from mmctl.fleet.errors import FAILED
from mmctl.ledger import audit as trails

READ_SECONDS = 20.0


def audit(
    target: TargetArg = None,
    here: Annotated[bool, typer.Option("--here", help="This operator's own trail, of all targets.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Last lines shown of each trail.")] = 20,
) -> None:
    """Print the last lines of the audit trail. Exit code 1 when a line was changed or removed."""
    run = current()
    found: dict[str, list[str]] = {}
    if here:
        path = trails.state_folder() / "audit.jsonl"
        found["here"] = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    else:
        with site(run, target) as hosts:
            for name, transport in hosts.transports.items():
                text = transport.get(hosts.layout.at(".mmctl", "audit.jsonl"), READ_SECONDS)
                found[name] = text.decode("utf-8", "replace").splitlines()
    faults = []
    rows = []
    for name, lines in found.items():
        faults += [f"{name}: {fault}" for fault in trails.verify(lines)]
        for line in lines[-limit:]:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            run.out.event(
                "audit", host=name, **{k: v for k, v in entry.items() if k not in ("event", "run_id", "host")}
            )
            about = entry.get("release") or entry.get("error") or entry.get("to") or entry.get("reason") or ""
            rows.append((entry["ts"][:19], name, entry["operator"], entry["verb"], entry["phase"], str(about)[:60]))
    run.out.table(("time", "trail", "operator", "verb", "phase", "about"), rows)
    run.out.result(lines=sum(len(lines) for lines in found.values()), faults=faults)
    if faults:
        for fault in faults:
            run.out.problem(fault)
        raise typer.Exit(FAILED)
