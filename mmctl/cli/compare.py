"""``mmctl backup diff``: two backups side by side, by their manifests."""

from pathlib import Path

from mmctl.cli.reach import target_of
from mmctl.cli.repository import SECONDS
from mmctl.cli.run import Run
from mmctl.fleet.errors import Refused
from mmctl.vault import repository as store
from mmctl.vault.archive import unpacked
from mmctl.vault.compare import Difference, compare
from mmctl.vault.manifest import Manifest
from mmctl.vault.restic import Repository
from mmctl.vault.shelf import shelf

NONE = "there are no two sound backups of one host to compare"


def compare_files(run: Run, target: str, folder: Path, old: str | None, new: str | None, identity: Path | None) -> None:
    """Two backup files: those given, or the two newest sound ones of the host whose backup is the newest."""
    items = [item for item in shelf(folder, identity) if not item.problem and item.target == target]
    later = Path(new) if new else (items[0].file if items else None)
    host = next((item.host for item in items if later and item.file.name == later.name), None)
    older = [item.file for item in items if item.host == host]
    at = next((i for i, file in enumerate(older) if later and file.name == later.name), -1)
    earlier = Path(old) if old else next(iter(older[at + 1 :]), None)
    if later is None or earlier is None:
        raise Refused(NONE, "Name them: --from OLDER --with NEWER.")
    with unpacked(earlier, identity) as (_, before), unpacked(later, identity) as (_, after):
        _tell(run, before.manifest, after.manifest, earlier.name, later.name)


def compare_snapshots(run: Run, wanted: str | None, kept: Repository, old: str | None, new: str | None) -> None:
    """Two snapshots: those given, or the two newest verified ones of the host whose backup is the newest."""
    left = lambda: run.remaining(SECONDS)  # noqa: E731 - the time that is left, asked again at each step
    items = [item for item in store.snapshots(kept, target_of(run, wanted).name, left) if item.verified]
    later = new or (items[0].id if items else None)
    host = next((item.host for item in items if item.id == later), None)
    ids = [item.id for item in items if item.host == host]
    earlier = old or next(iter(ids[ids.index(later) + 1 :] if later in ids else []), None)
    if later is None or earlier is None:
        raise Refused(NONE, "Name them: --from OLDER --with NEWER.")
    manifests = [store.manifest_of(kept, name, left) for name in (earlier, later)]
    _tell(run, manifests[0], manifests[1], earlier, later)


def _tell(run: Run, before: Manifest, after: Manifest, old: str, new: str) -> None:
    found: Difference = compare(before, after)
    run.out.result(
        old=old, new=new, added=found.added, removed=found.removed, changed=found.changed, rows=found.rows,
        schema=found.schema, equal=found.none,
    )  # fmt: skip
    run.out.say(f"from {old} ({before.made}) to {new} ({after.made})")
    for word, paths in (("added", found.added), ("removed", found.removed), ("changed", found.changed)):
        for path in paths:
            run.out.say(f"  {word:<8} {path}")
    for table, (was, now) in found.rows.items():
        run.out.say(f"  {table}: {was} rows, then {now} ({now - was:+d})")
    if found.schema is not None:
        run.out.say(f"  schema of the journal: {found.schema[0] or '-'}, then {found.schema[1]}")
    if found.none:
        run.out.say("  the same content")
