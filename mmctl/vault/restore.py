"""Restores a verified backup: into a folder here, or as a stopped engine's journal on its host.

On the host the journal is uploaded beside the old one, checked there, and swapped in by renames; the old one stays.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from mmctl.client.site import Site
from mmctl.fleet.errors import Refused
from mmctl.fleet.transport import Transport
from mmctl.vault import host
from mmctl.vault.archive import JOURNAL, BackupError, Verified, sha256_of, unpacked
from mmctl.vault.content import CHUNK


def into_folder(backup: Path, folder: Path, identity: Path | None, *, accept: bool = False) -> Verified:
    """The backup's files in ``folder``, which must be empty or new. Raises Refused, BackupError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not empty", "Give a new folder; nothing is ever overwritten.")
    with unpacked(backup, identity, accept=accept) as (files, verified):
        copy_into(files, folder)
    return verified


def copy_into(files: Path, folder: Path) -> None:
    """``files`` in ``folder``, which must be empty or new: all of them or none. Raises Refused, BackupError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not empty", "Give a new folder; nothing is ever overwritten.")
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(files, part)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise BackupError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def onto_host(
    backup: Path,
    transport: Transport,
    site: Site,
    identity: Path | None,
    remaining: Callable[[], float],
    *,
    accept: bool = False,
) -> tuple[Verified, str]:
    """``(what was restored, where the old journal is kept)``. The engine must not be running: the caller checks."""
    with unpacked(backup, identity, accept=accept) as (files, verified):
        return verified, put_in_place(files, verified, backup.name, transport, site, remaining)


def put_in_place(
    files: Path, verified: Verified, name: str, transport: Transport, site: Site, remaining: Callable[[], float]
) -> str:
    """The journal among ``files`` becomes the host's; returns where the old one is kept. Nothing is started."""
    if site.journal is None:
        raise Refused(
            f"{transport.name}: its journal is in PostgreSQL",
            "Unpack with --into FOLDER; on the host, `python -m engine.store restore` brings its rows into the server.",
        )
    if verified.manifest.account not in site.accounts:
        raise Refused(
            f"{name} is of the account {verified.manifest.account}, not of {site.accounts[0]}",
            "Give the backup of this account; --into FOLDER only unpacks.",
        )
    if not (files / JOURNAL).exists():
        raise BackupError(f"{name} holds no journal")
    _, digest = sha256_of(files / JOURNAL)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    owner = (site.layout.user,) if site.layout.user else ()
    done = False
    try:
        transport.run(host.receive(site.journal), remaining(), _pieces(files / JOURNAL)).checked(
            f"{transport.name}: cannot upload the journal"
        )
        said = transport.run(host.swap(site.journal, digest, stamp, owner), remaining()).checked(
            f"{transport.name}: the journal was not restored, the old one is in place"
        )
        done = True
    finally:
        if not done:
            transport.run(host.forget(site.journal), 15.0)
    return dict(line.split("=", 1) for line in said.out.splitlines() if "=" in line).get("before", "")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
