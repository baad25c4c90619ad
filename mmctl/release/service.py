"""Start, stop and restart of what is deployed, with proof of what each promises."""

import json
import time
from dataclasses import dataclass

from mmctl.fleet.errors import CommandFailed, Refused, Unproved
from mmctl.fleet.transport import Transport
from mmctl.release.activate import verify
from mmctl.release.blame import blame
from mmctl.release.plan import ACTIVATE_SECONDS, switch
from mmctl.remote import beside, units
from mmctl.remote.layout import Layout, q, script

ASK_SECONDS = 15.0


@dataclass(frozen=True)
class ServiceState:
    """The service in systemd's words. ``status``: the last exit code, 128+N after a signal N."""

    active: str
    sub: str
    pid: int
    status: int
    restarts: int
    result: str

    @property
    def running(self) -> bool:
        """Whether the service is up, by its supervisor's word."""
        return self.active == "active"


def read_state(transport: Transport, layout: Layout, interpreter: str) -> ServiceState:
    """The service's condition, as systemd or our supervisor tells it."""
    text = transport.run(units.state(layout, interpreter), ASK_SECONDS)
    said = text.checked(f"{transport.name}: cannot ask for the service's state").out
    fields = dict(line.partition("=")[::2] for line in said.splitlines())

    def number(name: str) -> int:
        value = fields.get(name, "")
        return int(value) if value.isdigit() else 0

    return ServiceState(
        fields.get("ActiveState", "unknown"), fields.get("SubState", ""), number("MainPID"), number("ExecMainStatus"),
        number("NRestarts"), fields.get("Result", ""),
    )  # fmt: skip


def deployed(transport: Transport, layout: Layout) -> str:
    """The release that is current, empty where there is none."""
    asked = f'basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null || true'
    return transport.run(asked, ASK_SECONDS).checked(f"{transport.name}: cannot see what is deployed there").out.strip()


def current_release(transport: Transport, layout: Layout) -> str:
    """The release that is current; Refused where there is none."""
    return current_and_port(transport, layout, 0)[0]


def current_and_port(transport: Transport, layout: Layout, port: int) -> tuple[str, int]:
    """The release that is current, and where its engine listens: ``port`` where it does not say. Refused where there
    is none. The config here may already be another one than the host's."""
    facts = q(f"{layout.current}/RELEASE.json")
    asked = script(f'basename "$(readlink {q(layout.current)})"', f"cat {facts} 2>/dev/null || true")
    found = transport.run(asked, ASK_SECONDS)
    release, _, about = found.out.partition("\n")
    if found.rc or not release.strip():
        raise Refused(f"{transport.name}: nothing is deployed there", "`mmctl deploy TARGET` first")
    try:
        there = json.loads(about).get("api_port")
    except (ValueError, AttributeError):
        there = None
    return release.strip(), there if isinstance(there, int) and there > 0 else port


def start(transport: Transport, layout: Layout, interpreter: str, port: int) -> str:
    """Start it and wait until it could quote; nothing where it runs already. Returns a sentence."""
    release, port = current_and_port(transport, layout, port)
    if read_state(transport, layout, interpreter).running:
        return f"was running already: {verify(transport, layout, port, release)}"
    _begin(transport, script(units.start(layout, interpreter)), "does not start")
    return verify(transport, layout, port, release)


def _begin(transport: Transport, text: str, failed: str) -> None:
    result = transport.run(text, ACTIVATE_SECONDS)
    if result.rc:
        why = f"{transport.name}: {failed}: {blame(result.err).text}"
        raise CommandFailed(why, result.rc, result.err, "`mmctl logs` shows more")


def restart(transport: Transport, layout: Layout, interpreter: str, port: int) -> str:
    """Start the service anew and wait until the engine of the current release answers; returns what was proved."""
    release, port = current_and_port(transport, layout, port)
    _begin(transport, switch(layout, release, interpreter), "does not start again")
    said = verify(transport, layout, port, release)
    if layout.managed:
        transport.run(beside.let_go(layout), ACTIVATE_SECONDS).checked(f"{transport.name}: the one before does not end")
    return said


def stop(transport: Transport, layout: Layout, interpreter: str) -> str:
    """Stop it: quoting off, all orders cancelled, none left, and only then gone. Raises Unproved when the engine did
    not end with the code that says so: then orders may be open."""
    current_release(transport, layout)
    if read_state(transport, layout, interpreter).active in ("inactive", "failed"):
        return "was not running"
    begun = time.monotonic()
    text = script(units.stop(layout, interpreter))
    transport.run(text, ACTIVATE_SECONDS).checked(f"{transport.name}: does not stop")
    after = read_state(transport, layout, interpreter)
    if after.active not in ("inactive", "failed"):
        raise Unproved(f"{transport.name}: it is {after.active} after being stopped", "`mmctl status` shows more")
    if after.status != 0 or after.result not in ("success", ""):
        raise Unproved(
            f"{transport.name}: stopped, but the engine ended with {after.result} {after.status}, "
            "not with its proof of zero open orders",
            "`mmctl cancel TARGET --confirm ACCOUNT` cancels and proves",
        )
    return f"stopped after {time.monotonic() - begun:.1f} s with zero open orders"
