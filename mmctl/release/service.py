"""Start, stop, restart and reload of what is deployed, with proof of what each promises."""

import time
from dataclasses import dataclass

from mmctl.fleet.errors import ConfigRefused, Refused, Unproved
from mmctl.fleet.inventory import Target
from mmctl.fleet.transport import Transport
from mmctl.release.activate import verify
from mmctl.release.desired import read_environment, read_settings
from mmctl.release.plan import ACTIVATE_SECONDS, CHECK_SECONDS
from mmctl.remote import python, units
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
        return self.active == "active"


def read_state(transport: Transport, layout: Layout, interpreter: str) -> ServiceState:
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


def current_release(transport: Transport, layout: Layout) -> str:
    """The release that is current; Refused where there is none."""
    found = transport.run(f'basename "$(readlink {q(layout.current)})"', ASK_SECONDS)
    release = found.out.strip()
    if found.rc or not release:
        raise Refused(f"{transport.name}: nothing is deployed there", "`mmctl deploy TARGET` first")
    return release


def start(transport: Transport, layout: Layout, interpreter: str, port: int) -> str:
    """Start it and wait until it could quote; nothing where it runs already. Returns a sentence."""
    release = current_release(transport, layout)
    if read_state(transport, layout, interpreter).running:
        return f"was running already: {verify(transport, port, release)}"
    transport.run(script(units.start(layout, interpreter)), ACTIVATE_SECONDS).checked(
        f"{transport.name}: does not start"
    )
    return verify(transport, port, release)


def restart(transport: Transport, layout: Layout, interpreter: str, port: int) -> str:
    release = current_release(transport, layout)
    text = script(units.restart(layout, interpreter))
    transport.run(text, ACTIVATE_SECONDS).checked(f"{transport.name}: does not start again")
    return verify(transport, port, release)


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


def push_config(transport: Transport, layout: Layout, target: Target) -> str:
    """Give a running engine the target's config: judged by the release's own code on the host, then adopted whole,
    then signalled. The one before is kept as ``.previous``. Raises ConfigRefused, and then nothing has changed."""
    release = current_release(transport, layout)
    environment, values = read_environment(target)
    settings = read_settings(target, values)
    candidate = layout.release(release, "configs", "candidate.yaml")
    transport.put(settings.text.encode(), candidate, 0o640, ASK_SECONDS)
    check = python.check_config(layout, release, from_host=environment is None, config="candidate.yaml")
    owner = script(f"chgrp {q(layout.user)} {q(candidate)}") if layout.user else ""
    result = transport.run(script(owner, check), CHECK_SECONDS, environment or b"")
    if result.rc:
        transport.run(f"rm -f {q(candidate)}", ASK_SECONDS)
        said = result.err.strip() or result.out.strip()
        raise ConfigRefused(f"{transport.name}: the running release refuses this config: {said}")
    return _adopt(transport, layout, candidate)


def _adopt(transport: Transport, layout: Layout, candidate: str) -> str:
    live, previous = q(layout.config), q(layout.config + ".previous")
    text = script(
        f"if cmp -s {q(candidate)} {live}; then rm -f {q(candidate)}; echo same; exit 0; fi",
        f"cp -p {live} {previous}",
        f"mv -f {q(candidate)} {live}",
        "echo new",
    )
    said = transport.run(text, ASK_SECONDS).checked(f"{transport.name}: cannot put the config in its place").out
    return said.strip()


def take_back_config(transport: Transport, layout: Layout) -> None:
    """The config before the last one becomes the live one again, and the live one the previous."""
    live, previous, swap = q(layout.config), q(layout.config + ".previous"), q(layout.config + ".swap")
    text = script(
        f"[ -e {previous} ] || {{ echo 'there is no previous config' >&2; exit 7; }}",
        f"cp -p {live} {swap}",
        f"mv -f {previous} {live}",
        f"mv -f {swap} {previous}",
    )
    result = transport.run(text, ASK_SECONDS)
    if result.rc == Refused.exit_code:
        raise Refused(f"{transport.name}: there is no previous config to go back to")
    result.checked(f"{transport.name}: cannot take the config back")


def signal_reload(transport: Transport, layout: Layout, interpreter: str) -> None:
    text = units.reload(layout, interpreter)
    transport.run(text, ASK_SECONDS).checked(f"{transport.name}: the engine cannot be signalled")
