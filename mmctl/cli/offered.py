"""What the shell can offer for an argument, from files here: targets, hosts, releases, files, names of secrets.

Whatever cannot be read offers nothing; completing a line never ends in an error.
"""

import json
import os
import re
from pathlib import Path

import typer

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.inventory import Fleet, load_fleet

#: So much of the end of the operator's trail is looked through for releases, bytes.
TAIL_BYTES = 262_144
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


def _fleet() -> Fleet | None:
    try:
        return load_fleet()
    except (OperatorError, OSError):
        return None


def targets(incomplete: str) -> list[str]:
    """Targets, and TARGET:HOST after a colon."""
    fleet = _fleet()
    known = fleet.targets if fleet is not None else {}
    name, colon, _ = incomplete.partition(":")
    if colon and name in known:
        return [word for host in known[name].hosts if (word := f"{name}:{host.name}").startswith(incomplete)]
    return [word for word in known if word.startswith(incomplete)]


def configs(incomplete: str) -> list[str]:
    """Targets, and the fleet file with the configurations it names."""
    fleet = _fleet()
    files = [] if fleet is None or fleet.file is None else [fleet.file, *(t.config for t in fleet.targets.values())]
    names = dict.fromkeys(_short(file) for file in files if file.is_file())
    return targets(incomplete) + [name for name in names if name.startswith(incomplete)]


def _short(file: Path) -> str:
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def releases(context: typer.Context, incomplete: str) -> list[str]:
    """Releases that this operator deployed to the target on the line, the newest first."""
    from mmctl.ledger.audit import own_trail

    wanted = _target_on(context)
    try:
        with open(own_trail(), "rb") as trail:
            trail.seek(max(0, trail.seek(0, 2) - TAIL_BYTES))
            lines = trail.read().split(b"\n")
    except OSError:
        return []
    found: dict[str, None] = {}
    for line in reversed(lines):
        try:
            entry = json.loads(line)
            of, release = str(entry["target"]).partition(":")[0], entry["release"]
        except (ValueError, KeyError, TypeError):
            continue
        if entry.get("phase") == "done" and isinstance(release, str) and wanted in ("", of):
            found[release] = None
    return [release for release in found if release.startswith(incomplete)]


def _target_on(context: typer.Context) -> str:
    """The target on the line; empty where there is none. What stands before an option without a value is not parsed."""
    given = context.params.get("target")
    if given:
        return str(given).partition(":")[0]
    fleet = _fleet()
    known = fleet.targets if fleet is not None else {}
    words = os.environ.get("_TYPER_COMPLETE_ARGS", "").split()[2:]
    return next((name for word in words if (name := word.partition(":")[0]) in known), "")


def secret_names(context: typer.Context, incomplete: str) -> list[str]:
    """The variables that the target's configuration names."""
    fleet = _fleet()
    if fleet is None:
        return []
    try:
        text = fleet.target(str(context.params.get("target") or "") or None).config.read_text(encoding="utf-8")
    except (OperatorError, OSError, UnicodeDecodeError):
        return []
    return [name for name in sorted(set(VARIABLE.findall(text))) if name.startswith(incomplete)]
