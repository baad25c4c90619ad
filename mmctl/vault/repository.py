"""Backups in a restic repository: put in, listed, taken back and checked, thinned out.

A snapshot counts as a backup only once it was restored to scratch and found equal: then it is tagged ``verified``. One
that is cut off makes no snapshot, and one nobody restored is never listed as good.
"""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmctl.vault.archive import verify_folder
from mmctl.vault.content import Verified
from mmctl.vault.envelope import BackupError
from mmctl.vault.manifest import NAME, BadManifest, Manifest, parse
from mmctl.vault.restic import Repository, lines_of, run

OURS, VERIFIED = "mmctl", "verified"

Remaining = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of ours. ``made`` is when the copy was made, UTC; ``verified``: it was restored and found equal."""

    id: str
    target: str
    host: str
    made: datetime
    release: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Put:
    """What putting one backup into the repository came to. Bytes: of the set, and sent for it."""

    snapshot: str
    bytes: int
    sent: int
    verified: Verified


def create(repository: Repository, remaining: Remaining) -> None:
    """Make the repository, which must not be there yet."""
    run(repository, ["init"], remaining())


def put(repository: Repository, folder: Path, manifest: Manifest, remaining: Remaining) -> Put:
    """``folder``, its manifest in it, as a snapshot that was restored to scratch and found equal.

    Raises BackupError; then there is no such snapshot.
    """
    verify_folder(folder, "the copy")
    tags = [OURS, f"target:{manifest.target}", f"release:{manifest.release}", f"account:{manifest.account}"]
    words = [
        "backup",
        "--json",
        "--host",
        manifest.host,
        "--time",
        f"{manifest.moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
    ]
    out = run(repository, [*words, *(word for tag in tags for word in ("--tag", tag)), "."], remaining(), cwd=folder)
    summary = next((line for line in lines_of(out) if line.get("message_type") == "summary"), {})
    made = str(summary.get("snapshot_id") or "")
    if not made:
        raise BackupError(f"restic did not say what it put into {repository.shown}", "Make another.")
    try:
        with taken(repository, made, remaining, near=folder.parent) as (back, verified):
            if (back / NAME).read_bytes() != (folder / NAME).read_bytes():
                raise BackupError(f"what came back from {repository.shown} is another backup", "Make another.")
    except BaseException:
        with contextlib.suppress(BackupError):
            run(repository, ["forget", made], 30.0)
        raise
    run(repository, ["tag", "--add", VERIFIED, made], remaining())
    size, sent = (int(summary.get(key) or 0) for key in ("total_bytes_processed", "data_added"))
    return Put(newest_id(repository, manifest, remaining) or made, size, sent, verified)


def newest_id(repository: Repository, manifest: Manifest, remaining: Remaining) -> str | None:
    """The id of the verified snapshot of that host and moment: tagging gives it another one."""
    for item in snapshots(repository, manifest.target, remaining):
        if item.verified and item.host == manifest.host and item.made == manifest.moment.replace(microsecond=0):
            return item.id
    return None


def snapshots(repository: Repository, target: str, remaining: Remaining) -> list[Snapshot]:
    """The target's snapshots, newest first. Raises BackupError where restic cannot say."""
    out = run(repository, ["snapshots", "--json", "--tag", f"{OURS},target:{target}"], remaining())
    return parse_snapshots(out)


def parse_snapshots(out: str) -> list[Snapshot]:
    """From ``restic snapshots --json``. Raises BackupError for what is not that: no data is not an empty shelf."""
    try:
        found = []
        for item in json.loads(out) or []:
            tags = dict(tag.partition(":")[::2] for tag in item.get("tags") or ())
            made = (
                datetime.fromisoformat(str(item["time"]).replace("Z", "+00:00")).astimezone(UTC).replace(microsecond=0)
            )
            found.append(
                Snapshot(
                    str(item["short_id"]), tags.get("target", ""), str(item["hostname"]), made, tags.get("release", ""),
                    VERIFIED in tags,
                )
            )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupError("restic's list of snapshots cannot be read") from None
    return sorted(found, key=lambda item: item.made, reverse=True)


@contextlib.contextmanager
def taken(
    repository: Repository, snapshot: str, remaining: Remaining, near: Path | None = None
) -> Iterator[tuple[Path, Verified]]:
    """A snapshot's files in a scratch folder, held to their manifest; removed at the end. Raises BackupError."""
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=near) as scratch:
        folder = Path(scratch)
        run(repository, ["restore", snapshot, "--target", scratch], remaining())
        yield folder, verify_folder(folder, f"snapshot {snapshot}")


def manifest_of(repository: Repository, snapshot: str, remaining: Remaining) -> Manifest:
    """The manifest of a snapshot, without the rest of it. Raises BackupError."""
    try:
        return parse(run(repository, ["dump", snapshot, f"/{NAME}"], remaining()))
    except BadManifest as error:
        raise BackupError(f"snapshot {snapshot}: {error}") from None


def check(repository: Repository, remaining: Remaining, *, every_byte: bool) -> None:
    """restic's own check of the repository; ``every_byte``: of all its data too. Raises BackupError."""
    run(repository, ["check", *(["--read-data"] if every_byte else [])], remaining())


def forget(repository: Repository, gone: Sequence[str], remaining: Remaining) -> None:
    """Let go of these snapshots, and of the data that no other one uses."""
    run(repository, ["forget", *gone], remaining())
    run(repository, ["prune"], remaining())
