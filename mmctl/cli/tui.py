"""``mmctl tui``: opens the dashboard on the engines of a target, or on a recorded session; or records without one."""

import signal
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.reach import TargetArg, engines, not_to_quote
from mmctl.cli.run import Run, current, seconds
from mmctl.fleet.errors import UsageError

if TYPE_CHECKING:
    from mmctl.tui.recording.bounds import Bounds

_MEGABYTE = 1_000_000


class Looks(StrEnum):
    """The themes of the dashboard."""

    DARK = "dark"
    LIGHT = "light"
    CONTRAST = "contrast"

    @property
    def theme(self) -> str:
        """Its name among the themes."""
        return f"desk-{self.value}"


@ending_with_the_terminal()
def tui(
    target: TargetArg = None,
    arm: Annotated[bool, typer.Option("--arm", help="Allow halt, cancel, flatten and resume from the screen.")] = False,
    replay: Annotated[Path | None, typer.Option("--replay", metavar="FILE", help="Look at a recorded session.")] = None,
    record: Annotated[Path | None, typer.Option("--record", metavar="FILE", help="Record what is shown.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Record without a screen, until it is ended.")] = False,
    keep: Annotated[str, typer.Option("--keep", metavar="TIME", help="What is older leaves the recording.")] = "7d",
    most: Annotated[
        int, typer.Option("--max-size", metavar="MB", min=1, help="The recording's size: then the oldest leaves it.")
    ] = 1000,
    interval: Annotated[float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between polls.")] = 1.0,
    theme: Annotated[Looks, typer.Option("--theme", help="Colours; the key c goes through them.")] = Looks.DARK,
    keys: Annotated[bool, typer.Option("--keys", help="Print every action with its key, and end.")] = False,
) -> None:
    """The terminal dashboard: every number with its age; read-only unless --arm."""
    run = current()
    if keys:
        _print_keys(run)
        return
    if headless and (record is None or replay is not None):
        raise UsageError("without a screen there is only a recording to make", "Add --record FILE.")
    if replay is not None and (record is not None or arm):
        raise UsageError("a recording is only looked at", "Leave --record and --arm out.")
    bounds = _bounds(keep, most, interval)
    if headless and record is not None:
        _headless(run, target, record, bounds, interval)
        return
    if run.json:
        raise UsageError("a dashboard has no JSON", "Use mmctl status --watch --json.")
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise UsageError("the dashboard needs a terminal", "Use mmctl status --watch from scripts.")
    from mmctl.tui.terminal import show

    if replay is not None:
        from mmctl.tui.recording.player import Player
        from mmctl.tui.recording.reader import Recording
        from mmctl.tui.replay import ReplayDashboard

        show(ReplayDashboard(Player(Recording(replay)), theme=theme.theme))
        return
    from mmctl.tui.app import Dashboard
    from mmctl.tui.live import EngineSource
    from mmctl.tui.recording.recorder import Recorder
    from mmctl.tui.snapshot import Source

    with engines(run, target) as found:
        never = not_to_quote(run, target) if arm else ""
        sources: list[Source] = [EngineSource(name, engine.client(), never=never) for name, engine in found.items()]
        name = next(iter(found.values())).target.name
        recorder = Recorder(record, name, bounds) if record is not None else None
        try:
            look = theme.theme
            show(Dashboard(name, sources, armed=arm, recorder=recorder, interval=interval, theme=look))
        finally:
            if recorder is not None:
                recorder.close()


def _print_keys(run: Run) -> None:
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


def _bounds(keep: str, most: int, interval: float) -> "Bounds":
    from mmctl.tui.recording.bounds import Bounds

    return Bounds(round(seconds(keep) * 1e9), most * _MEGABYTE, max(1.0, interval))


def _headless(run: Run, target: str | None, record: Path, bounds: "Bounds", interval: float) -> None:
    from mmctl.tui.live import EngineSource
    from mmctl.tui.recording import headless
    from mmctl.tui.recording.recorder import Recorder

    over = threading.Event()
    caught: list[int] = []

    def end(signum: int, frame: object) -> None:
        caught.append(signum)
        over.set()

    def tell(event: str, what: str, engine: str = "") -> None:
        run.out.event(event, engine=engine, message=what)
        run.out.progress(f"{engine}: {what}" if engine and not what.startswith(engine) else what)

    with engines(run, target) as found:
        name = next(iter(found.values())).target.name
        recorder = Recorder(record, name, bounds)
        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            run.out.event("recording", file=str(record), engines=list(found))
            run.out.progress(f"recording {', '.join(found)} to {record}")
            headless.record([EngineSource(n, e.client()) for n, e in found.items()], recorder, interval, over, tell)
        finally:
            recorder.close()
            for number, handler in before.items():
                signal.signal(number, handler)
    if caught:
        raise typer.Exit(128 + caught[0])
