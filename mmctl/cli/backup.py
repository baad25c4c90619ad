"""``mmctl backup [create|list|verify|restore|prune]``: a bare ``mmctl backup TARGET`` makes one, for cron.

Any failure ends with another code than 0 and says what was not backed up.
"""

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli.output import age
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish, only_one, target_of
from mmctl.cli.run import Run, current
from mmctl.client.site import site_of
from mmctl.fleet.errors import OperatorError, Refused, UsageError

if TYPE_CHECKING:
    from mmctl.vault.make import Made
    from mmctl.vault.retention import Policy

app = typer.Typer(help="Back up journal, configs and audit; list, verify, restore, prune.")

#: A backup may take this long when no --deadline is given, seconds.
BACKUP_SECONDS = 600.0

Folder = Annotated[Path | None, typer.Option("--to", "--dir", help="The folder with the target's backups.")]
Identity = Annotated[Path | None, typer.Option("--identity", help="File with the age key of encrypted backups.")]
KeepLast = Annotated[int | None, typer.Option("--keep-last", help="Keep this many of the newest.")]
KeepDaily = Annotated[int | None, typer.Option("--keep-daily", help="Keep the newest of this many days.")]
KeepWeekly = Annotated[int | None, typer.Option("--keep-weekly", help="Keep the newest of this many weeks.")]


def folder_of(run: Run, wanted: str | None, given: Path | None) -> Path:
    """``given``, else where this target's backups go: on the host itself as configured, else in our own state."""
    target = target_of(run, wanted)
    if given is not None:
        return given
    if target.local:
        return Path(site_of(target).backups.directory)
    from mmctl.ledger.audit import state_folder

    return state_folder() / "backups" / target.name


def policy_of(last: int | None, daily: int | None, weekly: int | None) -> "Policy":
    """The policy on the command line. Raises UsageError for one that keeps nothing."""
    from mmctl.vault.retention import Policy

    try:
        return Policy(last or 0, daily or 0, weekly or 0)
    except ValueError as error:
        raise UsageError(str(error)) from None


@app.command("create")
def create(
    target: TargetArg = None,
    to: Folder = None,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="Encrypt to this age public key; may be repeated.")
    ] = None,
    keep_last: KeepLast = None,
    keep_daily: KeepDaily = None,
    keep_weekly: KeepWeekly = None,
) -> None:
    """Back up every host of the target: journal (a consistent copy), configs, audit. Verified before it counts."""
    from mmctl.cli.recorded import act_recorded
    from mmctl.vault.make import make

    run = current()
    asked = [n for n in (keep_last, keep_daily, keep_weekly) if n is not None]
    policy = policy_of(keep_last, keep_daily, keep_weekly) if asked else None
    folder = folder_of(run, target, to)

    def one(engine: Engine) -> "Made":
        rules = engine.site.backups
        return act_recorded(
            run,
            engine,
            "backup",
            "",
            lambda: make(
                engine.transport,
                engine.site,
                target=engine.target.name,
                into=folder,
                recipients=recipient or rules.recipients,
                remaining=lambda: run.remaining(BACKUP_SECONDS),
            ),
        )

    with engines(run, target) as found:
        outcomes = ask_each(run, found, one, BACKUP_SECONDS)
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            made = outcome.value
            rows = sum(made.verified.rows.values())
            run.out.event("backup", host=name, file=made.file, bytes=made.bytes, rows=made.verified.rows)
            run.out.say(f"{made.file}: {made.bytes} bytes, {rows} rows, verified")
        configured = next(iter(found.values())).site.backups.keep
        if policy is None and configured and next(iter(found.values())).target.local:
            policy = policy_of(configured, None, None)
    if policy is not None and all(outcome.ok for outcome in outcomes.values()):
        _prune(run, folder, policy, None, dry_run=False)
    finish(run, outcomes)


@app.command("list")
def list_(target: TargetArg = None, to: Folder = None, identity: Identity = None) -> None:
    """The target's backups here, newest first."""
    from mmctl.vault.shelf import shelf

    run = current()
    folder = folder_of(run, target, to)
    rows = []
    for item in shelf(folder, identity):
        run.out.event(
            "backup", file=item.file, made=item.made, bytes=item.bytes, release=item.release, problem=item.problem
        )
        rows.append((item.file.name, age(item.age_s), item.bytes, item.release or "-", item.problem or "readable"))
    run.out.result(folder=folder, backups=len(rows))
    run.out.table(("file", "age", "bytes", "release", "state"), rows, right=("bytes",))
    if not rows:
        run.out.say(f"no backups in {folder}")


