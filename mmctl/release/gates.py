"""The gates a target's releases are held to: its own file beside its config, else the shipped one."""

from pathlib import Path

from engine.catalogue import METRICS
from engine.metric import Type
from mmctl.fleet.errors import ConfigRefused
from mmctl.fleet.inventory import Target
from mmctl.release.assets import asset
from mmctl.watch.gates import GatesFile, GatesWrong, parse

GATES = "gates.yaml"


def gates_path(target: Target, project: Path | None = None) -> Path:
    """The file whose gates hold for ``target``."""
    beside = target.config.parent / GATES
    return beside if beside.is_file() else asset(f"configs/{GATES}", project)


def read_gates(path: Path) -> tuple[str, GatesFile]:
    """A gates file's text and rules. Raises ConfigRefused with every fault, each with file:line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigRefused(f"cannot read the gates {path}: {why}", "name another file with --gates") from None
    try:
        return text, parse(text, str(path), {metric.name for metric in METRICS if metric.type is Type.GAUGE})
    except GatesWrong as wrong:
        raise ConfigRefused(str(wrong), "docs/deployment/GUARD.md names every key") from None
