"""The backups in one folder: when each was made, of which host, and whether its manifest can be read."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmctl.fleet.errors import OperatorError
from mmctl.vault.archive import SUFFIX, peek

_NAME = re.compile(rf"(?P<what>.+)-(?P<moment>\d{{8}}T\d{{6}}Z){re.escape(SUFFIX)}(\.age)?\Z")


@dataclass(frozen=True, slots=True)
class Shelved:
    """One backup file. ``problem`` is empty when its manifest can be read, or is encrypted and no key was given."""

    file: Path
    host: str  # from the manifest; of an encrypted one, target and host as the name says them
    made: str  # UTC, ISO 8601
    bytes: int
    release: str
    problem: str

    @property
    def age_s(self) -> float:
        return time.time() - datetime.fromisoformat(self.made).timestamp()


def shelf(folder: Path, identity: Path | None = None) -> list[Shelved]:
    """Every backup in ``folder``, newest first. Files with other names are not ours and are left out."""
    found: list[Shelved] = []
    for file in folder.glob(f"*{SUFFIX}*") if folder.is_dir() else ():
        match = _NAME.match(file.name)
        if match is None or not file.is_file():
            continue
        moment = datetime.strptime(match["moment"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        host, release, problem = match["what"], "", ""
        if not file.name.endswith(".age") or identity is not None:
            try:
                manifest = peek(file, identity)
                host, release, moment = manifest.host, manifest.release, manifest.moment
            except OperatorError as error:
                problem = error.what
        elif file.stat().st_size == 0:
            problem = "it is empty"
        found.append(Shelved(file, host, moment.isoformat(), file.stat().st_size, release, problem))
    return sorted(found, key=lambda item: (item.made, item.file.name), reverse=True)


def newest_of_each_host(items: Sequence[Shelved]) -> list[Shelved]:
    """The first item of each host; ``items`` are newest first."""
    first: dict[str, Shelved] = {}
    for item in items:
        first.setdefault(item.host, item)
    return list(first.values())
