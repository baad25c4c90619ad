"""The backups in one folder: when each was made, of which host, and whether somebody known here vouches for it.

All of that is read from what is signed in the file. Its name and the times of the file system decide nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmctl.ledger import signature
from mmctl.vault import envelope
from mmctl.vault.archive import ENCRYPTED, SUFFIX, peek_older
from mmctl.vault.envelope import BackupError, NotAuthenticated

PLAIN = "it is not encrypted, and others beside it are"


@dataclass(frozen=True, slots=True)
class Shelved:
    """One backup file. ``problem`` is empty when a key trusted here signed it and it is as long as it says; then, and
    for an older one that was asked for, ``made`` is known. ``encrypted``: as far as it is known."""

    file: Path
    target: str
    host: str
    made: str  # UTC, ISO 8601; empty = not known
    bytes: int
    release: str
    encrypted: bool
    problem: str

    @property
    def age_s(self) -> float | None:
        """Seconds since it was made; None where it does not say."""
        return time.time() - datetime.fromisoformat(self.made).timestamp() if self.made else None


def shelf(folder: Path, identity: Path | None = None, *, accept: bool = False) -> list[Shelved]:
    """Every backup in ``folder``, newest first, those of unknown age last.

    ``accept``: believe what unauthenticated ones say of themselves. Files with other names are not ours.
    """
    trusted = signature.trusted()
    files = sorted({*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{ENCRYPTED}")}) if folder.is_dir() else []
    found = [_one(file, identity, trusted, accept) for file in files if file.is_symlink() or file.is_file()]
    return sorted(found, key=lambda item: (item.made, item.file.name), reverse=True)


def _one(file: Path, identity: Path | None, trusted: dict[str, str], accept: bool) -> Shelved:
    try:
        size = file.stat().st_size
        if file.is_symlink():
            return Shelved(file, "", "", "", size, "", False, "it is a symbolic link")
        opened = envelope.look(file, trusted)
    except NotAuthenticated as error:
        return _older(file, size, identity, error.what, accept)
    except BackupError as error:
        return Shelved(file, "", "", "", size, "", False, error.what)
    except OSError as error:
        return Shelved(file, "", "", "", 0, "", False, f"it cannot be read: {error.strerror}")
    what = opened.envelope
    problem = "" if opened.trusted or accept else envelope.stranger(opened, file.name).what
    return Shelved(file, what.target, what.host, what.made, size, what.release, what.encrypted, problem)


def _older(file: Path, size: int, identity: Path | None, problem: str, accept: bool) -> Shelved:
    if not accept:
        return Shelved(file, "", "", "", size, "", file.name.endswith(ENCRYPTED), problem)
    try:
        manifest = peek_older(file, identity)
    except BackupError as error:
        return Shelved(file, "", "", "", size, "", False, error.what)
    sealed = file.name.endswith(ENCRYPTED)
    return Shelved(file, manifest.target, manifest.host, manifest.made, size, manifest.release, sealed, "")


def too_old(items: Sequence[Shelved], max_age_s: float) -> list[Shelved]:
    """Of each host the newest sound item, where it is older than ``max_age_s``; ``items`` are newest first."""
    newest = [item for item in newest_of_each_host(items) if not item.problem]
    return [item for item in newest if item.age_s is not None and item.age_s > max_age_s]


def newest_of_each_host(items: Sequence[Shelved]) -> list[Shelved]:
    """The newest sound item of each host, and where a host has none, its first; ``items`` are newest first."""
    first: dict[tuple[str, str], Shelved] = {}
    for item in items:
        known = first.get((item.target, item.host))
        if known is None or (known.problem and not item.problem):
            first[item.target, item.host] = item
    return list(first.values())
