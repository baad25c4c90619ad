"""``mmctl deploy``, ``rollback`` and ``releases``: the way of a release, there and back."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.offered import releases as releases_here
from mmctl.cli.reach import TargetArg, quoting_target, recorded_target, target_of
from mmctl.cli.run import Run, current
from mmctl.client.site import site_of
from mmctl.fleet.errors import Refused
from mmctl.fleet.inventory import Target
from mmctl.fleet.open import open_transport
from mmctl.release import runs
from mmctl.release.prepare import Event, Prepared
from mmctl.watch.logline import clean

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing a live environment.")]
_MARKS = {"running": "...", "done": "ok", "unchanged": "unchanged", "failed": "FAILED"}
#: Environments with real money in them: a change is confirmed.
_LIVE = ("canary", "production")


@contextmanager
def site(run: Run, wanted: str | None, *, quotes: bool = False, records: bool = False) -> Iterator[runs.Site]:
    """The hosts of the target, connected when first used, and this run's words for the records.

    ``quotes``: engines may quote after this run, so what would let two hosts quote one account is refused.
    ``records``: only lock and trail are meant, which the monitoring host has as well.
    """
    found = quoting_target if quotes else recorded_target if records else target_of
    target = found(run, wanted)
    with ExitStack() as stack:
        transports = {}
        for host in target.hosts:
            transports[host.name] = open_transport(target, host)
            stack.callback(transports[host.name].close)
        yield runs.Site(target, transports, run.run_id, f"mmctl {run.verb} {target.name}")


def confirm(run: Run, target: Target, yes: bool, what: str) -> None:
    """Ask before a live environment changes. Raises Refused when nobody can be asked, or when the answer is no."""
    if yes or target.environment not in _LIVE:
        return
    if run.json or not sys.stdin.isatty():
        raise Refused(f"{target.name} is {target.environment}: nothing was done", "Add --yes.")
    sys.stderr.write(f"{what}. {target.name} is {target.environment}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed; nothing was done")


def show(run: Run, event: Event) -> None:
    """One line of the host × step grid."""
    fields = {"step": event.number, "name": event.name, "host": event.host or None, "state": event.state}
    run.out.event("step", **fields, seconds=round(event.seconds, 3), detail=event.detail)
    if event.state != "running" or run.verbose:
        took = f" {event.seconds:6.2f} s" if event.seconds else " " * 9
        where = event.host or "here"
        mark = _MARKS[event.state]
        run.out.progress(f"[{event.number}/8] {event.name:<28} {where:<12} {mark:<9}{took}  {event.detail}")


def deploy(
    target: TargetArg = None,
    release: Annotated[
        str | None, typer.Option("--release", autocompletion=releases_here, help="A release the hosts have already.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show every step and script; change nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Take up the deploy that did not end.")] = False,
    project: Annotated[Path | None, typer.Option("--project", help="The source tree; default: this one.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is known not to come up: try the same content once more.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Build, upload, install, check, switch, start and verify; any failure leaves the previous release running."""
    run = current()
    with site(run, target, quotes=True) as hosts:
        if release is not None:
            confirm(run, hosts.target, yes, f"Switch to release {release}")
            _go(run, hosts, release, back=False, force=force)
            return
        prepared = runs.prepare(hosts, lambda event: show(run, event), project, resume, force=force)
        if dry_run:
            _show_plan(run, prepared)
            return
        if not prepared.unchanged:
            confirm(run, hosts.target, yes, f"Deploy {prepared.release}")
        applied = runs.deploy(hosts, prepared, lambda event: show(run, event), project)
    seconds = round(time.monotonic() - run.started, 3)
    run.out.result(
        release=applied.release, changed=applied.changed, uploaded_bytes=applied.uploaded, seconds=seconds,
        steps=applied.seconds,
    )  # fmt: skip
    if not applied.changed:
        run.out.styled(f"{hosts.target.name}: unchanged, {applied.release} runs", "green")
        return
    sent = applied.uploaded / 1e6
    run.out.styled(f"{hosts.target.name}: {applied.release} runs, {sent:.2f} MB sent, {seconds:.1f} s", "green")


def _show_plan(run: Run, prepared: Prepared) -> None:
    for name, steps in prepared.plans.items():
        for step in steps:
            scripts = [{"what": c.what, "script": c.script, "stdin": c.feed.value} for c in step.commands]
            run.out.event("plan", host=name, step=step.number, name=step.name, note=step.note, commands=scripts)
            run.out.say(f"[{step.number}/8] {step.name} on {name}: {step.note}")
            for command in step.commands:
                fed = f"  (stdin: {command.feed.value})" if command.feed.value != "nothing" else ""
                run.out.say(f"  # {command.what}{fed}")
                run.out.say("".join(f"  | {line}\n" for line in command.script.splitlines()).rstrip("\n"))
    run.out.result(release=prepared.release, changed=False, dry_run=True, unchanged=prepared.unchanged)


def _go(run: Run, hosts: runs.Site, wanted: str | None, *, back: bool = True, force: bool = True) -> None:
    port = site_of(hosts.target).port
    steps = runs.rollback(hosts, wanted, port, run.out.progress, back=back, force=force)
    seconds = round(time.monotonic() - run.started, 3)
    moved = [{"host": step.host, "from": step.current, "to": step.to} for step in steps]
    run.out.result(changed=bool(steps), hosts=moved, seconds=seconds)
    if steps:
        run.out.styled(f"{hosts.target.name}: {steps[0].to} runs, {seconds:.1f} s", "green")
    else:
        run.out.say(f"{hosts.target.name}: runs it already; nothing was changed")


def rollback(
    target: TargetArg = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="R", autocompletion=releases_here, help="A release, or a part of its id."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Go back to the last good release before the current one. What is left keeps its marks: only a failure is bad."""
    run = current()
    with site(run, target, quotes=True) as hosts:
        confirm(run, hosts.target, yes, f"Roll back to {to or 'the last good release'}")
        _go(run, hosts, to)


def releases(target: TargetArg = None) -> None:
    """The releases on every host: when made, by whom and from which revision; which runs, proved good, or bad."""
    run = current()
    with site(run, target) as hosts:
        facts = runs.facts_of(hosts)
    rows = []
    for host, found in facts.items():
        for item in found.releases:
            words = [("current", item.id == found.current), ("good", item.good), ("bad", item.bad)]
            marks = [word for word, holds in words if holds] or ["unproved" if item.complete else "incomplete"]
            origin = (item.made, clean(item.by) or "unknown", clean(item.revision) or "unknown")
            rows.append((host, item.id, *origin, ", ".join(marks)))
            fields = {"made": item.made, "by": item.by, "revision": item.revision}
            run.out.event("release", host=host, release=item.id, marks=marks, **fields)
    run.out.table(("host", "release", "made", "by", "revision", "marks"), rows)
    run.out.result(releases=len(rows))
