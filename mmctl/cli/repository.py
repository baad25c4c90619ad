"""``mmctl backup`` where the configuration names a restic repository: the same verbs, over what restic keeps."""

import os
import stat
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from engine.config.environment import parse
from mmctl.cli.reach import Engine, ask_each, engines, finish, only_one, target_of
from mmctl.cli.recorded import act_recorded
from mmctl.cli.run import Run
from mmctl.cli.stopped import must_be_stopped
from mmctl.client.site import site_of
from mmctl.fleet.errors import ConfigRefused, OperatorError, Refused
from mmctl.formats import age
from mmctl.ledger.audit import state_folder
from mmctl.vault import repository as store
from mmctl.vault.make import collected, tell
from mmctl.vault.repository import Put, Snapshot
from mmctl.vault.restic import Repository, chosen
from mmctl.vault.restore import copy_into, put_in_place
from mmctl.vault.retention import Aged, Policy, keep

SECONDS = 1800.0


def repository_of(run: Run, wanted: str | None, folder: Path | None, one: Path | None = None) -> Repository | None:
    """The repository that the target's configuration names; None where there is none, or where ``folder``, or ``one``
    that is a file here, is meant."""
    if folder is not None or (one is not None and one.is_file()):
        return None
    rules = site_of(target_of(run, wanted)).backups
    if not rules.repository:
        return None
    variables = chosen(os.environ)
    if rules.env_file:
        variables |= chosen(_private(Path(rules.env_file).expanduser(), given=bool(variables)))
    return Repository(rules.repository, variables, state_folder() / "restic-cache")


def _private(file: Path, *, given: bool) -> dict[str, str]:
    """The file's values. One that is not on this machine is no fault where the password is ``given`` otherwise."""
    if given and not file.exists():
        return {}
    try:
        mode, data = stat.S_IMODE(file.stat().st_mode), file.read_bytes()
    except OSError as error:
        raise ConfigRefused(f"cannot read backup.env_file {file}: {error.strerror}") from None
    if mode & 0o077:
        raise Refused(f"{file} holds secrets and can be read by others (mode {mode:04o})", f"chmod 600 {file}")
    return dict(parse(data).values)


def init(run: Run, repository: Repository) -> None:
    """Make the repository once."""
    store.create(repository, lambda: run.remaining(SECONDS))
    run.out.result(repository=repository.shown)
    run.out.say(f"{repository.shown} is made; keep its password elsewhere too: without it nothing can be read")


def create(run: Run, wanted: str | None, repository: Repository, policy: Policy | None) -> None:
    """One verified snapshot of every host, then retention over those hosts."""

    def one(engine: Engine) -> Put:
        def put() -> Put:
            moment = datetime.now(UTC).replace(microsecond=0)
            near = state_folder() / "restic-scratch"
            left = lambda: run.remaining(SECONDS)  # noqa: E731 - the time that is left, asked again at each step
            with collected(engine.transport, engine.site, engine.target.name, near, left, moment) as (folder, manifest):
                done = store.put(repository, folder, manifest, left)
            tell(engine.transport, engine.site, f"snapshot {done.snapshot}", moment)
            return done

        return act_recorded(run, engine, "backup", "", put)

    with engines(run, wanted) as found:
        outcomes = ask_each(run, found, one, SECONDS)
        for name, outcome in outcomes.items():
            if outcome.value is None:
                continue
            put, rows = outcome.value, sum(outcome.value.verified.rows.values())
            fields = {"snapshot": put.snapshot, "bytes": put.bytes, "sent": put.sent, "rows": put.verified.rows}
            run.out.event("backup", host=name, repository=repository.shown, **fields)
            run.out.say(f"{name}: snapshot {put.snapshot}, {put.bytes} bytes, {put.sent} new, {rows} rows, verified")
        first = next(iter(found.values()))
    done = [name for name, outcome in outcomes.items() if outcome.ok]
    rule = policy or Policy(days=first.site.backups.keep_days)
    prune(run, first.target.name, repository, rule, hosts=done)
    finish(run, outcomes)


def list_(run: Run, wanted: str | None, repository: Repository) -> None:
    """The target's snapshots, newest first; the newest verified one of a host that is too old is told."""
    target = target_of(run, wanted)
    items = store.snapshots(repository, target.name, lambda: run.remaining(SECONDS))
    now, rows = datetime.now(UTC), []
    for item in items:
        state = "verified" if item.verified else "not verified: it was never restored"
        run.out.event(
            "backup", snapshot=item.id, made=item.made.isoformat(), host=item.host, target=item.target,
            release=item.release, problem="" if item.verified else state,
        )  # fmt: skip
        rows.append((item.id, item.host, age((now - item.made).total_seconds()), item.release or "-", state))
    run.out.result(repository=repository.shown, backups=len(rows))
    run.out.table(("snapshot", "host", "age", "release", "state"), rows)
    if not rows:
        run.out.say(f"no backups in {repository.shown}")
    limit_s = site_of(target).backups.max_age_s
    for host in sorted({item.host for item in items}):
        newest = next((item for item in items if item.host == host and item.verified), None)
        old_s = (now - newest.made).total_seconds() if newest else None
        if old_s is None or old_s > limit_s:
            run.out.event("stale", target=target.name, host=host, age_s=old_s, max_age_s=limit_s)
            said = f"the newest verified backup is {age(old_s)} old" if old_s is not None else "no backup is verified"
            run.out.say(f"{host}: {said}, allowed are {age(limit_s)}")


