"""What is checked before a deploy, here and on every host, all of it at once; changes nothing."""

import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmctl.client.site import site_of
from mmctl.fleet.accounts import obstacle, seats
from mmctl.fleet.errors import CONFIG, REFUSED, OperatorError
from mmctl.fleet.inventory import Fleet, Host, Target
from mmctl.fleet.login import home
from mmctl.fleet.parallel import on_each
from mmctl.fleet.transport import Transport
from mmctl.ledger.lock import holder, read_state
from mmctl.release import facts as reading
from mmctl.release.assets import asset
from mmctl.release.desired import Settings, read_environment, read_settings
from mmctl.release.exchange import Finding, ask
from mmctl.release.facts import Facts
from mmctl.release.kept import look
from mmctl.release.lock import parse_lock
from mmctl.remote import ports as ports_of
from mmctl.remote.beside import ENGINE
from mmctl.remote.layout import Layout, layout_of

HOST_SECONDS = 60.0
#: What a host says of a port that the engine's own service listens on.
OURS = "ours"
# A first deploy needs about this much: wheels and the environment made from them, in MB.
FIRST_DEPLOY_MB = 150
SPARE_HERE_MB = 500


@dataclass(frozen=True)
class Check:
    """One line of the report. ``where`` is "here" or a host; ``exit_code`` what a failure ends the run with."""

    where: str
    name: str
    ok: bool
    detail: str
    exit_code: int = REFUSED


def check_here(fleet: Fleet, target: Target) -> tuple[list[Check], dict[str, Settings]]:
    """The operator's side: Python, disk, lock file, accounts, config, secrets and keys; each host's settings."""
    settings: dict[str, Settings] = {}
    own = {host.name: target.on(host) for host in target.hosts}

    def config(name: str) -> str:
        environment, values = read_environment(own[name])
        settings[name] = read_settings(own[name], values)
        shown = "with the host's own secrets" if environment is None and not target.local else "with its secrets"
        return f"{target.config}: right, {shown}"

    checks = [
        _check("python", _python_here),
        _check("disk", _disk_here),
        _check("lock file", _lock_here),
        _check("accounts", lambda: _accounts(fleet, target)),
    ]
    several = len({at.env_file for at in own.values()}) > 1
    for name in own if several else list(own)[:1]:
        checks.append(_check(f"config of {name}" if several else "config", lambda name=name: config(name)))  # type: ignore[misc]
    if not several:
        settings = dict.fromkeys(own, *settings.values()) if settings else {}
    for file in dict.fromkeys(at.env_file for at in own.values() if at.env_file is not None):
        checks.append(_check("secrets file", lambda file=file: _private(file)))  # type: ignore[misc]
    for key in sorted({host.key for host in target.hosts if host.key}):
        checks.append(_check("ssh key", lambda key=key: _private(Path(key))))  # type: ignore[misc]
    if not target.local:
        checks += [_check(f"host key of {host.name}", lambda host=host: _pinned(host)) for host in target.hosts]  # type: ignore[misc]
    return checks, settings


def _accounts(fleet: Fleet, target: Target) -> str:
    """One engine an account, of the account and environment that the fleet file names."""
    error = obstacle(fleet, target)
    if error is not None:
        raise error
    named = dict.fromkeys(f"{one.account} ({one.environment})" for one in seats(target))
    return f"{', '.join(named)}: one host each"


def _check(name: str, act: Callable[[], str], where: str = "here") -> Check:
    try:
        return Check(where, name, True, act())
    except OperatorError as error:
        code = error.exit_code if error.exit_code != 1 else REFUSED
        return Check(where, name, False, error.what, code)


def _refuse(what: str) -> None:
    raise OperatorError(what)


def _python_here() -> str:
    if not reading.MIN_PYTHON <= sys.version_info[:2] <= reading.MAX_PYTHON:
        _refuse(f"Python {sys.version.split()[0]}; 3.11 to 3.13 is needed")
    return sys.version.split()[0]


def _disk_here() -> str:
    free = shutil.disk_usage(home()).free // 1_000_000
    if free < SPARE_HERE_MB:
        _refuse(f"{free} MB are free; {SPARE_HERE_MB} MB are needed for the wheelhouse")
    return f"{free} MB free"


