"""Whole runs: a deploy or a rollback under the fleet's lock, with its intent and its outcome in the audit trail."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmctl.client.site import site_of
from mmctl.fleet.errors import FAILED, OperatorError, Refused
from mmctl.fleet.inventory import DEFAULT_API_PORT, Target
from mmctl.fleet.transport import Transport
from mmctl.ledger.audit import Trail, state_folder
from mmctl.ledger.lock import Record, held
from mmctl.release import compatible
from mmctl.release import prepare as preparing
from mmctl.release.activate import Rollback, plan_rollback, roll_back
from mmctl.release.apply import Applied, Deployment
from mmctl.release.facts import Facts, journal_of
from mmctl.release.kept import refuse_changed
from mmctl.release.prepare import Prepared, Progress, choose, gather_all, lay_out
from mmctl.release.retention import removals
from mmctl.remote import layout as remote
from mmctl.remote.layout import Layout, layout_of

PRUNE_SECONDS = 60.0
STOP = "stop"


@dataclass(frozen=True)
class Site:
    """The hosts of one run: their transports, their layout, and the run's id and words for the records."""

    target: Target
    transports: Mapping[str, Transport]
    run: str
    command: str

    @property
    def layout(self) -> Layout:
        """Where the target's files lie on its hosts."""
        return layout_of(self.target)

    def tell(self, faults: Iterable[str]) -> None:
        """What is wrong with the records, for the person at the keyboard; it changes no outcome."""
        for fault in faults:
            print(fault, file=sys.stderr, flush=True)

    def target_on(self, transport: Transport) -> Target:
        """The target as it is on the host of ``transport``."""
        name = next(name for name, known in self.transports.items() if known is transport)
        return self.target.at_host(name)


@contextmanager
def recorded(site: Site, verb: str, detail: dict[str, Any], reason: str = "") -> Iterator[dict[str, Any]]:
    """Hold the lock, write the intent, let the act happen, write the outcome. The yielded dict joins the
    outcome; ``ok`` False in it records a failure that was not raised. What cannot be recorded is not done, but for a
    stop: what stops trading never waits for what records it."""
    record = Record.now(site.run, site.command, site.target.name, reason)
    trail = Trail(site.run, verb, site.target.name, site.transports, site.layout)
    outcome: dict[str, Any] = {}
    with held(site.transports, site.layout, record):
        try:
            site.tell(trail.intent(**detail))
        except (OSError, OperatorError) as error:
            if verb != STOP:
                raise
            site.tell([f"NOT RECORDED: {error}"])
        try:
            yield outcome
        except BaseException as error:
            what = error.what if isinstance(error, OperatorError) else type(error).__name__
            code = error.exit_code if isinstance(error, OperatorError) else FAILED
            site.tell(trail.outcome(False, error=what, exit_code=code, **outcome))
            raise
        site.tell(trail.outcome(bool(outcome.pop("ok", True)), **outcome))


def prepare(
    site: Site, progress: Progress, project: Path | None = None, resume: bool = False, *, force: bool = False
) -> Prepared:
    """Everything up to the first change. ``resume`` takes up the unfinished deploy: the same wheel, the same id.

    Content that did not come up on a host is refused there, unless ``force`` says to try it once more.
    """
    if resume and not _unfinished(site.target).exists():
        raise Refused(f"there is no unfinished deploy of {site.target.name}", "`mmctl deploy` starts a new one")
    prepared = preparing.prepare(site.target, site.transports, site.run, progress, project)
    if resume:
        left = json.loads(_unfinished(site.target).read_text())
        if left["sha"] != prepared.sha:
            raise Refused(
                f"the unfinished deploy {left['release']} was of other sources or another config",
                "`mmctl deploy` without --resume deploys what is here now",
            )
    if not force:
        refuse_condemned({name: (ground.facts, ground.content) for name, ground in prepared.grounds.items()})
    return prepared


def refuse_condemned(contents: Mapping[str, tuple[Facts, str]]) -> None:
    """Raise Refused where a host remembers that this content did not come up."""
    known = [
        f"{name}: the same content did not come up there before: {why}"
        for name, (facts, content) in contents.items()
        if (why := facts.condemned.get(content)) is not None
    ]
    if known:
        raise Refused("\n".join(known), "nothing was changed; change it, or try it once more with --force")


