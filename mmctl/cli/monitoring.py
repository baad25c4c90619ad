"""``mmctl monitoring``: the files of Prometheus, Alertmanager and Grafana, made, judged, and brought to their host."""

from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.preview import preview
from mmctl.cli.reach import TargetArg
from mmctl.cli.run import Run, current
from mmctl.fleet.errors import CONFIG, FAILED, UsageError
from mmctl.fleet.inventory import load_fleet
from mmctl.monitoring import engines, folder
from mmctl.monitoring.boards.model import LANGUAGES, Language
from mmctl.monitoring.files import files
from mmctl.monitoring.folder import Fault
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.programs import checked_by_programs

app = typer.Typer(help="The files of Prometheus, Alertmanager and Grafana: render, check, push.")
HERE = Path("deployments")
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Titles and descriptions: en or zh; default: as the fleet file says.")
]
FolderArg = Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder of the files; default: deployments.")]


app.command("preview")(preview)


@app.callback()
def main() -> None:
    """The files of Prometheus, Alertmanager and Grafana: render, check, push; and the dashboards as they look."""


def planned(run: Run, target: str | None, language: str | None) -> Plan:
    """The plan from the fleet; what keeps Prometheus from reading an engine is told. Raises UsageError."""
    if language is not None and language not in LANGUAGES:
        raise UsageError(f"there is no language {language!r}", f"one of {', '.join(LANGUAGES)}")
    spoken: Language | None = next((each for each in LANGUAGES if each == language), None)
    fleet = load_fleet(run.fleet)
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
    target: Annotated[str | None, typer.Option("--target", help="Only the engines of this target.")] = None,
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
def check(target: TargetArg = None, where: Annotated[Path, typer.Option("--dir", help="The folder.")] = HERE) -> None:
    """Judge every file: as generated, sound, with known names, taken by promtool and amtool. Exit 10 for a fault."""
    run = current()
    plan = planned(run, target, None)
    faults = [*folder.differences(where, files(plan)), *folder.judged(where)]
    programs, said = checked_by_programs(where)
    faults += said
    _tell(run, faults)
    run.out.result(folder=str(where), ok=not faults, faults=len(faults), programs=programs)
    if faults:
        raise typer.Exit(CONFIG)
    run.out.say(
        f"{where}: sound, also for {', '.join(programs) or 'no program: promtool and amtool are not installed'}"
    )
