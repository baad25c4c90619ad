"""Where things are on a target's hosts: port, log, journal and account, as the target's configuration says.

Read leniently: an operator must be able to look at, and to stop, an engine whose configuration no longer loads.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from engine.config.document import read
from engine.config.environment import parse
from engine.config.values import Duration
from mmctl.fleet.inventory import DEFAULT_API_PORT, Target
from mmctl.remote.layout import Layout, layout_of

#: As in the schema: where the configuration does not say how long backups are kept.
DEFAULT_KEEP_DAYS = 30
#: As in the schema: a newest copy older than this is told.
DEFAULT_MAX_AGE_S = 26 * 3600.0


@dataclass(frozen=True, slots=True)
class BackupRules:
    """The configuration's section ``backup``. ``directory`` is on the host itself."""

    directory: str
    keep_days: int = DEFAULT_KEEP_DAYS
    recipients: tuple[str, ...] = ()
    max_age_s: float = DEFAULT_MAX_AGE_S
    repository: str = ""  # a restic repository's address; empty = files in ``directory``
    env_file: str = ""  # with its password, where restic runs


@dataclass(frozen=True, slots=True)
class Site:
    """Absolute paths on the host. No ``log``: only the service manager has it. No ``journal``: it is not SQLite."""

    layout: Layout
    port: int
    log: str | None
    journal: str | None
    data_dir: str  # the engine's data
    accounts: tuple[str, ...]  # names that ``--confirm`` accepts: the fleet's first, then the configuration's
    backups: BackupRules
    metrics_port: int = DEFAULT_API_PORT  # of the listener that Prometheus reads
    listens: str = "127.0.0.1"  # the address it is bound to

    @property
    def python(self) -> str:
        """The interpreter of the release that is current."""
        return self.layout.at("current", "venv", "bin", "python")

    @property
    def launcher(self) -> str:
        """Runs a module of the current release with its own environment: ``launcher MODULE ARGUMENT...``."""
        return self.layout.at("current", "bin", "run")


def site_of(target: Target) -> Site:
    """The site of ``target``; what its configuration does not say, or cannot, takes the schema's default."""
    layout = layout_of(target)
    data = _config(target)
    at = PurePosixPath(layout.at("shared"))  # the engine's working directory
    data_dir = at / str(_of(data, "data_dir") or "data")
    port = _port(target.api_port or _of(data, "monitoring", "port")) or DEFAULT_API_PORT
    return Site(
        layout=layout,
        port=port,
        log=_log(data, layout, at),
        journal=_journal(_of(data, "store", "url"), data_dir, at),
        data_dir=str(data_dir),
        accounts=tuple(dict.fromkeys(str(a) for a in (target.account, _of(data, "exchange", "account")) if a)),
        backups=_backups(data, data_dir, at),
        metrics_port=_port(_of(data, "monitoring", "prometheus_port")) or port,
        listens=str(_of(data, "monitoring", "host") or "127.0.0.1"),
    )


def _port(given: Any) -> int:
    """A port as the file has it (out of the environment it is text); 0 where there is none."""
    text = str(given or "")
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def settings(target: Target, section: str) -> Mapping[str, Any]:
    """A section of ``target``'s configuration as this machine holds it; empty where it has none, or cannot be read."""
    found = _of(_config(target), section)
    return found if isinstance(found, Mapping) else {}


def _backups(data: Mapping[str, Any], data_dir: PurePosixPath, at: PurePosixPath) -> BackupRules:
    directory = _of(data, "backup", "directory")
    keep = _of(data, "backup", "keep_days") or _of(data, "backup", "keep")
    recipients = _of(data, "backup", "recipients")
    return BackupRules(
        str(at / str(directory)) if directory else str(data_dir / "backups"),
        keep if isinstance(keep, int) and keep > 0 else DEFAULT_KEEP_DAYS,
        tuple(str(key) for key in recipients) if isinstance(recipients, list) else (),
        _seconds(_of(data, "backup", "max_age")),
        str(_of(data, "backup", "repository") or ""),
        str(_of(data, "backup", "env_file") or ""),
    )


def _seconds(written: Any) -> float:
    """A duration as the file has it; the schema's own where it has none that can be read."""
    try:
        return Duration.parse(written).seconds
    except (TypeError, ValueError):
        return DEFAULT_MAX_AGE_S


def _config(target: Target) -> Mapping[str, Any]:
    try:
        text = target.config.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    variables = _variables(target)
    return read(text, str(target.config), lambda name: variables.get(name, os.environ.get(name))).data


def _variables(target: Target) -> dict[str, str]:
    """The environment file's values, as far as it can be read; they only ever fill in the configuration."""
    try:
        return parse(target.env_file.read_bytes()).values if target.env_file else {}
    except (OSError, ValueError):
        return {}


def _of(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _log(data: Mapping[str, Any], layout: Layout, at: PurePosixPath) -> str | None:
    outputs, path = _of(data, "logging", "outputs"), _of(data, "logging", "file_path")
    if isinstance(outputs, list) and "file" in outputs and path:
        return str(at / str(path))
    return None if layout.managed else f"{layout.logs}/engine.out"


def _journal(url: Any, data_dir: PurePosixPath, at: PurePosixPath) -> str | None:
    if not url:
        return str(data_dir / "journal.db")
    text = str(url)
    return str(at / text.removeprefix("sqlite:///")) if text.startswith("sqlite:///") else None
