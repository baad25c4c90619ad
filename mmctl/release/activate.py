"""Making a release the one that runs, proving it, and going back when it does not."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mmctl.fleet.errors import ROLLED_BACK, UNKNOWN, DeadlineExceeded, OperatorError, Refused, Unreachable
from mmctl.fleet.transport import Transport
from mmctl.release import plan as planning
from mmctl.release.facts import Facts, good_before
from mmctl.release.plan import ACTIVATE_SECONDS, Ground
from mmctl.remote import layout as remote
from mmctl.remote.layout import Layout, script

VERIFY_SECONDS = 30.0
ASK_SECONDS = 3.0
PAUSE_SECONDS = 0.1
MARK_SECONDS = 20.0


def verify(transport: Transport, port: int, release: str) -> str:
    """Wait until the engine of ``release`` says it could quote; returns a sentence on its state.

    Raises DeadlineExceeded with the last thing the engine said, and Refused when another release answers.
    """
    end = time.monotonic() + VERIFY_SECONDS
    last = "it did not answer"
    while time.monotonic() < end:
        try:
            answer = transport.http("GET", port, "/readiness", min(ASK_SECONDS, max(0.1, end - time.monotonic())))
            if answer.status == 200:
                return _identity(transport, port, release)
            last = _shortened(answer.body)
        except (Unreachable, DeadlineExceeded) as error:
            last = error.what
        time.sleep(PAUSE_SECONDS)
    raise DeadlineExceeded(f"{transport.name}: the engine was not ready to quote within {VERIFY_SECONDS:g} s: {last}")


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


def switch_back(transport: Transport, ground: Ground, reason: str) -> None:
    """After a failed start: mark the release bad, and let the one before it run as it ran. Raises if it does not."""
    where, before = ground.layout, ground.facts.current
    transport.run(remote.mark(where, ground.release, "bad", reason), MARK_SECONDS).checked("cannot mark it bad")
    if not before or before == ground.release or ground.facts.release(before) is None:
        text = planning.deactivate(where, ground.release, ground.operator)
        transport.run(text, ACTIVATE_SECONDS).checked("cannot stop it")
        return
    running = ground.facts.active == "active"
    text = planning.go_back(where, before, ground.operator, running=running)
    transport.run(text, ACTIVATE_SECONDS).checked(f"{before} does not start again")
    if running:
        verify(transport, ground.desired.settings.api_port, before)


@dataclass(frozen=True)
class Rollback:
    """From which release to which, on one host. ``disown``: the one left is marked bad, so nothing returns to it."""

    host: str
    current: str
    to: str
    disown: bool


class RollbackFailed(OperatorError):
    """The release went back to did not come up; ``exit_code`` says whether the one left was put back."""

    def __init__(self, what: str, exit_code: int, hint: str = "") -> None:
        super().__init__(what, hint)
        self.exit_code = exit_code


def plan_rollback(facts: Mapping[str, Facts], wanted: str | None, *, disown: bool = True) -> list[Rollback]:
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
            steps.append(Rollback(host, found.current, to, disown))
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
            text = planning.activate(where, step.to, operator)
            transport.run(text, ACTIVATE_SECONDS).checked(f"{step.host}: {step.to} does not start")
            said = verify(transport, port, step.to)
        except OperatorError as error:
            _forward_again(step, transport, where, port, operator, error)
            continue
        marks = [remote.mark(where, step.to, "good", f"went back to at {_now()}")]
        if step.disown:
            marks.append(remote.mark(where, step.current, "bad", f"rolled back to {step.to}"))
        transport.run(script(*marks), MARK_SECONDS).checked(f"{step.host}: cannot mark the releases")
        say(f"{step.host}: {step.to} is {said}")


def _forward_again(
    step: Rollback, transport: Transport, where: Layout, port: int, operator: str, error: OperatorError
) -> None:
    try:
        text = planning.go_back(where, step.current, operator, running=True)
        transport.run(text, ACTIVATE_SECONDS).checked(f"{step.current} does not start either")
        verify(transport, port, step.current)
    except OperatorError as second:
        raise RollbackFailed(
            f"{error.what}\n{step.host}: {second.what}", UNKNOWN, "look at once: `mmctl status`; `mmctl halt` stops it"
        ) from None
    raise RollbackFailed(f"{error.what}\n{step.host}: {step.current} runs as before", ROLLED_BACK) from None