@app.command("verify")
def verify(
    target: TargetArg = None,
    file: Annotated[Path | None, typer.Option("--from", help="One backup file; else the newest of each host.")] = None,
    to: Folder = None,
    identity: Identity = None,
    every: Annotated[bool, typer.Option("--all", help="Every backup of the target.")] = False,
) -> None:
    """Open backups again: every digest, the journal's integrity, its row counts. Exit code 1 for a damaged one."""
    from mmctl.vault.archive import verify as verify_file
    from mmctl.vault.shelf import newest_of_each_host, shelf

    run = current()
    files = [file] if file is not None else []
    if file is None:
        items = shelf(folder_of(run, target, to), identity)
        files = [item.file for item in (items if every else newest_of_each_host(items))]
    if not files:
        raise Refused("there is no backup to verify", "Make one with mmctl backup.")
    first: OperatorError | None = None
    for path in files:
        try:
            found = verify_file(path, identity)
        except OperatorError as error:
            first = first or error
            run.out.event("damaged", file=path, message=error.what)
            run.out.problem(error.what)
            continue
        rows = sum(found.rows.values())
        run.out.event("verified", file=path, made=found.manifest.made, rows=found.rows)
        run.out.say(f"{path}: sound, made {found.manifest.made}, {rows} rows")
    if first is not None:
        raise first


@app.command("restore")
def restore(
    target: TargetArg = None,
    file: Annotated[Path | None, typer.Option("--from", help="The backup file; else the newest of the host.")] = None,
    into: Annotated[Path | None, typer.Option("--into", help="Only unpack into this new folder, here.")] = None,
    confirm: Annotated[str, typer.Option("--confirm", metavar="ACCOUNT", help="The account's name, typed out.")] = "",
    to: Folder = None,
    identity: Identity = None,
) -> None:
    """Unpack a verified backup into a folder (--into), or put its journal in place on the stopped engine's host."""
    from mmctl.cli.emergency import confirmed
    from mmctl.cli.recorded import act_recorded
    from mmctl.vault.restore import into_folder, onto_host

    run = current()
    if into is not None:
        backup = file or _newest(run, target, to, identity, None)
        verified = into_folder(backup, into, identity)
        run.out.result(file=backup, folder=into, made=verified.manifest.made, rows=verified.rows)
        run.out.say(f"{backup} is in {into}")
        return
    with engines(run, target) as found:
        engine = only_one(run, found, "mmctl backup restore")
        confirmed(run, "restore", found, confirm)
        _must_be_stopped(engine)
        backup = file or _newest(run, target, to, identity, engine.name)
        result = act_recorded(
            run,
            engine,
            "restore",
            str(backup),
            lambda: onto_host(backup, engine.transport, engine.site, identity, lambda: run.remaining(BACKUP_SECONDS)),
        )
    restored, before = result
    run.out.result(file=backup, host=engine.name, made=restored.manifest.made, rows=restored.rows, before=before)
    run.out.say(f"{engine.name}: the journal of {restored.manifest.made} is in place; the one before is {before}")


def _must_be_stopped(engine: Engine) -> None:
    from mmctl.cli.status import service

    state = service(engine)
    if not state:
        raise Refused(f"{engine.name}: cannot tell whether the engine is running", "See mmctl status.")
    if not state.startswith(("inactive", "failed")):
        raise Refused(f"{engine.name}: the engine is {state}", f"Stop it first: mmctl stop {engine.target.name}.")


def _newest(run: Run, target: str | None, to: Path | None, identity: Path | None, host: str | None) -> Path:
    from mmctl.vault.shelf import shelf

    folder = folder_of(run, target, to)
    for item in shelf(folder, identity):
        if not item.problem and host in (None, item.host):
            return item.file
    raise Refused(f"there is no readable backup in {folder}", "Name one with --from FILE.")


@app.command("prune")
def prune(
    target: TargetArg = None,
    keep_last: KeepLast = None,
    keep_daily: KeepDaily = None,
    keep_weekly: KeepWeekly = None,
    to: Folder = None,
    identity: Identity = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete old backups of the target. A policy that keeps nothing is refused; the newest is never deleted."""
    run = current()
    policy = policy_of(keep_last, keep_daily, keep_weekly)
    _prune(run, folder_of(run, target, to), policy, identity, dry_run=dry_run)


def _prune(run: Run, folder: Path, policy: "Policy", identity: Path | None, *, dry_run: bool) -> None:
    from mmctl.vault.retention import Aged, keep
    from mmctl.vault.shelf import shelf

    items = shelf(folder, identity)
    by_host: dict[str, list[Aged]] = {}
    for item in items:
        by_host.setdefault(item.host, []).append(
            Aged(item.file.name, datetime.fromisoformat(item.made), not item.problem)
        )
    kept = {name for aged in by_host.values() for name in keep(aged, policy)}
    for item in items:
        if item.file.name in kept:
            continue
        if not dry_run:
            with contextlib.suppress(FileNotFoundError):
                item.file.unlink()
        run.out.event("pruned", file=item.file, dry_run=dry_run)
        run.out.say(f"{'would delete' if dry_run else 'deleted'} {item.file}")
    run.out.event("kept", files=sorted(kept))