def _lock_here() -> str:
    return f"{len(parse_lock(asset('requirements.lock').read_text()))} pins, all with digests"


def _private(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        _refuse(f"{path} can be read by others (mode {mode:04o}); chmod 600 it")
    return f"{path}, mode {mode:04o}"


def _pinned(host: Host) -> str:
    if host.pins:
        return f"{len(host.pins)} pinned"
    if host.known_hosts is None or not host.known_hosts.is_file():
        _refuse(f"no key of {host.address} is pinned, and there is no known_hosts file")
    return f"by {host.known_hosts}"


def check_hosts(target: Target, transports: Mapping[str, Transport], ports: Mapping[str, int]) -> list[Check]:
    """Every host: reached, trusted, fit for a release, not locked by another, heard by the exchange with its key."""
    layout = layout_of(target)
    outcomes = on_each(transports, lambda name, t: _ask(t, layout, ports[name], target.at_host(name)), HOST_SECONDS)
    checks: list[Check] = []
    for name, outcome in outcomes.items():
        if outcome.value is None:
            error = outcome.error
            code = error.exit_code if isinstance(error, OperatorError) else CONFIG
            checks.append(Check(name, "connection", False, str(error), code))
            continue
        facts, lock, findings = outcome.value
        python = ".".join(map(str, facts.python or ())) or "no python3"
        about = f"{facts.kernel} {facts.machine}, Python {python}, systemd {facts.systemd or 'none'}"
        checks.append(Check(name, "connection", True, f"{outcome.seconds:.2f} s"))
        reasons = reading.obstacles(
            facts, layout, FIRST_DEPLOY_MB if layout.managed else 1, bool(facts.envs), ports[name]
        )
        fit = f"{about}, {facts.memory_mb} MB memory, {facts.disk_mb} MB disk, clock {facts.clock_offset:+.2f} s"
        checks.append(Check(name, "fit for a release", not reasons, "; ".join(reasons) or fit))
        checks.append(Check(name, "lock", not lock, lock or "free"))
        checks += [Check(name, found.name, found.ok, found.detail, found.exit_code) for found in findings]
    return checks


def metrics_clash(port: int, held: str) -> str:
    """Why the engine cannot serve its metrics on ``port``: the program that ``held`` names is there. "" where it can.

    The usual one is Prometheus itself, which is the engine's neighbour on a small installation and listens on 9090 as
    long as nobody moves it.
    """
    if held in ("", OURS):
        return ""
    moved = "`mmctl monitoring push` moves it to 9091" if held == "prometheus" else f"stop {held}"
    return (
        f"port {port} of the engine's metrics (monitoring.prometheus_port) is taken by {held}: {moved}, or give the"
        " engine another port"
    )


def _metrics_port(transport: Transport, layout: Layout, target: Target) -> Finding | None:
    """Whether the port of the metrics is free; None where they have none of their own."""
    site = site_of(target)
    if site.metrics_port == site.port:
        return None
    asked = transport.run(ports_of.holder(layout, site.metrics_port, ENGINE), HOST_SECONDS)
    fault = metrics_clash(site.metrics_port, asked.checked(f"{transport.name}: cannot read its ports").out.strip())
    return Finding("metrics port", not fault, fault or f"{site.metrics_port} is free, or the engine's own")


def _ask(transport: Transport, layout: Layout, port: int, target: Target) -> tuple[Facts, str, list[Finding]]:
    import json

    facts = reading.gather(transport, layout, port)
    state = read_state(transport, layout)
    findings = _exchange(transport, layout, target, facts)
    metrics = _metrics_port(transport, layout, target)
    findings += [metrics] if metrics is not None else []
    return facts, holder(json.dumps(state.record)) if state.held else "", findings


def _exchange(transport: Transport, layout: Layout, target: Target, facts: Facts) -> list[Finding]:
    if facts.python is None:
        return [Finding("exchange", False, "not asked: the host has no python3")]
    try:
        _, values = read_environment(target, look(transport, layout).own)
    except OperatorError as error:
        return [Finding("exchange", False, f"not asked: {error.what}", error.exit_code)]
    return ask(transport, layout, target, values)
