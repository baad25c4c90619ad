"""``mmctl monitoring``: the files of Prometheus, Alertmanager and Grafana, made, judged, and brought to their host."""

from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli import alerting
from mmctl.cli.preview import preview
from mmctl.cli.reach import monitoring_target
from mmctl.cli.run import Run, current
from mmctl.fleet.errors import CONFIG, FAILED, Refused
from mmctl.fleet.inventory import load_fleet
from mmctl.fleet.open import open_transport
from mmctl.monitoring import alerting as alerts_made
from mmctl.monitoring import engines, folder
from mmctl.monitoring.files import files
from mmctl.monitoring.folder import Fault
from mmctl.monitoring.loaded import Loaded
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.programs import checked_by_programs
from mmctl.monitoring.push import push as bring
from mmctl.monitoring.relay import program as relay_program
from mmctl.monitoring.vanished import vanished
from mmctl.release import runs

app = typer.Typer(help="The files of Prometheus, Alertmanager and Grafana: render, check, push.")
HERE = Path("deployments")
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Titles and descriptions: en or zh; default: as the fleet file says.")
]
TargetOption = Annotated[str | None, typer.Option("--target", help="Only the engines of this target.")]
FolderArg = Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder of the files; default: deployments.")]


app.command("preview")(preview)


app.command("relay")(alerting.relay)
app.command("test-alert")(alerting.send_test_alert)
app.command("baseline")(alerting.baseline)


@app.callback()
def main() -> None:
    """The files of Prometheus, Alertmanager and Grafana: render, check, push; and the dashboards as they look."""


def planned(run: Run, target: str | None, language: str | None) -> Plan:
    """The plan from the fleet; what keeps Prometheus from reading an engine is told. Raises UsageError."""
    fleet = load_fleet(run.fleet)
    spoken = engines.spoken(language) if language else None
    plan = engines.plan_of(fleet, fleet.target(target) if target else None, spoken)
    for fault in engines.faults(plan):
        run.out.event("warning", message=fault)
        run.out.problem(fault)
    return plan


def _tell(run: Run, faults: list[Fault]) -> None:
    for fault in faults:
        run.out.event("fault", path=fault.path, message=fault.message, next_step=fault.next_step)
        run.out.styled(str(fault), "red")


@app.command("render")
def render(
    into: FolderArg = HERE,
    target: TargetOption = None,
    language: LanguageOption = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where a file would change.")] = False,
) -> None:
    """Write every file for the fleet's engines: Prometheus, its rules, Alertmanager, Grafana's dashboards."""
    run = current()
    plan = planned(run, target, language)
    made = files(plan)
    if check:
        faults = list(folder.differences(into, made))
        _tell(run, faults)
        run.out.result(folder=str(into), files=len(made), differ=[fault.path for fault in faults])
        if faults:
            raise typer.Exit(FAILED)
        run.out.say(f"{into}: all {len(made)} files are what is generated")
        return
    changed = folder.write(into, made)
    for path in changed:
        run.out.event("written", path=path)
        run.out.say(f"{into / path}")
    run.out.result(folder=str(into), files=len(made), written=changed, engines=[e.instance for e in plan.engines])
    run.out.say(f"{len(changed)} of {len(made)} files written, for {len(plan.engines)} engines")


@app.command("check")
def check(
    where: FolderArg = HERE,
    target: TargetOption = None,
    language: LanguageOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask the monitoring host's Prometheus whether each name is there.")
    ] = False,
) -> None:
    """Judge every file: as generated, sound, with known names, taken by promtool and amtool. Exit 10 for a fault."""
    run = current()
    plan = planned(run, target, language)
    faults = [*folder.differences(where, files(plan)), *folder.judged(where)]
    for note in alerts_made.lacking(plan):
        run.out.event("note", message=note)
        run.out.say(note)
    programs, said = checked_by_programs(where)
    faults += said
    if live:
        host = monitoring_target(load_fleet(run.fleet))
        transport = open_transport(host)
        try:
            faults += vanished(where, Loaded(transport, plan.prometheus_port))
        finally:
            transport.close()
    _tell(run, faults)
    run.out.result(folder=str(where), ok=not faults, faults=len(faults), programs=programs)
    if faults:
        raise typer.Exit(CONFIG)
    run.out.say(f"{where}: sound, also for {', '.join(programs) or 'no program: none is installed'}")


@app.command("push")
def push(
    language: LanguageOption = None,
) -> None:
    """Bring the files to the monitoring host, have them checked, loaded and proved there; else all is put back."""
    run = current()
    fleet = load_fleet(run.fleet)
    target = monitoring_target(fleet)
    plan = engines.plan_of(fleet, None, engines.spoken(language) if language else None)
    if faults := engines.faults(plan):
        raise Refused("\n".join(faults), "nothing was changed")
    made = {**files(plan), **relay_program.files()}
    transport = open_transport(target)
    try:
        place = runs.Site(target, {target.hosts[0].name: transport}, run.run_id, "mmctl monitoring push")
        with runs.recorded(place, "monitoring push", {"engines": [e.instance for e in plan.engines]}) as outcome:
            done = bring(transport, place.layout, made, Loaded(transport, plan.prometheus_port), run.out.progress)
            outcome["release"] = done.release
    finally:
        transport.close()
    run.out.result(host=target.hosts[0].name, release=done.release, unchanged=done.unchanged, told=done.told)
    what = "was there already, and is loaded" if done.unchanged else "is loaded"
    run.out.styled(f"{target.hosts[0].name}: {done.release} {what}: {len(plan.engines)} engines", "green")
