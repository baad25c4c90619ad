"""Putting secrets on the hosts of a target, on all or on none, and the old ones back where they do not come up.

Values pass over stdin alone; what is written down of them is a fingerprint (``mmctl.release.kept``).
"""

import sys
from collections.abc import Callable, Mapping

from engine.config.environment import render
from mmctl.fleet.errors import INCONCLUSIVE, ROLLED_BACK, UNKNOWN, ConfigRefused, OperatorError, Refused
from mmctl.fleet.transport import Transport
from mmctl.release import exchange, service
from mmctl.release.kept import Change, about
from mmctl.release.plan import CHECK_SECONDS
from mmctl.release.runs import Site
from mmctl.remote import files, ledger, python
from mmctl.remote import secrets as remote
from mmctl.remote.layout import Layout, script

CALL_SECONDS = 20.0
NOTHING = "nothing was changed"

Say = Callable[[str], None]


class RotationFailed(OperatorError):
    """New secrets did not come up; ``exit_code`` says whether the old ones are back."""

    def __init__(self, what: str, exit_code: int, hint: str = "") -> None:
        super().__init__(what, hint)
        self.exit_code = exit_code


def change(site: Site, plans: Mapping[str, Change], ports: Mapping[str, int] | None, say: Say) -> dict[str, str]:
    """Put every host's secrets in place, or none; a sentence for each. ``ports``: restart the engines listening there.

    To be called under the fleet's lock. Raises the error of what failed before anything changed; RotationFailed after:
    4 where every host has its old secrets again, 5 where that is not proved.
    """
    for name, plan in plans.items():
        _judge(site, name, plan, ask=ports is not None)
    changed: list[str] = []
    try:
        for name, plan in plans.items():
            text = script(ledger.held_by(site.layout, site.run), files.stage_secrets(site.layout))
            done = site.transports[name].run(text, CALL_SECONDS, render(plan.values))
            done.checked(f"{name}: cannot store the secrets")
        for name, plan in plans.items():
            changed.append(name)
            _adopt(site, name, plan)
        said = dict.fromkeys(plans, "set; the engine takes it at its next start: mmctl restart")
        for name in plans if ports is not None else ():
            assert ports is not None
            said[name] = _restart(site, name, ports[name])
            say(f"{name}: {said[name]}")
    except BaseException as error:
        _undo(site, plans, changed, ports, error)
        raise
    for name in plans:
        site.transports[name].run(remote.forget(site.layout), CALL_SECONDS).checked(f"{name}: cannot clear up")
    return said


def _judge(site: Site, name: str, plan: Change, *, ask: bool) -> None:
    """Whether the deployed release takes its config with these values, and the exchange the key. Changes nothing."""
    transport, layout = site.transports[name], site.layout
    release = service.deployed(transport, layout)
    if release:
        check = python.check_config(layout, release, config=layout.config)
        result = transport.run(check, CHECK_SECONDS, render(plan.values))
        if result.rc:
            said = result.err.strip() or result.out.strip()
            raise ConfigRefused(f"{name}: with these secrets the release refuses its config: {said}", NOTHING)
    if not ask:
        return
    for finding in exchange.ask(transport, layout, site.target.at_host(name), plan.values):
        if not finding.ok and finding.exit_code != INCONCLUSIVE:
            failed = RotationFailed(f"{name}: {finding.name}: {finding.detail}", finding.exit_code, NOTHING)
            raise failed


def _adopt(site: Site, name: str, plan: Change) -> None:
    text = remote.adopt(site.layout, plan.found.sha256, about(plan.marks))
    done = site.transports[name].run(script(ledger.held_by(site.layout, site.run), text), CALL_SECONDS)
    if done.rc == remote.CHANGED:
        raise Refused(f"{name}: {done.err.strip()}", "look at it, then type this again")
    done.checked(f"{name}: cannot put the secrets in their place")


def _restart(site: Site, name: str, port: int) -> str:
    transport = site.transports[name]
    if not service.deployed(transport, site.layout):
        return "set; nothing is deployed there yet"
    if not service.read_state(transport, site.layout, sys.executable).running:
        return "set; the engine was not running, and is not started"
    return f"rotated: {service.restart(transport, site.layout, sys.executable, port)}"


def _undo(
    site: Site, plans: Mapping[str, Change], changed: list[str], ports: Mapping[str, int] | None, error: BaseException
) -> None:
    """Every host as it was; what ran, runs with the old secrets. Raises RotationFailed where one had been changed."""
    what = error.what if isinstance(error, OperatorError) else type(error).__name__
    lost: list[str] = []
    touched = [name for name in changed if not (isinstance(error, Refused) and name == changed[-1])]
    for name in plans:
        transport = site.transports[name]
        try:
            back = remote.put_back if name in touched else remote.forget
            transport.run(back(site.layout), CALL_SECONDS).checked(f"{name}: cannot put the old secrets back")
            if ports is not None and name in touched and _had_run(transport, site.layout):
                service.restart(transport, site.layout, sys.executable, ports[name])
        except OperatorError as second:
            if name in touched:
                lost.append(second.what if second.what.startswith(name) else f"{name}: {second.what}")
    if lost:
        hint = "look at once: `mmctl status`; `mmctl secrets list` shows which secrets are there"
        raise RotationFailed("\n".join([what, *lost]), UNKNOWN, hint) from None
    if touched and isinstance(error, OperatorError):
        raise RotationFailed(f"{what}\nevery host has its old secrets again", ROLLED_BACK, error.hint) from None


def _had_run(transport: Transport, layout: Layout) -> bool:
    """Whether an engine runs there, or should: only one that somebody stopped is left alone."""
    if not service.deployed(transport, layout):
        return False
    now = service.read_state(transport, layout, sys.executable)
    return not (now.active == "inactive" and now.status == 0)
