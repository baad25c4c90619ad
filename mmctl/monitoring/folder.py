"""A folder of monitoring files: written whole, compared with what would be written, judged."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmctl.fleet.errors import OperatorError
from mmctl.monitoring import alerting
from mmctl.monitoring.lint import judge

ANEW = "`mmctl monitoring render` writes it anew; what is wanted otherwise belongs in mmctl/monitoring"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file: ``path`` below the folder, and what to do next."""

    path: str
    message: str
    next_step: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f"\n  {self.next_step}" if self.next_step else "")


def write(folder: Path, made: Mapping[str, str]) -> list[str]:
    """Write the files that differ, each complete or not at all; returns their paths. Raises OperatorError."""
    changed = []
    for path, text in made.items():
        file = folder / path
        try:
            if file.is_file() and file.read_bytes() == text.encode():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=file.parent, prefix=".part-", delete=False, encoding="utf-8"
            ) as part:
                try:
                    part.write(text)
                    part.flush()
                    os.chmod(part.name, 0o644)
                    os.replace(part.name, file)
                except OSError:
                    Path(part.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise OperatorError(
                f"cannot write {file}: {error.strerror}", "see that the folder can be written"
            ) from None
        changed.append(path)
    return changed


def differences(folder: Path, made: Mapping[str, str]) -> Iterator[Fault]:
    """Where the folder is not what would be written: missing, edited by hand, or of another version."""
    for path, text in made.items():
        file = folder / path
        try:
            there = file.read_bytes()
        except FileNotFoundError:
            yield Fault(path, "it is missing", ANEW)
            continue
        except OSError as error:
            yield Fault(path, f"it cannot be read: {error.strerror}")
            continue
        if there != text.encode():
            yield Fault(path, f"line {_first_difference(there, text)} is not what is generated: edited by hand?", ANEW)


def _rules(folder: Path) -> Iterator[Fault]:
    """What is wrong with the rules, each fault with its line: a name nobody exports, an alert that leads nowhere."""
    for file in sorted((folder / "grafana/alerting").glob("*.yml")):
        path = str(file.relative_to(folder))
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield Fault(path, f"it cannot be read: {error}")
            continue
        yield from (Fault(path, fault.removeprefix(f"{path}:")) for fault in alerting.faults(text, path))


def _first_difference(there: bytes, text: str) -> int:
    have, want = there.decode("utf-8", "replace").splitlines(), text.splitlines()
    same = next((i for i, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), min(len(have), len(want)))
    return same + 1


def judged(folder: Path) -> Iterator[Fault]:
    """Every fault of the rules and the dashboards in the folder, also of those that others put there."""
    yield from _rules(folder)
    found = sorted((folder / "grafana/dashboards").glob("*.json"))
    if not found:
        yield Fault("grafana/dashboards", "there is no dashboard", "`mmctl monitoring render` writes them")
    uids: dict[str, str] = {}
    for file in found:
        path = str(file.relative_to(folder))
        try:
            board = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            yield Fault(path, f"it is no JSON: {error}", ANEW)
            continue
        if not isinstance(board, dict):
            yield Fault(path, "it is no dashboard", ANEW)
            continue
        first = uids.setdefault(str(board.get("uid")), path)
        if first != path:
            yield Fault(path, f"its uid is that of {first}", ANEW)
        yield from (Fault(path, str(finding)) for finding in judge(board))
