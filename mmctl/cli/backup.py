"""``mmctl backup [create|list|verify|restore|prune]``: a bare ``mmctl backup TARGET`` makes one, for cron.

Any failure ends with another code than 0 and says what was not backed up.
"""

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish, only_one, target_of
from mmctl.cli.run import Run, current
from mmctl.client.site import site_of
from mmctl.fleet.errors import OperatorError, Refused, UsageError
from mmctl.formats import age

if TYPE_CHECKING:
    from mmctl.vault.make import Made
    from mmctl.vault.retention import Aged, Policy
    from mmctl.vault.shelf import Shelved

app = typer.Typer(help="Back up journal, configs, audit and logs; list, verify, restore, prune.")

#: A backup may take this long when no --deadline is given, seconds.
BACKUP_SECONDS = 600.0

Folder = Annotated[Path | None, typer.Option("--to", "--dir", help="The folder with the target's backups.")]
Identity = Annotated[Path | None, typer.Option("--identity", help="File with the age key of encrypted backups.")]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-unauthenticated", help="Also one that no key known here signed: an older one, or of a lost key."
    ),
]
AcceptPlain = Annotated[
    bool, typer.Option("--accept-plain", help="Also one that is not encrypted where others are, or should be.")
]
KeepDays = Annotated[int | None, typer.Option("--keep-days", help="Keep all of this many days.")]
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


def policy_of(last: int | None, daily: int | None, weekly: int | None, days: int | None = None) -> "Policy":
    """The policy on the command line. Raises UsageError for one that keeps nothing."""
    from mmctl.vault.retention import Policy

    try:
        return Policy(last or 0, daily or 0, weekly or 0, days or 0)
    except ValueError as error:
        raise UsageError(str(error)) from None


@app.command("create")
def create(
    target: TargetArg = None,
    to: Folder = None,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="Encrypt to this age public key; may be repeated.")
    ] = None,
    keep_days: KeepDays = None,
    keep_last: KeepLast = None,
    keep_daily: KeepDaily = None,
    keep_weekly: KeepWeekly = None,
) -> None:
    """Back up every host of the target: journal (a consistent copy), configs, audit. Verified before it counts."""
    from mmctl.cli.recorded import act_recorded
    from mmctl.vault.make import make

    run = current()
    asked = [n for n in (keep_last, keep_daily, keep_weekly, keep_days) if n is not None]
    policy = policy_of(keep_last, keep_daily, keep_weekly, keep_days) if asked else None
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
        first = next(iter(found.values()))
    done = [name for name, outcome in outcomes.items() if outcome.ok]
    rule = policy or policy_of(None, None, None, first.site.backups.keep_days)
    _prune(run, folder, first.target.name, rule, None, hosts=done)
    finish(run, outcomes)


@app.command("list")
def list_(target: TargetArg = None, to: Folder = None, identity: Identity = None, accept: Accept = False) -> None:
    """The target's backups here, newest first."""
    from mmctl.vault.shelf import shelf, too_old

    run = current()
    folder = folder_of(run, target, to)
    rows = []
    items = shelf(folder, identity, accept=accept)
    limit_s = site_of(target_of(run, target)).backups.max_age_s
    for item in items:
        run.out.event(
            "backup", file=item.file, made=item.made, bytes=item.bytes, release=item.release, problem=item.problem,
            target=item.target, host=item.host, encrypted=item.encrypted,
        )  # fmt: skip
        old = age(item.age_s) if item.made else "?"
        rows.append((item.file.name, old, item.bytes, item.release or "-", item.problem or "signed"))
    run.out.result(folder=folder, backups=len(rows))
    run.out.table(("file", "age", "bytes", "release", "state"), rows, right=("bytes",))
    if not rows:
        run.out.say(f"no backups in {folder}")
    for item in too_old(items, limit_s):
        run.out.event("stale", target=item.target, host=item.host, age_s=item.age_s, max_age_s=limit_s)
        run.out.say(f"{item.host}: the newest sound backup is {age(item.age_s)} old, allowed are {age(limit_s)}")


@app.command("verify")
def verify(
    target: TargetArg = None,
    file: Annotated[Path | None, typer.Option("--from", help="One backup file; else the newest of each host.")] = None,
    to: Folder = None,
    identity: Identity = None,
    every: Annotated[bool, typer.Option("--all", help="Every backup of the target.")] = False,
    accept: Accept = False,
    accept_plain: AcceptPlain = False,
) -> None:
    """Open backups again: signature, digests, the journal's integrity and row counts. Exit code 1 for a bad one."""
    from mmctl.vault.archive import verify as verify_file
    from mmctl.vault.shelf import newest_of_each_host, shelf

    run = current()
    files = [file] if file is not None else []
    if file is None:
        items = shelf(folder_of(run, target, to), identity, accept=accept)
        files = [item.file for item in (items if every else newest_of_each_host(items))]
    if not files:
        raise Refused("there is no backup to verify", "Make one with mmctl backup.")
    first: OperatorError | None = None
    for path in files:
        try:
            _encrypted_as_others(run, target, path, accept_plain=accept_plain, accept=accept)
            found = verify_file(path, identity, accept=accept)
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


