"""Reading and building, before anything is changed: facts of every host, the wheel, the wheelhouse, the plans."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmctl.fleet.errors import Refused
from mmctl.fleet.inventory import Target
from mmctl.fleet.parallel import on_each
from mmctl.fleet.transport import Transport
from mmctl.ledger.audit import state_folder
from mmctl.release import compatible
from mmctl.release import facts as reading
from mmctl.release.assets import asset
from mmctl.release.build import Built, build
from mmctl.release.compatible import OPERATORS_ENV
from mmctl.release.desired import Desired, describe, env_key, release_id
from mmctl.release.facts import Facts
from mmctl.release.kept import kept_on
from mmctl.release.lock import parse_lock
from mmctl.release.plan import BUILD, CONFIGURE, ENVIRONMENT, STEPS, Ground, Step, plan
from mmctl.release.wheelhouse import Wheel, Wheelhouse
from mmctl.remote.layout import Layout, layout_of

GATHER_SECONDS = 30.0


@dataclass(frozen=True)
class Event:
    """Progress of one step on one host ("" = here). ``state``: running, done, unchanged, failed. Seconds of work."""

    host: str
    number: int
    state: str
    seconds: float
    detail: str = ""

    @property
    def name(self) -> str:
        """The step's name in the table of steps."""
        return STEPS[self.number - 1]


Progress = Callable[[Event], None]


@dataclass(frozen=True)
class Prepared:
    """Everything known before the first change: per host the ground and the eight steps."""

    target: Target
    layout: Layout
    wanted: Mapping[str, Desired]
    release: str
    grounds: Mapping[str, Ground]
    plans: Mapping[str, tuple[Step, ...]]

    @property
    def sha(self) -> str:
        """Of the content, the same on every host."""
        return next(iter(self.wanted.values())).sha

    @property
    def unchanged(self) -> bool:
        """Whether every host already has all that the release asks for."""
        return all(ground.unchanged for ground in self.grounds.values())


def gather_all(
    transports: Mapping[str, Transport], layout: Layout, ports: Mapping[str, int], journal: str | None = None
) -> dict[str, Facts]:
    """Facts of every host at once. Raises the first host's error: a host that cannot be read cannot be changed."""
    outcomes = on_each(transports, lambda name, t: reading.gather(t, layout, ports[name], journal), GATHER_SECONDS)
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise outcome.error
    return {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}


def prepare(
    target: Target, transports: Mapping[str, Transport], run: str, progress: Progress, project: Path | None = None
) -> Prepared:
    """Steps 1 to 3 and the plan of the rest. Changes nothing on any host. Raises OperatorError with the exit code."""
    layout = layout_of(target)
    begun = time.monotonic()
    built_in = build(state_folder() / "builds", project)
    progress(Event("", BUILD, "done", time.monotonic() - begun, f"{built_in.path.name}, {built_in.size / 1e6:.2f} MB"))
    begun = time.monotonic()
    brings = [name for name in transports if target.local or target.at_host(name).env_file is not None]
    own = kept_on({name: transports[name] for name in brings}, layout)
    desired = {name: describe(target.at_host(name), layout, built_in, project, own.get(name)) for name in transports}
    kept = "".join(f"; {name} keeps its own {', '.join(sorted(of))}" for name, of in own.items() if of)
    progress(Event("", CONFIGURE, "done", time.monotonic() - begun, f"{target.config.name}: right{kept}"))
    return lay_out(target, transports, layout, desired, run, progress, project)


def lay_out(
    target: Target,
    transports: Mapping[str, Transport],
    layout: Layout,
    wanted: Mapping[str, Desired],
    run: str,
    progress: Progress,
    project: Path | None = None,
    release: str | None = None,
) -> Prepared:
    """Facts of the hosts, what they lack, and their plans. ``release``: the id a first look gave, kept if it can be.

    ``wanted`` by host: one content, and each host's own account and secrets.
    """
    begun = time.monotonic()
    ports = {name: desired.settings.api_port for name, desired in wanted.items()}
    facts = gather_all(transports, layout, ports, next(iter(wanted.values())).journal)
    release = _release_for(next(iter(wanted.values())), facts, release)
    grounds: dict[str, Ground] = {}
    for name, found in facts.items():
        # Python first: without it nothing is known of the platform.
        reading.require(name, reading.obstacles(found, layout, 0, True, ports[name]))
        wheels: tuple[Wheel, ...] = ()
        env = OPERATORS_ENV
        if layout.managed:
            pins = parse_lock(asset("requirements.lock", project).read_text())
            wheels = Wheelhouse().resolve(pins, found.platform)
            env = env_key(wheels, found.platform)
        ground = Ground(found, layout, wanted[name], release, env, wheels, sys.executable, run)
        needed = sum(w.size for w in ground.missing) // 1_000_000
        reading.require(name, reading.obstacles(found, layout, needed, env in found.envs or not wheels, ports[name]))
        grounds[name] = ground
    compatible.require(_unreadable(transports, grounds))
    seconds = time.monotonic() - begun
    plans = {name: plan(ground) for name, ground in grounds.items()}
    for name, steps in plans.items():
        progress(Event(name, ENVIRONMENT, "done", seconds, steps[0].note))
    return Prepared(target, layout, wanted, release, grounds, plans)


def _unreadable(transports: Mapping[str, Transport], grounds: Mapping[str, Ground]) -> dict[str, str | None]:
    """By host, why its journal is not one that the release can work with."""
    found: dict[str, str | None] = {}
    for name, ground in grounds.items():
        if ground.unchanged:
            continue
        journal = reading.journal_of(transports[name], ground.layout, ground.facts, ground.desired.journal)
        found[name] = compatible.unreadable(ground.release, ground.desired.schema, journal)
    return found


def _release_for(desired: Desired, facts: Mapping[str, Facts], earlier: str | None) -> str:
    """The id this content has on the hosts already, unless it proved bad there; else a new one, the same on all."""
    known = [r for found in facts.values() for r in found.releases if r.sha == desired.sha]
    bad = {r.id for r in known if r.bad}
    usable = sorted({r.id for r in known} - bad)
    fresh = earlier or release_id(desired.sha)
    # Two ids may not be equal: within a second of a bad one, its successor waits for the next.
    while fresh in bad:
        time.sleep(0.2)
        fresh = release_id(desired.sha)
    return usable[-1] if usable else fresh


def choose(facts: Mapping[str, Facts], wanted: str) -> str:
    """The full id of a release that is complete on every host; ``wanted`` may be its beginning or its end."""
    found: set[str] | None = None
    for held in facts.values():
        here = {r.id for r in held.releases if r.complete and (r.id.startswith(wanted) or r.sha.startswith(wanted))}
        found = here if found is None else found & here
    if not found:
        raise reading.unknown_release(wanted, next(iter(facts.values())))
    if len(found) > 1:
        raise Refused(f"{wanted!r} fits several releases: {', '.join(sorted(found))}", "give more of the id")
    return found.pop()


__all__ = ["Built", "Event", "Prepared", "Progress", "choose", "gather_all", "lay_out", "prepare"]
