"""Making a release the one that runs, proving it, and going back when it does not."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mmctl.fleet.errors import (
    ROLLED_BACK,
    UNKNOWN,
    CommandFailed,
    DeadlineExceeded,
    OperatorError,
    Refused,
    Unreachable,
)
from mmctl.fleet.transport import Transport
from mmctl.release import plan as planning
from mmctl.release import standing
from mmctl.release.blame import OTHER_ENGINE, Blame, blame
from mmctl.release.facts import Facts, good_before
from mmctl.release.plan import ACTIVATE_SECONDS, Ground
from mmctl.remote import layout as remote
from mmctl.remote import units
from mmctl.remote.layout import Layout, script

VERIFY_SECONDS = 30.0
ASK_SECONDS = 3.0
PAUSE_SECONDS = 0.1
MARK_SECONDS = 20.0
# An engine that does not answer is looked for at the service manager this often.
LOOK_AFTER_SECONDS = 1.0


class NotReady(DeadlineExceeded):
    """The engine of a release did not come to quoting. ``outside``: for a reason that does not lie in the release."""

    def __init__(self, what: str, *, outside: bool = False) -> None:
        super().__init__(what, "`mmctl logs` shows more")
        self.outside = outside


class StoppedMeanwhile(Refused):
    """Somebody stopped the engine while it was being started: nothing is started against that."""


def verify(transport: Transport, where: Layout, port: int, release: str) -> str:
    """Wait until the engine of ``release`` says it could quote; returns a sentence on its state.

    Raises NotReady with the engine's own reason, StoppedMeanwhile, and Refused when another release answers.
    """
    end = time.monotonic() + VERIFY_SECONDS
    last, look_at = "it did not answer", time.monotonic() + LOOK_AFTER_SECONDS
    while time.monotonic() < end:
        try:
            answer = transport.http("GET", port, "/readiness", min(ASK_SECONDS, max(0.1, end - time.monotonic())))
            if answer.status == 200:
                return _identity(transport, port, release)
            last = _shortened(answer.body)
        except (Unreachable, DeadlineExceeded) as error:
            last = error.what
            if time.monotonic() >= look_at:
                _ended(transport, where)
                look_at = time.monotonic() + LOOK_AFTER_SECONDS
        time.sleep(PAUSE_SECONDS)
    what = f"{transport.name}: the engine was not ready to quote within {VERIFY_SECONDS:g} s: {last}"
    said = _last_words(transport, where)
    reason = said.reason
    outside = said.outside or any(words in last for words in OTHER_ENGINE)
    raise NotReady(what + (f"; it said: {reason}" if reason and reason not in last else ""), outside=outside)


def _last_words(transport: Transport, where: Layout) -> "Blame":
    """The engine's own last words; none where they cannot be asked for."""
    try:
        return blame(transport.run(units.last_words(where, sys.executable), ASK_SECONDS * 2).out)
    except OperatorError:
        return Blame("", False, 0)


