"""Brings the files to the monitoring host: checked, switched in one step, loaded, proved; else all is put back."""

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mmctl.fleet.errors import (
    ROLLED_BACK,
    ConfigRefused,
    DeadlineExceeded,
    OperatorError,
    Refused,
    Unproved,
)
from mmctl.fleet.transport import Transport
from mmctl.monitoring.hosting import ALERTMANAGER_FILE, ALERTMANAGER_UNIT, PROMETHEUS_UNIT
from mmctl.monitoring.loaded import Loaded, routes_differ
from mmctl.monitoring.plan import RELAY_PORT
from mmctl.monitoring.relay.files import CHANNELS, wanted
from mmctl.monitoring.send.ask import ask, on_host
from mmctl.remote import monitoring as remote
from mmctl.remote.layout import Layout

CALL_SECONDS: Final = 30.0
#: A Prometheus that starts reads its own log of what it had in memory first.
READY_SECONDS: Final = 120.0
#: Alertmanager reads what was told and silenced first.
ALERTMANAGER_SECONDS: Final = 30.0
#: The relay imports a few modules and listens.
RELAY_SECONDS: Final = 20.0
#: Restarted where they run and their files are others: Grafana for its data source.
FOLLOWERS: Final = (remote.GRAFANA_UNIT,)
#: The oldest Python that the relay runs on.
PYTHON: Final = (3, 11)
SHA_LENGTH: Final = 12
INSTALL: Final = "on Debian: apt-get install prometheus prometheus-alertmanager (docs/deployment/MONITORING.md)"

Progress = Callable[[str], None]


class PutBack(OperatorError):
    """The new files did not come up; those of before are loaded again."""

    exit_code = ROLLED_BACK


@dataclass(frozen=True, slots=True)
class Ground:
    """What the host has."""

    current: str
    alertmanager: bool
    grafana: bool
    port: int | None = None  # where its Prometheus listens by our drop-in, if it has it
    relay: bool = False  # whether there is anything to carry
    relay_runs: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: the files' id, whether they were there already, and which services were told."""

    release: str
    unchanged: bool
    told: tuple[str, ...]


def sha_of(files: Mapping[str, str]) -> str:
    """The id of the files' content."""
    digest = hashlib.sha256()
    for path, text in sorted(files.items()):
        digest.update(path.encode() + b"\0" + text.encode() + b"\0")
    return digest.hexdigest()[:SHA_LENGTH]


