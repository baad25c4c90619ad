"""What a target shall run: one wheel, one config, its units and secrets, under an id made from their content."""

import hashlib
import io
import json
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config.errors import ConfigErrors
from mmctl.client.site import site_of
from mmctl.fleet.accounts import refuse_disagreement
from mmctl.fleet.errors import ConfigRefused, Refused
from mmctl.fleet.inventory import DEFAULT_API_PORT, Target
from mmctl.fleet.login import operator
from mmctl.release.assets import asset
from mmctl.release.build import Built
from mmctl.release.compatible import UNKNOWN, SchemaRange, range_in
from mmctl.release.gates import GATES, gates_path, read_gates
from mmctl.release.lock import Platform
from mmctl.release.origin import revision
from mmctl.release.wheelhouse import Wheel
from mmctl.remote import units
from mmctl.remote.layout import Layout

if TYPE_CHECKING:
    from engine.config.schema import Config

SHA_LENGTH = 12
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
SENTINEL_MODULE = "engine/sentinel.py"
TABLES_MODULE = "engine/store/tables.py"
RECORDER_MODULE = "engine/recorder/__main__.py"


@dataclass(frozen=True)
class Settings:
    """What mmctl needs to know of a config: the port of the engine's listener, the account, and what runs beside it."""

    text: str
    api_port: int
    account: str
    sentinel: bool
    recorder: bool = False
    recorder_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Desired:
    """A release before it has a host. ``environment`` is the secrets' file in its plainest form, which a check reads
    as well; None when the host keeps its own. Never printed."""

    sha: str
    wheel: Wheel
    settings: Settings
    unit_files: dict[str, str]
    host_fleet: str
    environment: bytes | None
    revision: str = ""  # of the sources, for people
    schema: SchemaRange = UNKNOWN  # of the journal, that the wheel can work with
    journal: str = ""  # the journal's path on the host, "" = on a server
    gates: str = ""  # the file that the guard judges it by

    @property
    def variables(self) -> bytes:
        """What a check on the host reads from stdin."""
        return self.environment or b""

    def __repr__(self) -> str:
        return f"Desired(sha={self.sha!r}, wheel={self.wheel.file!r})"

    @property
    def config_sha256(self) -> str:
        """SHA-256 of the configuration's text, in hex."""
        return hashlib.sha256(self.settings.text.encode()).hexdigest()

    @property
    def environment_sha256(self) -> str:
        """SHA-256 of the environment file, in hex; "" where none is to be sent."""
        return hashlib.sha256(self.environment).hexdigest() if self.environment is not None else ""


def release_id(sha: str, now: datetime | None = None) -> str:
    """``<utc>-<sha>``: sorts by time, and the same content has the same end."""
    return f"{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%SZ')}-{sha}"


def read_settings(target: Target, variables: dict[str, str] | None) -> Settings:
    """Read and check the target's config with ``variables`` as the only environment (None: the host's own, unknown
    here, so that only what needs no environment is checked). Raises ConfigRefused with every fault."""
    from engine.config import load_text

    try:
        text = target.config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigRefused(
            f"cannot read the config {target.config}: {reason}", "`mmctl init DIR` writes one"
        ) from None
    refuse_disagreement(target)
    try:
        config = load_text(text, str(target.config), variables or {})
    except ConfigErrors as faults:
        left = [f for f in faults.errors if variables is not None or "environment variable" not in f.message]
        if left:
            raise ConfigRefused("\n".join(str(fault) for fault in left)) from None
        return Settings(text, target.api_port or DEFAULT_API_PORT, target.account, True)
    if config.environment != target.environment:
        raise Refused(
            f"{target.environment_at or target.at or target.name}: environment {target.environment}, but "
            f"{target.config} is for {config.environment} (target {target.name})",
            "a config reaches only the environment it was written for",
        )
    port = target.api_port or config.monitoring.port
    if not port:
        raise ConfigRefused(f"{target.config}: monitoring.port must be a fixed port for a deployed engine")
    return Settings(text, port, config.exchange.account, config.sentinel.enabled, *_recorder(config))


def _recorder(config: "Config") -> tuple[bool, tuple[str, ...]]:
    """Whether it is wanted, and which folders outside ours it writes into."""
    wanted = config.recorder
    paths = (str(config.recordings()), wanted.store or "")
    return wanted.enabled, tuple(path for path in paths if path.startswith("/")) if wanted.enabled else ()


