"""What is different between two backups, by their manifests. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmctl.vault.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths by what became of them, and by table the rows before and after; only tables that differ."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    rows: Mapping[str, tuple[int, int]]
    schema: tuple[str, str] | None = None

    @property
    def none(self) -> bool:
        """Whether the two hold the same."""
        return not (self.added or self.removed or self.changed or self.rows or self.schema)


def compare(old: Manifest, new: Manifest) -> Difference:
    """From ``old`` to ``new``."""
    before, after = ({entry.path: entry.sha256 for entry in manifest.files} for manifest in (old, new))
    tables = sorted({*old.rows, *new.rows})
    rows = {name: (old.rows.get(name, 0), new.rows.get(name, 0)) for name in tables}
    schemas = (old.journal_schema, new.journal_schema)
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(path for path in before.keys() & after.keys() if before[path] != after[path])),
        rows={name: pair for name, pair in rows.items() if pair[0] != pair[1]},
        schema=schemas if schemas[0] != schemas[1] else None,
    )