def tar_of(files: Mapping[str, str]) -> bytes:
    """The files as a tar stream, all readable by everyone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as stream:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o644
            stream.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def survey(transport: Transport, layout: Layout, files: Mapping[str, str]) -> Ground:
    """What is on the host. Raises Refused where it cannot take the files, with every reason."""
    said = transport.run(remote.facts(layout), CALL_SECONDS).checked(f"{transport.name}: cannot be looked at").out
    fact = dict(line.partition("=")[::2] for line in said.splitlines())
    wants_alertmanager = ALERTMANAGER_FILE in files
    reasons = []
    if fact.get("uid") != "0":
        reasons.append("we are not root there; log in as root, or write `become: true`")
    needed = [("prometheus", "prometheus"), ("promtool", "prometheus")]
    needed += [("prometheus-alertmanager", "alertmanager"), ("amtool", "alertmanager")] if wants_alertmanager else []
    reasons += [f"{program} is not installed" for program, _ in needed if fact.get(program) != "yes"]
    units = [("prometheus_unit", PROMETHEUS_UNIT)]
    units += [("alertmanager_unit", ALERTMANAGER_UNIT)] if wants_alertmanager else []
    reasons += [f"there is no service {unit}" for key, unit in units if fact.get(key) != "loaded"]
    relay = wanted(files)
    if relay and tuple(int(part) for part in fact.get("python", "").split()) < PYTHON:
        reasons.append(f"there is no /usr/bin/python3 of {'.'.join(map(str, PYTHON))} or newer, which the relay needs")
    if reasons:
        raise Refused(f"{transport.name}: {'; '.join(reasons)}: nothing was changed", INSTALL)
    port = fact.get("port", "")
    return Ground(
        fact.get("current", ""), wants_alertmanager, fact.get("grafana") == "yes",
        int(port) if port.isdigit() else None, relay, fact.get("relay") == "active",
    )  # fmt: skip


def push(transport: Transport, layout: Layout, files: Mapping[str, str], loaded: Loaded, progress: Progress) -> Pushed:
    """Put ``files`` on the host and prove that they are loaded. ``loaded`` asks the host's Prometheus.

    Raises Refused or ConfigRefused where nothing was changed, PutBack where the files of before are loaded again, and
    Unproved where neither could be proved.
    """
    ground = survey(transport, layout, files)
    sha = sha_of(files)
    units = (PROMETHEUS_UNIT, *((ALERTMANAGER_UNIT,) if ground.alertmanager else ()))
    same = ground.current.endswith(f"-{sha}") and ground.relay == ground.relay_runs
    if same and not loaded.difference(files) and not (ground.alertmanager and routes_differ(transport, files)):
        return Pushed(ground.current, True, ())
    release = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{sha}"
    progress(f"{transport.name}: {len(files)} files as {release}")
    transport.run(remote.unpack(layout, release), CALL_SECONDS, tar_of(files)).checked(
        f"{transport.name}: cannot store the files"
    )
    check = transport.run(remote.judged(layout, release, ground.alertmanager), CALL_SECONDS)
    if check.rc:
        transport.run(remote.remove(layout, release), CALL_SECONDS)
        said = [line.strip() for line in check.out.splitlines() if "FAILED" in line or "error" in line.lower()]
        reason = "; ".join(said[-3:]) or check.out.strip()
        raise ConfigRefused(
            f"{transport.name}: its own promtool or amtool refuses the files: {reason}",
            "nothing was changed; `mmctl monitoring check` judges them here",
        )
    try:
        told, waiting = _switch(transport, layout, release, units, ground, progress)
        _prove(transport, loaded, files)
        if ground.alertmanager:
            _alertmanager_proved(transport, files)
        if ground.relay:
            _relay_proved(transport, files)
        told += _follow(transport, waiting, progress)
    except OperatorError as error:
        _put_back(transport, layout, release, ground, units, loaded, error)
        raise PutBack(
            f"{transport.name}: {error.what}; the files of before are loaded again",
            f"what {PROMETHEUS_UNIT} said: journalctl -u {PROMETHEUS_UNIT}",
        ) from error
    if not ground.relay:
        transport.run(remote.rest(remote.RELAY_UNIT), CALL_SECONDS).checked(f"{transport.name}: the relay does not end")
    transport.run(remote.prune(layout), CALL_SECONDS)
    return Pushed(release, False, told)


def _switch(
    transport: Transport, layout: Layout, release: str, units: tuple[str, ...], ground: Ground, progress: Progress
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The services that were told, and those that follow when the new files are proved."""
    done = transport.run(remote.activate(layout, release, units, ground.grafana, ground.relay), CALL_SECONDS)
    new = set(done.checked(f"{transport.name}: cannot switch to the files").out.replace("changed ", "").split())
    for unit in units:
        progress(f"{transport.name}: {unit} {'restarts' if unit in new else 'reads its files'}")
        result = transport.run(remote.tell(unit, unit in new), CALL_SECONDS)
        if result.rc:
            words = transport.run(remote.last_words(unit), CALL_SECONDS).out.strip().splitlines()
            result.checked(f"{transport.name}: {unit} does not take them: {words[-1] if words else 'it said nothing'}")
    if remote.RELAY_UNIT in new:
        progress(f"{transport.name}: {remote.RELAY_UNIT} restarts")
        transport.run(remote.tell(remote.RELAY_UNIT, True), CALL_SECONDS).checked(
            f"{transport.name}: {remote.RELAY_UNIT} does not start"
        )
        units = (*units, remote.RELAY_UNIT)
    return units, tuple(unit for unit in FOLLOWERS if unit in new)