def read_environment(
    target: Target, own: Mapping[str, str] | None = None
) -> tuple[bytes | None, dict[str, str] | None]:
    """The target's secrets: the file for the host, its names and values for the check. ``own``: the host's, which win.

    The host gets the plainest form, without comments: what reads it there, systemd's ``EnvironmentFile=`` and an
    earlier release too, sees the same values. Raises ConfigRefused naming file and line, never a value.
    """
    from engine.config import read_env_file
    from engine.config.environment import render

    if target.env_file is None:
        if not target.local:
            return None, None
        chosen = _named_variables(target) | dict(own or {})
        return render(chosen), chosen
    try:
        values = read_env_file(target.env_file) | dict(own or {})
        return render(values), values
    except ConfigErrors as faults:
        raise ConfigRefused("\n".join(str(fault) for fault in faults.errors)) from None


def refuse_open(file: Path) -> None:
    """Raises Refused for secrets that other users of this machine can read, as ssh does for keys."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return  # reading it says why
    if mode & 0o077:
        raise Refused(f"{file} holds secrets and can be read by others (mode {mode:04o})", f"chmod 600 {file}")


def _named_variables(target: Target) -> dict[str, str]:
    """Where no file is given, on the local target: the operator's own variables, those that the config names."""
    try:
        text = target.config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    names = sorted(set(VARIABLE.findall(text)))
    return {name: os.environ[name] for name in names if name in os.environ}


def describe(
    target: Target, layout: Layout, built: Built, project: Path | None = None, own: Mapping[str, str] | None = None
) -> Desired:
    """Everything the release consists of; ``own``: secrets of the host itself, which win over the target's.

    Raises ConfigRefused for a config that cannot be right anywhere, Refused for secrets that lie open.
    """
    if target.env_file is not None:
        refuse_open(target.env_file)
    environment, values = read_environment(target, own)
    settings = read_settings(target, values)
    with zipfile.ZipFile(built.path) as archive:
        names = archive.namelist()
        if SENTINEL_MODULE not in names:
            settings = replace(settings, sentinel=False)
        if RECORDER_MODULE not in names:
            settings = replace(settings, recorder=False)
        tables = archive.read(TABLES_MODULE).decode("utf-8", "replace") if TABLES_MODULE in names else ""
    wheel = Wheel("mmctl", built.path.name, built.sha256, built.size, built.path)
    if layout.managed:
        files = {n: units.render(asset(f"systemd/{n}", project).read_text(), layout) for n in units.UNIT_FILES}
        files[units.RECORDER] = units.writable(files[units.RECORDER], settings.recorder_paths)
    else:
        files = {"market-maker.json": units.supervised(layout).text()}
    lock = asset("requirements.lock", project).read_bytes()
    parts = [built.content.encode(), settings.text.encode(), lock, units.LAUNCHER.encode()]
    gates = read_gates(gates_path(target, project))[0]
    parts += [f"{name}\0{text}".encode() for name, text in sorted((files | {GATES: gates}).items())]
    sha = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:SHA_LENGTH]
    fleet = _host_fleet(target, layout, settings)
    journal = site_of(target).journal or ""
    return Desired(sha, wheel, settings, files, fleet, environment, revision(project), range_in(tables), journal, gates)


def _host_fleet(target: Target, layout: Layout, settings: Settings) -> str:
    """The fleet as seen from the host itself: one target, this machine; what the timers' verbs use."""
    here: dict[str, Any] = {
        "transport": "local", "managed": layout.managed, "root": layout.root, "environment": target.environment,
        "account": target.account, "config": layout.config, "api_port": settings.api_port,
    }  # fmt: skip
    return json.dumps({"default": "here", "targets": {"here": here}}, indent=1) + "\n"


def env_key(wheels: tuple[Wheel, ...], platform: Platform) -> str:
    """The name of the shared environment these wheels make with this Python."""
    rows = [f"{wheel.sha256}" for wheel in sorted(wheels)] + [repr(platform)]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def release_files(desired: Desired, release: str, env: str) -> bytes:
    """The release's own small files as a tar stream: launcher, config, units, what it was made from."""
    facts = {
        "release": release, "sha": desired.sha, "wheel": desired.wheel.file, "wheel_sha256": desired.wheel.sha256,
        "env": env, "api_port": desired.settings.api_port, "by": operator(), "revision": desired.revision,
        "schema_oldest": desired.schema.oldest, "schema_newest": desired.schema.newest, "journal": desired.journal,
    }  # fmt: skip
    members = {
        "bin/run": (units.LAUNCHER, 0o755),
        "configs/config.yaml": (desired.settings.text, 0o640),
        f"configs/{GATES}": (desired.gates, 0o644),
        "configs/host.yaml": (desired.host_fleet, 0o640),
        "RELEASE.json": (json.dumps(facts, indent=1) + "\n", 0o644),
    }
    members |= {f"units/{name}": (text, 0o644) for name, text in desired.unit_files.items()}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, (text, mode) in members.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, int(datetime.now(UTC).timestamp())
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()