def _encrypted_as_others(run: Run, target: str | None, file: Path, *, accept_plain: bool, accept: bool) -> None:
    """Raises BackupError for a backup that lies open where the configuration, or others beside it, say otherwise."""
    from mmctl.vault.archive import BackupError
    from mmctl.vault.shelf import shelf

    if accept_plain:
        return
    items = shelf(file.parent, accept=False)
    own = next((item for item in items if item.file.name == file.name), None)
    if own is None or own.encrypted:
        return
    wanted: Collection[str] = ()
    with contextlib.suppress(OperatorError):
        wanted = site_of(target_of(run, target)).backups.recipients
    why = "others beside it are" if any(item.encrypted for item in items) else ""
    why = why or ("the configuration names recipients" if wanted else "")
    if why:
        raise BackupError(f"{file.name} is not encrypted, although {why}", "If it is from before that: --accept-plain.")


@app.command("restore")
def restore(
    target: TargetArg = None,
    file: Annotated[Path | None, typer.Option("--from", help="The backup file; else the newest of the host.")] = None,
    into: Annotated[Path | None, typer.Option("--into", help="Only unpack into this new folder, here.")] = None,
    confirm: Annotated[str, typer.Option("--confirm", metavar="ACCOUNT", help="The account's name, typed out.")] = "",
    to: Folder = None,
    identity: Identity = None,
    accept: Accept = False,
    accept_plain: AcceptPlain = False,
) -> None:
    """Unpack a verified backup into a folder (--into), or put its journal in place on the stopped engine's host."""
    from mmctl.cli.emergency import confirmed
    from mmctl.cli.recorded import act_recorded
    from mmctl.vault.restore import into_folder, onto_host

    run = current()
    if into is not None:
        backup = file or _newest(run, target, to, identity, None, accept=accept)
        _encrypted_as_others(run, target, backup, accept_plain=accept_plain, accept=accept)
        verified = into_folder(backup, into, identity, accept=accept)
        run.out.result(file=backup, folder=into, made=verified.manifest.made, rows=verified.rows)
        run.out.say(f"{backup} is in {into}")
        return
    with engines(run, target) as found:
        engine = only_one(run, found, "mmctl backup restore")
        confirmed(run, "restore", found, confirm)
        _must_be_stopped(engine)
        backup = file or _newest(run, target, to, identity, engine.name, accept=accept)
        _encrypted_as_others(run, target, backup, accept_plain=accept_plain, accept=accept)
        left = lambda: run.remaining(BACKUP_SECONDS)  # noqa: E731 - the time that is left, asked again at each step
        result = act_recorded(
            run,
            engine,
            "restore",
            str(backup),
            lambda: onto_host(backup, engine.transport, engine.site, identity, left, accept=accept),
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


def _newest(
    run: Run, target: str | None, to: Path | None, identity: Path | None, host: str | None, *, accept: bool
) -> Path:
    from mmctl.vault.shelf import shelf

    folder, name = folder_of(run, target, to), target_of(run, target).name
    items = [item for item in shelf(folder, identity, accept=accept) if item.target == name]
    for item in items:
        if not item.problem and host in (None, item.host):
            return item.file
    raise Refused(
        f"there is no backup in {folder} that can be used", "See mmctl backup list, or name one with --from FILE."
    )


@app.command("prune")
def prune(
    target: TargetArg = None,
    keep_days: KeepDays = None,
    keep_last: KeepLast = None,
    keep_daily: KeepDaily = None,
    keep_weekly: KeepWeekly = None,
    to: Folder = None,
    identity: Identity = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    accept: Accept = False,
) -> None:
    """Delete old backups of the target. A policy that keeps nothing is refused; the newest sound one always stays."""
    run = current()
    policy = policy_of(keep_last, keep_daily, keep_weekly, keep_days)
    folder = folder_of(run, target, to)
    _prune(run, folder, target_of(run, target).name, policy, identity, dry_run=dry_run, accept=accept)


def _prune(
    run: Run,
    folder: Path,
    target: str,
    policy: "Policy",
    identity: Path | None,
    *,
    hosts: Collection[str] | None = None,
    dry_run: bool = False,
    accept: bool = False,
) -> None:
    """Delete what ``policy`` does not keep of the target's ``hosts`` (None: all). Whose age is not known stays."""
    from mmctl.vault.retention import keep
    from mmctl.vault.shelf import shelf

    by_host: dict[str, list[Shelved]] = {}
    unknown = 0
    for item in shelf(folder, identity, accept=accept):
        if item.problem or not item.made:
            unknown += 1
        elif item.target == target and (hosts is None or item.host in hosts):
            by_host.setdefault(item.host, []).append(item)
    kept: list[str] = []
    for items in by_host.values():
        stay = keep(_aged(items, accept), policy, datetime.now(UTC))
        kept += stay
        for item in items:
            if item.file.name in stay:
                continue
            if not dry_run:
                with contextlib.suppress(FileNotFoundError):
                    item.file.unlink()
            run.out.event("pruned", file=item.file, dry_run=dry_run)
            run.out.say(f"{'would delete' if dry_run else 'deleted'} {item.file}")
    run.out.event("kept", files=sorted(kept), of_unknown_age=unknown)
    if unknown:
        run.out.progress(f"{unknown} files in {folder} are not signed, or damaged, and stay: see mmctl backup list")


def _aged(items: "list[Shelved]", accept: bool) -> "list[Aged]":
    """The backups of one host as retention sees them: the newest counts only if its bytes are what was signed."""
    from mmctl.vault import envelope
    from mmctl.vault.retention import Aged

    found, proved = [], False
    for item in items:
        sound = True
        if not proved:
            try:
                with item.file.open("rb") as source:
                    if not (accept and envelope.is_older_kind(source)):
                        envelope.check(source, item.file.name, accept=accept)
                proved = True
            except (OperatorError, OSError):
                sound = False
        found.append(Aged(item.file.name, datetime.fromisoformat(item.made), sound))
    return found
