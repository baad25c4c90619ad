"""``mmctl report schedule``: a systemd timer on this machine that makes and sends a target's daily review."""

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.reach import target_of
from mmctl.cli.run import Run, current
from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Refused
from mmctl.fleet.inventory import find_fleet_file
from mmctl.fleet.login import login
from mmctl.remote.layout import RELEASE_ID
from mmctl.remote.units import CODE
from mmctl.report.timer import Schedule, checked, service, timer

SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEMCTL_SECONDS = 30.0


class Language(StrEnum):
    """Which language a page speaks."""

    zh = "zh"
    en = "en"


LanguageOption = Annotated[Language, typer.Option("--language", help="zh or en.")]


class TimerFailed(OperatorError):
    """systemd, or the disk, did not take the timer."""


@dataclass(frozen=True, slots=True)
class Manager:
    """The systemd that has the timer: the machine's, or this user's own."""

    system: bool

    @property
    def folder(self) -> Path:
        """Where its unit files lie."""
        if self.system:
            return SYSTEM_UNITS
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd/user"

    def ask(self, run: Run, *words: str) -> str:
        """What systemctl printed. Raises TimerFailed with its own words, DeadlineExceeded."""
        command = ["systemctl", *([] if self.system else ["--user"]), "--no-ask-password", *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=run.remaining(SYSTEMCTL_SECONDS))
        except FileNotFoundError:
            raise Refused("this machine has no systemctl", "Run mmctl report daily TARGET --send from cron.") from None
        except subprocess.TimeoutExpired:
            raise DeadlineExceeded(f"systemctl {words[0]} did not end in time") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
            hint = "" if self.system else "A user's timer needs a session: see loginctl enable-linger, or use --system."
            raise TimerFailed(f"systemctl {' '.join(words)}: {lines[0]}", hint)
        return done.stdout


def schedule(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target of the fleet, or TARGET:HOST.")],
    at: Annotated[str, typer.Option("--at", help="HH:MM of the zone.")] = "22:00",
    zone: Annotated[str, typer.Option("--zone", help="Where a day begins and ends.")] = "Asia/Shanghai",
    language: LanguageOption = Language.zh,
    system: Annotated[
        bool | None, typer.Option("--system/--user", help="Whose timer. Default: root's are the system's.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", help="Only to this channel; again for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the two units; change nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the timer away.")] = False,
) -> None:
    """Make and send the daily review every day at a time of day; --remove takes it away, --dry-run shows the units."""
    run = current()
    name = target_of(run, target).name + (f":{target.partition(':')[2]}" if ":" in target else "")
    manager = Manager(os.geteuid() == 0 if system is None else system)
    made = Schedule(
        target=name,
        at=at,
        zone=zone,
        command=command_of(run, name, at, zone, language, channel or []),
        folder=str(Path.cwd()),
        environment=environment_of(),
        user=login() if manager.system else "",
    )
    checked(at, zone)
    files = {f"{made.name}.service": service(made), f"{made.name}.timer": timer(made)}
    if dry_run:
        for file, text in files.items():
            run.out.event("unit", path=str(manager.folder / file), text=text)
            run.out.say(f"# {manager.folder / file}\n{text}")
        return
    if remove:
        _remove(run, manager, made)
        return
    from mmctl.cli.sending import channels_of

    channels_of(run, channel or [])  # a timer that can tell nobody is refused now, not at ten in the evening
    _write(manager, files)
    manager.ask(run, "daemon-reload")
    manager.ask(run, "enable", "--quiet", f"{made.name}.timer")
    manager.ask(run, "restart", f"{made.name}.timer")
    following = manager.ask(run, "show", f"{made.name}.timer", "--property=NextElapseUSecRealtime", "--value").strip()
    run.out.result(timer=f"{made.name}.timer", next=following, folder=str(manager.folder))
    run.out.say(f"{made.name}.timer: next {following or 'not known'}")


def command_of(run: Run, target: str, at: str, zone: str, language: Language, channels: list[str]) -> tuple[str, ...]:
    """What the service runs: this Python, this fleet file; the day is that of the time which was last due."""
    fleet = find_fleet_file(run.fleet)
    return (
        *(
            lasting(sys.executable),
            "-P",
            "-m",
            "mmctl",
            "report",
            "daily",
            target,
            "--send",
            "--due",
            at,
            "--zone",
            zone,
        ),
        *("--language", language.value, "--deadline", "10m"),
        *(("--fleet", str(fleet.absolute())) if fleet else ()),
        *(word for name in channels for word in ("--channel", name)),
    )


def lasting(path: str) -> str:
    """``path`` by way of ``current`` where it is in a release of ours: releases are removed, the timer stays."""
    parts = Path(path).parts
    for at, part in enumerate(parts):
        if RELEASE_ID.match(part) and at and parts[at - 1] == "releases":
            through = Path(*parts[: at - 1], "current", *parts[at + 1 :])
            return str(through) if through.exists() else path
    return path


def environment_of() -> tuple[tuple[str, str], ...]:
    """Where this mmctl and its state lie, as the service must find them; no secret is among them."""
    kept = [(name, os.environ[name]) for name in ("MMCTL_STATE", "MMCTL_LOCAL_ROOT") if os.environ.get(name)]
    return (("PYTHONPATH", lasting(CODE)), ("PYTHONUTF8", "1"), *kept)


def _write(manager: Manager, files: dict[str, str]) -> None:
    try:
        manager.folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            part = manager.folder / f".{file}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(manager.folder / file)
    except OSError as error:
        raise TimerFailed(f"cannot write {manager.folder}: {error.strerror}", "Use --user, or be root.") from None


def _remove(run: Run, manager: Manager, made: Schedule) -> None:
    files = [manager.folder / f"{made.name}.{kind}" for kind in ("timer", "service")]
    if not any(file.exists() for file in files):
        run.out.result(timer=f"{made.name}.timer", removed=False)
        run.out.say(f"there is no {made.name}.timer in {manager.folder}")
        return
    manager.ask(run, "disable", "--now", "--quiet", f"{made.name}.timer")
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise TimerFailed(f"cannot remove {file}: {error.strerror}") from None
    manager.ask(run, "daemon-reload")
    run.out.result(timer=f"{made.name}.timer", removed=True)
    run.out.say(f"{made.name}.timer is removed")
