"""Letting go of old backup files, whichever verb asks for it."""

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mmctl.cli.run import Run
from mmctl.fleet.errors import OperatorError

if TYPE_CHECKING:
    from mmctl.vault.retention import Aged, Policy
    from mmctl.vault.shelf import Shelved


def prune_files(
    run: Run,
    folder: Path,
    target: str,
    policy: "Policy",
    identity: Path | None,
    *,
    hosts: Collection[str] | None = None,
    dry_run: bool = False,
    accept: bool = False,
) -> None:
    """Delete what ``policy`` does not keep of the target's ``hosts`` (None: all). Whose age is not known stays."""
    from mmctl.vault.retention import keep
    from mmctl.vault.shelf import shelf

    by_host: dict[str, list[Shelved]] = {}
    unknown = 0
    for item in shelf(folder, identity, accept=accept):
        if item.problem or not item.made:
            unknown += 1
        elif item.target == target and (hosts is None or item.host in hosts):
            by_host.setdefault(item.host, []).append(item)
    kept: list[str] = []
    for items in by_host.values():
        stay = keep(_aged(items, accept), policy, datetime.now(UTC))
        kept += stay
        for item in items:
            if item.file.name in stay:
                continue
            if not dry_run:
                with contextlib.suppress(FileNotFoundError):
                    item.file.unlink()
            run.out.event("pruned", file=item.file, dry_run=dry_run)
            run.out.say(f"{'would delete' if dry_run else 'deleted'} {item.file}")
    run.out.event("kept", files=sorted(kept), of_unknown_age=unknown)
    if unknown:
        run.out.progress(f"{unknown} files in {folder} are not signed, or damaged, and stay: see mmctl backup list")


def _aged(items: "list[Shelved]", accept: bool) -> "list[Aged]":
    """The backups of one host as retention sees them: the newest counts only if its bytes are what was signed."""
    from mmctl.vault import envelope
    from mmctl.vault.retention import Aged

    found, proved = [], False
    for item in items:
        sound = True
        if not proved:
            try:
                with item.file.open("rb") as source:
                    if not (accept and envelope.is_older_kind(source)):
                        envelope.check(source, item.file.name, accept=accept)
                proved = True
            except (OperatorError, OSError):
                sound = False
        found.append(Aged(item.file.name, datetime.fromisoformat(item.made), sound))
    return found
