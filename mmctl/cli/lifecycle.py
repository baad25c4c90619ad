"""``mmctl start``, ``stop``, ``restart`` and ``reload``: the deployed engine, with proof of what each promises."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from mmctl.cli.deploy import Yes, confirm, site
from mmctl.cli.reach import Engine, TargetArg, engines, finish
from mmctl.cli.run import current
from mmctl.client.site import site_of
from mmctl.fleet.parallel import Outcome, on_each
from mmctl.fleet.transport import Transport
from mmctl.release import runs, service
from mmctl.release.reload import Place, reload_all

#: What one verb may take on one host, seconds: a stop, a start and the proof.
ACT_SECONDS = 140.0


def _each(verb: str, wanted: str | None, act: Callable[[runs.Site, Transport], str], *, quotes: bool = False) -> None:
    """``act`` on every host of the target under its lock, recorded in the audit trail. ``quotes``: as for ``site``."""
    run = current()
    with site(run, wanted, quotes=quotes) as hosts:
        outcomes: dict[str, Outcome[str]] = {}
        with runs.recorded(hosts, verb, {}) as outcome:
            outcomes = on_each(hosts.transports, lambda _, t: act(hosts, t), run.remaining(ACT_SECONDS))
            outcome["ok"] = all(o.ok for o in outcomes.values())
            outcome["hosts"] = {name: "done" if o.ok else str(o.error) for name, o in outcomes.items()}
    for name, done in outcomes.items():
        if done.value is not None:
            run.out.event("done", host=name, verb=verb, message=done.value, seconds=round(done.seconds, 3))
            run.out.styled(f"{name}: {verb}: {done.value}", "green")
    finish(run, outcomes)
    run.out.result(verb=verb, hosts=sorted(outcomes))


def _port(hosts: runs.Site, transport: Transport) -> int:
    """The engine's port on the host of ``transport``."""
    return site_of(hosts.target_on(transport)).port


def start(target: TargetArg = None) -> None:
    """Start the engine and wait until it could quote."""
    _each("start", target, lambda s, t: service.start(t, s.layout, sys.executable, _port(s, t)), quotes=True)


def stop(target: TargetArg = None, yes: Yes = False) -> None:
    """Quoting off, cancel all, prove zero open orders, then stop."""
    _each("stop", target, lambda s, t: service.stop(t, s.layout, sys.executable))


def restart(target: TargetArg = None, yes: Yes = False) -> None:
    """Stop in order and start again; ends when the engine could quote."""
    _each("restart", target, lambda s, t: service.restart(t, s.layout, sys.executable, _port(s, t)), quotes=True)


def reload(
    target: TargetArg = None,
    previous: Annotated[bool, typer.Option("--previous", help="Take back the last reload.")] = False,
    yes: Yes = False,
) -> None:
    """Give the running engine the config of the fleet file: checked, then applied at once or not at all.

    Ends when every engine has answered. One that refuses (10) keeps its config, in its memory and on its host; of
    several hosts all take it or none does (3 where that failed). 5: the answer did not come.
    """
    run = current()
    with engines(run, target) as found:
        first = next(iter(found.values()))
        confirm(run, first.target, yes, "Reload the config")
        hosts = {name: engine.transport for name, engine in found.items()}
        place = runs.Site(first.target, hosts, run.run_id, f"mmctl reload {first.target.name}")
        engines_of = {name: _place(engine) for name, engine in found.items()}
        with runs.recorded(place, "reload", {"previous": previous}) as outcome:
            done = reload_all(engines_of, first.target, previous, run.run_id, run.out.progress)
            outcome["hosts"] = done
    for name, said in done.items():
        run.out.event("done", host=name, verb="reload", message=said)
        run.out.styled(f"{name}: reload: {said}", "green")
    run.out.result(verb="reload", hosts=sorted(done))


def _place(engine: Engine) -> Place:
    """Where the running engine listens is the host's to say: the config here may move it, which a reload cannot."""
    port = service.current_and_port(engine.transport, engine.site.layout, engine.site.port)[1]
    return Place(engine.transport, engine.site.layout, replace(engine.client(), port=port))
