"""``mmctl tui``: opens the dashboard on the engines of a target, or on a recorded session."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.reach import TargetArg, engines, not_to_quote
from mmctl.cli.run import current
from mmctl.fleet.errors import Refused, UsageError


@ending_with_the_terminal()
def tui(
    target: TargetArg = None,
    arm: Annotated[bool, typer.Option("--arm", help="Allow halt, cancel, flatten and resume from the screen.")] = False,
    replay: Annotated[Path | None, typer.Option("--replay", metavar="FILE", help="Look at a recorded session.")] = None,
    record: Annotated[Path | None, typer.Option("--record", metavar="FILE", help="Record what is shown.")] = None,
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between polls.")] = 1.0,
    keys: Annotated[bool, typer.Option("--keys", help="Print every action with its key, and end.")] = False,
) -> None:
    """The terminal dashboard: every number with its age; read-only unless --arm."""
    run = current()
    if keys:
        from mmctl.tui.actions import ACTIONS, as_text, key_name

        for action in ACTIONS:
            run.out.event(
                "action",
                keys=[key_name(k) for k in action.keys],
                label=action.label,
                help=action.help,
                armed=action.armed,
            )
        run.out.say(as_text())
        return
    if run.json:
        raise UsageError("a dashboard has no JSON", "Use mmctl status --watch --json.")
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise UsageError("the dashboard needs a terminal", "Use mmctl status --watch from scripts.")
    from mmctl.tui.app import Dashboard
    from mmctl.tui.live import EngineSource
    from mmctl.tui.recording import Replay
    from mmctl.tui.snapshot import Source
    from mmctl.tui.terminal import show

    if replay is not None:
        try:
            recording = Replay(replay)
        except OSError as error:
            raise Refused(f"cannot read {replay}: {error.strerror}") from None
        if not recording.frames:
            raise Refused(f"{replay} holds no frame", "mmctl tui --record FILE makes one.")
        show(Dashboard(replay.name, [recording], interval=interval))
        return
    with engines(run, target) as found:
        never = not_to_quote(run, target) if arm else ""
        sources: list[Source] = [EngineSource(name, engine.client(), never=never) for name, engine in found.items()]
        name = next(iter(found.values())).target.name
        show(Dashboard(name, sources, armed=arm, record=record, interval=interval))
