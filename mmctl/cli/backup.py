"""``mmctl backup [create|list|verify|restore|prune|diff|init]``: a bare ``mmctl backup TARGET`` makes one, for cron.

Any failure ends with another code than 0 and says what was not backed up.
"""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli import repository
from mmctl.cli.pruning import prune_files
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish, only_one, target_of
from mmctl.cli.repository import repository_of
from mmctl.cli.run import Run, current
from mmctl.cli.stopped import must_be_stopped
from mmctl.client.site import site_of
from mmctl.fleet.errors import OperatorError, Refused, UsageError
from mmctl.formats import age

if TYPE_CHECKING:
    from mmctl.vault.make import Made
    from mmctl.vault.retention import Policy

app = typer.Typer(help="Back up journal, configs, models, audit and logs; list, verify, restore, prune, diff.")

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
KeepHourly = Annotated[int | None, typer.Option("--keep-hourly", help="Keep the newest of this many hours.")]
KeepMonthly = Annotated[int | None, typer.Option("--keep-monthly", help="Keep the newest of this many months.")]
KeepYearly = Annotated[int | None, typer.Option("--keep-yearly", help="Keep the newest of this many years.")]
KeepWithin = Annotated[str | None, typer.Option("--keep-within", metavar="DAYS", help="Keep all of e.g. 30d.")]


def folder_of(run: Run, wanted: str | None, given: Path | None) -> Path:
    """``given``, else where this target's backups go: on the host itself as configured, else in our own state."""
    target = target_of(run, wanted)
    if given is not None:
        return given
    if target.local:
        return Path(site_of(target).backups.directory)
    from mmctl.ledger.audit import state_folder

    return state_folder() / "backups" / target.name


def policy_of(
    last: int | None, hourly: int | None, daily: int | None, weekly: int | None, monthly: int | None,
    yearly: int | None, days: int | None, within: str | None,
) -> "Policy | None":  # fmt: skip
    """The policy on the command line, None where it says nothing. Raises UsageError for one that keeps nothing."""
    import re

    from mmctl.vault.retention import Policy

    if within is not None:
        found = re.fullmatch(r"(\d{1,5})d", within)
        if found is None:
            raise UsageError(f"--keep-within {within}: write a number of days, such as 30d")
        days = max(days or 0, int(found.group(1)))
    if all(n is None for n in (last, hourly, daily, weekly, monthly, yearly, days)):
        return None
    try:
        return Policy(last or 0, daily or 0, weekly or 0, days or 0, hourly or 0, monthly or 0, yearly or 0)
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
    keep_hourly: KeepHourly = None,
    keep_monthly: KeepMonthly = None,
    keep_yearly: KeepYearly = None,
    keep_within: KeepWithin = None,
) -> None:
    """Back up every host of the target: journal (a consistent copy), configs, audit. Verified before it counts."""
    from mmctl.cli.recorded import act_recorded
    from mmctl.vault.make import make
    from mmctl.vault.retention import Policy

    run = current()
    policy = policy_of(
        keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, keep_days, keep_within
    )
    if (kept := repository_of(run, target, to)) is not None:
        repository.create(run, target, kept, policy)
        return
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
    rule = policy or Policy(days=first.site.backups.keep_days)
    prune_files(run, folder, first.target.name, rule, None, hosts=done)
    finish(run, outcomes)


@app.command("list")
def list_(target: TargetArg = None, to: Folder = None, identity: Identity = None, accept: Accept = False) -> None:
    """The target's backups here, or in its repository, newest first."""
    from mmctl.vault.shelf import shelf, too_old

    run = current()
    if (kept := repository_of(run, target, to)) is not None:
        repository.list_(run, target, kept)
        return
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
    file: Annotated[
        Path | None, typer.Option("--from", help="One backup file, or snapshot; else the newest of each host.")
    ] = None,
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
    if (kept := repository_of(run, target, to, file)) is not None:
        repository.verify(run, target, kept, str(file) if file else None, every=every)
        return
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
    file: Annotated[
        Path | None, typer.Option("--from", help="The backup file, or snapshot; else the newest of the host.")
    ] = None,
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
    if (kept := repository_of(run, target, to, file)) is not None:
        repository.restore(run, target, kept, str(file) if file else None, into, confirm)
        return
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
        must_be_stopped(engine)
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


@app.command("diff")
def diff(
    target: TargetArg = None,
    old: Annotated[
        str | None, typer.Option("--from", help="The older file or snapshot; else the last but one.")
    ] = None,
    new: Annotated[str | None, typer.Option("--with", help="The newer one; else the newest.")] = None,
    to: Folder = None,
    identity: Identity = None,
) -> None:
    """What is different between two backups: files added, removed and changed, and rows by table."""
    from mmctl.cli.compare import compare_files, compare_snapshots

    run = current()
    if (kept := repository_of(run, target, to, Path(new or old or ""))) is not None:
        compare_snapshots(run, target, kept, old, new)
    else:
        compare_files(run, target_of(run, target).name, folder_of(run, target, to), old, new, identity)


@app.command("init")
def init(target: TargetArg = None) -> None:
    """Make the restic repository that the configuration's backup.repository names. Once."""
    run = current()
    kept = repository_of(run, target, None)
    if kept is None:
        raise Refused("the configuration names no backup.repository", "Files need no preparation: mmctl backup TARGET")
    repository.init(run, kept)


@app.command("prune")
def prune(
    target: TargetArg = None,
    keep_days: KeepDays = None,
    keep_last: KeepLast = None,
    keep_daily: KeepDaily = None,
    keep_weekly: KeepWeekly = None,
    keep_hourly: KeepHourly = None,
    keep_monthly: KeepMonthly = None,
    keep_yearly: KeepYearly = None,
    keep_within: KeepWithin = None,
    to: Folder = None,
    identity: Identity = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    accept: Accept = False,
) -> None:
    """Delete old backups of the target. A policy that keeps nothing is refused; the newest sound one always stays."""
    run = current()
    policy = policy_of(
        keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, keep_days, keep_within
    )
    if policy is None:
        raise UsageError("this policy keeps nothing; give --keep-within, --keep-last, --keep-daily or another of them")
    if (kept := repository_of(run, target, to)) is not None:
        repository.prune(run, target_of(run, target).name, kept, policy, dry_run=dry_run)
        return
    folder = folder_of(run, target, to)
    prune_files(run, folder, target_of(run, target).name, policy, identity, dry_run=dry_run, accept=accept)
