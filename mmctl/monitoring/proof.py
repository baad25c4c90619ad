"""One alert through the real chain, and what proves at each step that it arrived.

Prometheus must evaluate the Watchdog, Alertmanager must have it, the relay must have got it; then a test alert is given
to Alertmanager, and every channel that takes its priority must take it. A relayed channel is proved by its own answer;
one that Alertmanager speaks to itself by the requests it counts as taken. That a person has read it nothing proves.
"""

import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import OperatorError
from mmctl.monitoring.alertmanager import gathered_s, natively
from mmctl.monitoring.send.ask import Service, ask, query
from mmctl.monitoring.send.deliver import PROVES

NAME: Final = "TestAlert"
STEP_S: Final = 5.0
PAUSE_S: Final = 0.2
#: How long a test alert lasts after it was told first: one that is over by then is never told.
LASTS_S: Final = 60.0
_COUNTED: Final = re.compile(
    r'^alertmanager_notification_requests_(failed_)?total\{integration="(\w+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where the parts answer."""

    prometheus: Service
    alertmanager: Service
    relay: Service


@dataclass(frozen=True, slots=True)
class Proof:
    """One step or channel: ``proved`` says whether it was, ``said`` what was seen, ``limits`` what is not proved."""

    what: str
    proved: bool
    said: str
    limits: str = ""


def links(chain: Chain, deadline_s: float = 0.0) -> list[Proof]:
    """Whether each part passes the Watchdog on to the next; of a chain that was just started, within the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        proofs = _links(chain)
        if all(proof.proved for proof in proofs) or time.monotonic() >= end:
            return proofs
        time.sleep(PAUSE_S)


def _links(chain: Chain) -> list[Proof]:
    return [
        _step("Prometheus evaluates the rules", lambda: _watchdog_fires(chain.prometheus)),
        _step("Alertmanager gets what Prometheus sends", lambda: _alertmanager_has(chain.alertmanager)),
        _step("the relay gets what Alertmanager sends", lambda: _relay_has(chain.relay)),
    ]


def prove(chain: Chain, channels: Sequence[Channel], priority: str, deadline_s: float) -> list[Proof]:
    """Send one, and prove its arrival at every channel of ``priority`` within ``deadline_s``, the gathering included.

    Where a part is away nothing is proved, and each channel says why.
    """
    wanted = [channel for channel in channels if priority in channel.priorities]
    probe = uuid.uuid4().hex[:12]
    try:
        before = _taken(chain)
        ask(chain.alertmanager, "/api/v2/alerts", STEP_S, [_alert(probe, priority)])
    except OperatorError as error:
        return [Proof(one.name, False, f"nothing was sent: {error.what}", PROVES[one.kind]) for one in wanted]
    end = time.monotonic() + deadline_s
    while True:
        try:
            proofs = _arrived(chain, wanted, probe, before)
        except OperatorError as error:
            proofs = [Proof(one.name, False, f"nobody can say: {error.what}", PROVES[one.kind]) for one in wanted]
        if all(proof.proved for proof in proofs) or time.monotonic() >= end:
            return proofs
        time.sleep(PAUSE_S)


def _alert(probe: str, priority: str) -> dict[str, Any]:
    start = datetime.now(UTC)
    # An instance of its own: in a group that is known already it would wait for that group's next turn.
    labels = {"alertname": NAME, "instance": f"test-{probe}", "severity": "info", "priority": priority, "probe": probe}
    texts = {
        "summary": "This is a test / 这是一条测试告警",
        "description": f"Nothing is wrong. Probe {probe}.",
    }
    end = start + timedelta(seconds=gathered_s(priority) + LASTS_S)
    times = {"startsAt": start.isoformat(), "endsAt": end.isoformat()}
    return {"labels": labels, "annotations": texts, **times}


def _arrived(chain: Chain, wanted: Sequence[Channel], probe: str, before: dict[str, float]) -> list[Proof]:
    now = _taken(chain)
    deliveries = ask(chain.relay, f"/deliveries?label=probe&value={quote(probe)}", STEP_S)
    proofs = []
    for channel in wanted:
        if natively(channel):
            same = [one for one in wanted if natively(one) and one.kind == channel.kind]
            more = now.get(channel.kind, 0) - before.get(channel.kind, 0)
            said = f"Alertmanager counts {max(0, more):g} messages taken by {channel.kind}, {len(same)} wanted"
            proofs.append(Proof(channel.name, more >= len(same), said, PROVES[channel.kind]))
            continue
        own = [one for one in deliveries if one["channel"] == channel.name]
        taken = next((one for one in own if one["delivered"]), None)
        said = f"it answered {taken['answer']!r} after {taken['seconds']:g} s" if taken else "nothing was delivered yet"
        if own and not taken:
            said = own[-1]["answer"]
        proofs.append(Proof(channel.name, taken is not None, said, PROVES[channel.kind]))
    return proofs


def _taken(chain: Chain) -> dict[str, float]:
    """By integration, the requests that were taken; of webhooks those that did not go to the relay.

    The relay is asked first before the test and last after it, so that a post on its way is never counted as ours.
    """
    page = str(ask(chain.alertmanager, "/metrics", STEP_S))
    found: dict[str, float] = {}
    for failed, integration, count in _COUNTED.findall(page):
        found[integration] = found.get(integration, 0.0) + (-float(count) if failed else float(count))
    health = _health(chain.relay)
    found["webhook"] = found.get("webhook", 0.0) - float(health.get("posts_taken", 0))
    return found


def _health(relay: Service) -> dict[str, Any]:
    """The relay's health, whether it is well or not."""
    document = ask(relay, "/health?always=200", STEP_S)
    return document if isinstance(document, dict) else {}


def _step(what: str, look: Callable[[], str]) -> Proof:
    try:
        said = look()
    except OperatorError as error:
        return Proof(what, False, str(error.what))
    return Proof(what, not said.startswith("no "), said)


def _watchdog_fires(prometheus: Service) -> str:
    found = query(prometheus, 'ALERTS{alertname="Watchdog",alertstate="firing"}', STEP_S)
    return "the Watchdog fires" if found else "no Watchdog fires: are the rules loaded?"


def _alertmanager_has(alertmanager: Service) -> str:
    found = ask(alertmanager, f"/api/v2/alerts?filter={quote('alertname=Watchdog')}", STEP_S)
    return "it has the Watchdog" if found else "no Watchdog has come to it: does Prometheus send to this one?"


def _relay_has(relay: Service) -> str:
    health = _health(relay)
    if not health.get("watchdog_came"):
        return "no Watchdog has come to the relay: does Alertmanager run with the rendered file?"
    age = float(health.get("watchdog_age_s", 0.0))
    return f"the Watchdog came {age:.0f} s ago" if health.get("alive") else f"no Watchdog has come for {age:.0f} s"
