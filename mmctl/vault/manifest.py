"""The manifest of a backup: what it holds, with sizes and SHA-256, and what was found when it was verified. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

FORMAT = 1
NAME = "manifest.json"


class BadManifest(ValueError):
    """The manifest cannot be read, or is not one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the backup, by its path inside it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """``rows`` counts the journal's rows by table, as found in the copy right after it was made."""

    target: str
    host: str
    account: str
    made: str  # UTC, ISO 8601
    release: str
    files: tuple[Entry, ...]
    rows: Mapping[str, int] = field(default_factory=dict)
    journal_schema: str = ""
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When the backup was made."""
        return datetime.fromisoformat(self.made)

    def text(self) -> str:
        """The manifest as it lies in the archive (JSON)."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def parse(text: str) -> Manifest:
    """The manifest in ``text``. Raises BadManifest with the reason."""
    try:
        data: Any = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise BadManifest("it is not a manifest of a backup this program can read")
        files = tuple(Entry(str(e["path"]), int(e["bytes"]), str(e["sha256"])) for e in data["files"])
        made = datetime.fromisoformat(data["made"])
        if made.tzinfo is None:
            made = made.replace(tzinfo=UTC)
        rows = {str(table): int(count) for table, count in data["rows"].items()}
        target, host, account, release, schema = (
            str(data[key]) for key in ("target", "host", "account", "release", "journal_schema")
        )
    except BadManifest:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadManifest(f"the manifest is damaged ({type(error).__name__})") from None
    if len({entry.path for entry in files}) != len(files):
        raise BadManifest("the manifest names a file twice")
    for entry in files:
        if entry.bytes < 0:
            raise BadManifest(f"the manifest gives no size of {entry.path}")
        if entry.path.startswith("/") or ".." in entry.path.split("/"):
            raise BadManifest(f"the manifest names a file outside the backup: {entry.path}")
    return Manifest(target, host, account, made.isoformat(), release, files, rows, schema)