def _ended(transport: Transport, where: Layout) -> None:
    """Raise where the service manager says that the engine has ended and will not be started again."""
    now = standing.look(transport, where)
    if now.stopped:
        raise StoppedMeanwhile(f"{transport.name}: somebody stopped the engine while it was being started")
    if now.active == "failed":
        said = _last_words(transport, where)
        raise NotReady(f"{transport.name}: the engine ended: {said.text}", outside=said.outside)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _shortened(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        document = json.loads(text)
        reasons = document.get("reasons") or document.get("reason") or document.get("message") or document
        return str(reasons)[:300]
    except (ValueError, AttributeError):
        return text[:300] or "it answered nothing"


def _identity(transport: Transport, port: int, release: str) -> str:
    answer = transport.http("GET", port, "/api/state", ASK_SECONDS)
    try:
        engine = json.loads(answer.body)["engine"]
    except (ValueError, KeyError, TypeError):
        return "ready"
    if engine.get("release") not in (None, "", release):
        raise Refused(f"{transport.name}: port {port} is answered by release {engine['release']}, not by {release}")
    return "quoting" if engine.get("quoting") else f"ready, not quoting: {engine.get('not_quoting_reason')}"


def switch_back(transport: Transport, ground: Ground, reason: str, *, its_fault: bool, start: bool) -> None:
    """After a failed start let the release before it run as it ran, and mark this one bad where it is ``its_fault``.

    Without ``start`` nothing is started: somebody has stopped the engine. Raises if it does not come back.
    """
    where, before = ground.layout, ground.facts.current
    if its_fault:
        marks = script(remote.mark(where, ground.release, "bad", reason), remote.condemn(where, ground.content, reason))
        transport.run(marks, MARK_SECONDS).checked("cannot mark it bad")
    if not before or before == ground.release or ground.facts.release(before) is None:
        text = planning.deactivate(where, ground.release, ground.operator)
        transport.run(text, ACTIVATE_SECONDS).checked("cannot stop it")
        return
    running = ground.facts.active == "active" and start
    text = planning.go_back(where, before, ground.operator, running=running)
    started = transport.run(text, ACTIVATE_SECONDS)
    if started.rc:
        raise CommandFailed(f"{before} does not start again: {blame(started.err).text}", started.rc, started.err)
    if running:
        # Its own port: the release that failed may have been given another one.
        verify(transport, where, ground.facts.port_of(before, ground.desired.settings.api_port), before)


@dataclass(frozen=True)
class Rollback:
    """From which release to which, on one host. ``back``: to an earlier one, where its history ends.

    ``port`` and ``to_port`` are where the engines of the two listen, 0 = not known; ``running``: the one left runs.
    """

    host: str
    current: str
    to: str
    back: bool
    port: int = 0
    to_port: int = 0
    running: bool = True


class RollbackFailed(OperatorError):
    """The release went back to did not come up; ``exit_code`` says whether the one left was put back."""

    def __init__(self, what: str, exit_code: int, hint: str = "") -> None:
        super().__init__(what, hint)
        self.exit_code = exit_code


def plan_rollback(facts: Mapping[str, Facts], wanted: str | None, *, back: bool = True) -> list[Rollback]:
    """Where each host goes back to: ``wanted``, or the last good release older than its current one."""
    steps = []
    for host, found in facts.items():
        if not found.current:
            raise Refused(f"{host}: nothing is deployed there")
        if wanted is not None:
            to = wanted
        else:
            older = good_before(found)
            if older is None:
                raise Refused(f"{host}: there is no good release before {found.current}", "`mmctl releases` lists them")
            to = older.id
        if to != found.current:
            ports = (found.port_of(found.current, 0), found.port_of(to, 0))
            steps.append(Rollback(host, found.current, to, back, *ports, running=found.active == "active"))
    if len({step.to for step in steps}) > 1:
        ways = ", ".join(f"{step.host} to {step.to}" for step in steps)
        raise Refused(f"the hosts would go to different releases: {ways}", "name one with --to")
    return steps


def roll_back(
    steps: list[Rollback], transports: Mapping[str, Transport], where: Layout, port: int, operator: str,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Go back on every host in turn. A host whose older release does not come up is put forward again (exit code 4);
    if that fails as well its state is unknown (5)."""
    for step in steps:
        transport = transports[step.host]
        say(f"{step.host}: from {step.current} to {step.to}")
        try:
            text = planning.activate(where, step.to, operator, back=True)
            started = transport.run(text, ACTIVATE_SECONDS)
            if started.rc:
                why = f"{step.host}: {step.to} does not start: {blame(started.err).text}"
                raise CommandFailed(why, started.rc, started.err)
            said = verify(transport, where, step.to_port or port, step.to)
        except OperatorError as error:
            _forward_again(step, transport, where, port, operator, error)
            continue
        # The release that is left keeps its marks: a person's choice says nothing of whether it works.
        said_when = f"switched to at {_now()}"
        good = remote.went_back if step.back else _good
        transport.run(good(where, step.to, said_when), MARK_SECONDS).checked(f"{step.host}: cannot mark the release")
        say(f"{step.host}: {step.to} is {said}")


def _good(where: Layout, release: str, text: str) -> str:
    return remote.mark(where, release, "good", text)


def _forward_again(
    step: Rollback, transport: Transport, where: Layout, port: int, operator: str, error: OperatorError
) -> None:
    try:
        running = step.running and not isinstance(error, StoppedMeanwhile)
        text = planning.go_back(where, step.current, operator, running=running)
        transport.run(text, ACTIVATE_SECONDS).checked(f"{step.current} does not start either")
        if running:
            verify(transport, where, step.port or port, step.current)
    except OperatorError as second:
        raise RollbackFailed(
            f"{error.what}\n{step.host}: {second.what}", UNKNOWN, "look at once: `mmctl status`; `mmctl halt` stops it"
        ) from None
    so = "runs as before" if running else "is current again and is not running"
    raise RollbackFailed(f"{error.what}\n{step.host}: {step.current} {so}", ROLLED_BACK) from None