def _follow(transport: Transport, units: tuple[str, ...], progress: Progress) -> tuple[str, ...]:
    """Those of ``units`` that ran, and were restarted."""
    told: tuple[str, ...] = ()
    for unit in units:
        done = transport.run(remote.follow(unit), CALL_SECONDS).checked(f"{transport.name}: {unit} does not restart")
        if done.out.strip():
            progress(f"{transport.name}: {unit} restarts: its files are others")
            told = (*told, unit)
    return told


def _prove(transport: Transport, loaded: Loaded, files: Mapping[str, str]) -> None:
    end = time.monotonic() + READY_SECONDS
    while left := loaded.difference(files):
        ended = transport.run(remote.condition(PROMETHEUS_UNIT), CALL_SECONDS).out.strip() == "failed"
        if ended or time.monotonic() > end:
            words = transport.run(remote.last_words(PROMETHEUS_UNIT), CALL_SECONDS).out.strip().splitlines()
            raise Unproved(
                f"Prometheus does not run with the new files: {left}; its last words: {words[-1] if words else 'none'}"
            )
        time.sleep(0.3)


def _alertmanager_proved(transport: Transport, files: Mapping[str, str]) -> None:
    """Alertmanager runs with the routes of ``files``. Raises Unproved with its last words where it does not."""
    end = time.monotonic() + ALERTMANAGER_SECONDS
    while left := routes_differ(transport, files):
        if time.monotonic() > end:
            words = transport.run(remote.own_words(ALERTMANAGER_UNIT), CALL_SECONDS).out.strip()
            raise Unproved(f"Alertmanager does not run with the new files: {left}; its last words: {words or 'none'}")
        time.sleep(0.3)


def _relay_proved(transport: Transport, files: Mapping[str, str]) -> None:
    """The relay answers, with the channels of ``files``. Raises Unproved with its last words where it does not."""
    channels = list(json.loads(files[CHANNELS])["channels"])
    relay, end = on_host(transport, RELAY_PORT), time.monotonic() + RELAY_SECONDS
    while True:
        try:
            health = ask(relay, "/health?always=200", CALL_SECONDS)
            if isinstance(health, dict) and health.get("channels") == channels:
                return
        except OperatorError:
            pass  # it is starting, or it has ended: its own words say why
        if time.monotonic() > end:
            words = transport.run(remote.own_words(remote.RELAY_UNIT), CALL_SECONDS).out.strip()
            raise Unproved(f"the alert relay does not run with its channels; its last words: {words or 'none'}")
        time.sleep(0.3)


def _put_back(
    transport: Transport,
    layout: Layout,
    release: str,
    ground: Ground,
    units: tuple[str, ...],
    loaded: Loaded,
    error: OperatorError,
) -> None:
    """Everything as it was before, told to the services. Raises Unproved where Prometheus is not ready then."""
    try:
        transport.run(remote.take_back(layout, release, ground.current, units), CALL_SECONDS).checked("cannot undo")
        for unit in units:
            transport.run(remote.tell(unit, True), CALL_SECONDS)
        transport.run(remote.tell_if_there(remote.RELAY_UNIT), CALL_SECONDS)
        end = time.monotonic() + READY_SECONDS
        before = Loaded(transport, ground.port or loaded.port)
        while ground.current and not before.ready():
            if time.monotonic() > end:
                raise DeadlineExceeded("Prometheus was not ready in time")
            time.sleep(0.3)
        transport.run(remote.remove(layout, release), CALL_SECONDS)
    except OperatorError as second:
        raise Unproved(
            f"{transport.name}: {error.what}; and putting back what was there failed: {second.what}",
            f"look on the host: systemctl status {' '.join(units)}",
        ) from second