def verify(run: Run, wanted: str | None, repository: Repository, one: str | None, *, every: bool) -> None:
    """restic's check, then the newest snapshot of each host (or all, or ``one``) restored to scratch and compared."""
    left = lambda: run.remaining(SECONDS)  # noqa: E731 - the time that is left, asked again at each step
    store.check(repository, left, every_byte=every)
    if one is not None:
        ids = [one]
    else:
        items = store.snapshots(repository, target_of(run, wanted).name, left)
        ids = [item.id for item in items] if every else [item.id for item in _newest_of_each_host(items)]
    if not ids:
        raise Refused("there is no backup to verify", "Make one with mmctl backup.")
    first: OperatorError | None = None
    for name in ids:
        try:
            with store.taken(repository, name, left) as (_, found):
                rows = sum(found.rows.values())
        except OperatorError as error:
            first = first or error
            run.out.event("damaged", snapshot=name, message=error.what)
            run.out.problem(error.what)
            continue
        run.out.event("verified", snapshot=name, made=found.manifest.made, rows=found.rows)
        run.out.say(f"{name}: sound, made {found.manifest.made}, {rows} rows")
    if first is not None:
        raise first


def _newest_of_each_host(items: list[Snapshot]) -> list[Snapshot]:
    return [next(item for item in items if item.host == host) for host in dict.fromkeys(item.host for item in items)]


def restore(
    run: Run, wanted: str | None, repository: Repository, one: str | None, into: Path | None, confirm: str
) -> None:
    """A snapshot into a new folder here, or its journal in place on the stopped engine's host. Nothing is started."""
    from mmctl.cli.emergency import confirmed

    left = lambda: run.remaining(SECONDS)  # noqa: E731 - the time that is left, asked again at each step
    if into is not None:
        name = one or _newest(run, wanted, repository, None)
        with store.taken(repository, name, left) as (files, verified):
            copy_into(files, into)
        run.out.result(snapshot=name, folder=into, made=verified.manifest.made, rows=verified.rows)
        run.out.say(f"{name} is in {into}")
        return
    with engines(run, wanted) as found:
        engine = only_one(run, found, "mmctl backup restore")
        confirmed(run, "restore", found, confirm)
        must_be_stopped(engine)
        name = one or _newest(run, wanted, repository, engine.name)

        def put() -> tuple[str, str]:
            with store.taken(repository, name, left) as (files, verified):
                before = put_in_place(files, verified, f"snapshot {name}", engine.transport, engine.site, left)
            return verified.manifest.made, before

        made, before = act_recorded(run, engine, "restore", name, put)
    run.out.result(snapshot=name, host=engine.name, made=made, before=before)
    run.out.say(f"{engine.name}: the journal of {made} is in place; the one before is {before}")


def _newest(run: Run, wanted: str | None, repository: Repository, host: str | None) -> str:
    for item in store.snapshots(repository, target_of(run, wanted).name, lambda: run.remaining(SECONDS)):
        if item.verified and host in (None, item.host):
            return item.id
    raise Refused(f"there is no verified backup in {repository.shown}", "See mmctl backup list, or --from SNAPSHOT.")


def prune(
    run: Run, target: str, repository: Repository, policy: Policy, *,
    hosts: Collection[str] | None = None, dry_run: bool = False,
) -> None:  # fmt: skip
    """Let go of what ``policy`` does not keep; the newest verified snapshot of each host always stays."""
    left = lambda: run.remaining(SECONDS)  # noqa: E731 - the time that is left, asked again at each step
    items = store.snapshots(repository, target, left)
    gone: list[str] = []
    for host in {item.host for item in items if hosts is None or item.host in hosts}:
        own = [item for item in items if item.host == host]
        stay = keep([Aged(item.id, item.made, item.verified) for item in own], policy, datetime.now(UTC))
        gone += [item.id for item in own if item.id not in stay]
    if gone and not dry_run:
        store.forget(repository, gone, left)
    for name in gone:
        run.out.event("pruned", snapshot=name, dry_run=dry_run)
        run.out.say(f"{'would forget' if dry_run else 'forgot'} snapshot {name}")
    run.out.event("kept", snapshots=sorted(item.id for item in items if item.id not in gone), of_unknown_age=0)
