"""``mmctl report note``: the open points of a target, which every review shows until they are closed."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.reach import target_of
from mmctl.cli.run import current
from mmctl.fleet.errors import UsageError
from mmctl.fleet.login import operator
from mmctl.formats import utc


class Act(StrEnum):
    """What is done with a target's points."""

    add = "add"
    close = "close"
    list = "list"


def note(
    act: Annotated[Act, typer.Argument(metavar="add|close|list")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target of the fleet.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT | NUMBER OUTCOME]", help="The point; or which, and how it ended."),
    ] = None,
    priority: Annotated[str, typer.Option("--priority", help="P0 to P3.")] = "P2",
    kind: Annotated[str, typer.Option("--kind", help="problem, suggestion or todo.")] = "problem",
    all: Annotated[bool, typer.Option("--all", help="Closed points too.")] = False,
) -> None:
    """Open points of a target: `add TARGET TEXT`, `close TARGET NUMBER OUTCOME`, `list TARGET`.

    They are kept on this machine, and stand in every daily review until the day on which they are closed.
    """
    from mmctl.cli.review import reports_folder
    from mmctl.report import notes

    run = current()
    path = notes.path_of(reports_folder(), target_of(run, target).name)
    given = words or []
    match act:
        case Act.add:
            made = notes.add(path, kind, priority, " ".join(given), operator(), time.time_ns())
            run.out.event("note", note=made)
            run.out.say(f"#{made.number} {made.priority} {made.text}")
        case Act.close:
            if len(given) < 2 or not given[0].lstrip("#").isdecimal():
                raise UsageError("which point, and how did it end?", "mmctl report note close TARGET NUMBER OUTCOME")
            number = int(given[0].lstrip("#"))
            made = notes.close(path, number, " ".join(given[1:]), operator(), time.time_ns())
            run.out.event("note", note=made)
            run.out.say(f"#{made.number} closed: {made.outcome}")
        case Act.list:
            _show(path, all)


def _show(path: Path, all: bool) -> None:
    from mmctl.report import notes

    run = current()
    found = [one for one in notes.load(path) if all or one.open]
    found.sort(key=lambda one: (not one.open, one.priority, one.number))
    for one in found:
        run.out.event("note", note=one)
    rows = [
        (f"#{one.number}", one.priority, one.kind, utc(one.opened_ns), one.text, "" if one.open else one.outcome)
        for one in found
    ]
    run.out.table(("no", "priority", "kind", "opened", "text", "outcome"), rows)
    run.out.result(notes=len(found), file=str(path))