def deploy(site: Site, prepared: Prepared, progress: Progress, project: Path | None = None) -> Applied:
    """Carry out what was prepared. The hosts are read again under the lock: another run may have come between."""
    if prepared.unchanged:
        return Deployment(prepared, site.transports, site.run, progress).apply()
    detail = {"release": prepared.release, "from": {n: g.facts.current for n, g in prepared.grounds.items()}}
    with recorded(site, "deploy", detail) as outcome:
        refuse_changed(site.transports, site.layout, {name: d.environment for name, d in prepared.wanted.items()})
        fresh = lay_out(site.target, site.transports, site.layout, prepared.wanted, site.run, lambda _: None, project)
        mark = _unfinished(site.target)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"release": fresh.release, "sha": fresh.sha, "run": site.run}) + "\n")
        applied = Deployment(fresh, site.transports, site.run, progress).apply()
        outcome |= {"release": applied.release, "changed": applied.changed, "uploaded_bytes": applied.uploaded}
        mark.unlink(missing_ok=True)
        _prune(site, fresh)
    return applied


def _unfinished(target: Target) -> Path:
    return state_folder() / "unfinished" / f"{target.name}.json"


def _prune(site: Site, prepared: Prepared) -> None:
    """Clear what nothing needs. A host that cannot be cleared now is cleared by the next deploy."""
    ports = {name: desired.settings.api_port for name, desired in prepared.wanted.items()}
    facts = gather_all(site.transports, site.layout, ports)
    for name, found in facts.items():
        ground = prepared.grounds[name]
        used = frozenset(w.sha256 for w in (*ground.wheels, ground.desired.wheel))
        gone = removals(found, site.target.keep, used)
        if gone:
            text = remote.remove_releases(site.layout, gone.releases, gone.envs, gone.wheels)
            site.transports[name].run(text, PRUNE_SECONDS)


def facts_of(site: Site) -> dict[str, Facts]:
    """What is found on each host of the site, by the host's name."""
    port = site.target.api_port or DEFAULT_API_PORT
    ports = dict.fromkeys(site.transports, port)
    return gather_all(site.transports, site.layout, ports, site_of(site.target).journal)


def unfit(site: Site, facts: Mapping[str, Facts], steps: Iterable[Rollback]) -> dict[str, str | None]:
    """By host, why the release that is to be switched to cannot run on what lies there; None where it can."""
    own = site_of(site.target).journal or ""
    found: dict[str, str | None] = {}
    for step in steps:
        there, to = facts[step.host], facts[step.host].release(step.to)
        if to is None or not to.complete:
            raise Refused(f"{step.host}: {step.to} is not complete there")
        path = own if to.journal is None else to.journal
        journal = journal_of(site.transports[step.host], site.layout, there, path)
        found[step.host] = compatible.unfinished(to.env, there.envs) or compatible.unreadable(
            step.to, to.schema, journal
        )
    return found


def rollback(
    site: Site, wanted: str | None, port: int, say: Callable[[str], None], *, back: bool = True, force: bool = True
) -> list[Rollback]:
    """Back to ``wanted`` (an id or a part of it), or on each host to the last good release before its current one.

    ``back``: as a rollback, after which the host's history ends with the release that was gone back to. Without
    ``force`` a release that is bad is refused.
    """
    facts = facts_of(site)
    chosen = choose(facts, wanted) if wanted else None
    if chosen and not force:
        bad = [name for name, found in facts.items() if (there := found.release(chosen)) is not None and there.bad]
        if bad:
            raise Refused(f"{', '.join(bad)}: {chosen} is marked bad", "nothing was changed; --force switches to it")
    steps = plan_rollback(facts, chosen, back=back)
    if not steps:
        return []
    compatible.require(unfit(site, facts, steps))
    detail = {"to": steps[0].to, "from": {step.host: step.current for step in steps}}
    with recorded(site, "rollback", detail):
        roll_back(steps, site.transports, site.layout, port, sys.executable, say)
    return steps
