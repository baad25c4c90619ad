"""Makes one backup: copy on the host, fetch, check, manifest, archive, and open the archive again; then tell the host.

Any failure raises, leaves no archive behind, and removes what was put on the host. Only where the host cannot be told
at the end, the archive stays: it is sound, and the engine there goes on telling of the one before.
"""

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmctl.client.site import Site
from mmctl.fleet.errors import OperatorError
from mmctl.fleet.transport import Transport
from mmctl.vault import envelope, host
from mmctl.vault.archive import (
    ENCRYPTED,
    JOURNAL,
    SUFFIX,
    BackupError,
    Verified,
    entries,
    inspect_journal,
    pack,
    verify,
    verify_folder,
)
from mmctl.vault.content import CHUNK, RESTORE
from mmctl.vault.manifest import NAME, Manifest

CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was opened and checked after it was written."""

    file: Path
    bytes: int
    verified: Verified


def file_name(target: str, host_name: str, moment: datetime, encrypted: bool) -> str:
    """``staging-mm1-20240808T120000Z.mmbackup``; ``.age`` behind it when encrypted."""
    return f"{target}-{host_name}-{moment:%Y%m%dT%H%M%SZ}{ENCRYPTED if encrypted else SUFFIX}"


def make(
    transport: Transport,
    site: Site,
    *,
    target: str,
    into: Path,
    recipients: Sequence[str],
    remaining: Callable[[], float],
    now: datetime | None = None,
) -> Made:
    """One backup of one host in the folder ``into``. ``remaining`` gives the seconds left for all of it."""
    moment = now or datetime.now(UTC)
    try:
        with collected(transport, site, target, into, remaining, moment) as (folder, _):
            file = into / file_name(target, transport.name, moment, bool(recipients))
            before = verify_folder(folder, file.name)
            size = pack(folder, file, recipients)
    except OSError as error:
        raise BackupError(f"cannot write the backup in {into}: {error.strerror or error}") from None
    try:
        checked = _read_again(file, before) if recipients else verify(file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    tell(transport, site, str(file), moment)
    return Made(file, size, checked)


@contextlib.contextmanager
def collected(
    transport: Transport, site: Site, target: str, near: Path, remaining: Callable[[], float], moment: datetime
) -> Iterator[tuple[Path, Manifest]]:
    """The consistent set of one host, its manifest in it, in a scratch folder in ``near``; removed at the end."""
    near.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=near) as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        release = _collect(transport, site, folder, Path(scratch), remaining)
        rows, schema = inspect_journal(folder / JOURNAL)
        manifest = Manifest(
            target=target,
            host=transport.name,
            account=site.accounts[0] if site.accounts else "",
            made=moment.isoformat(timespec="seconds"),
            release=release,
            files=entries(folder),
            rows=rows,
            journal_schema=schema,
        )
        (folder / NAME).write_text(manifest.text(), encoding="utf-8")
        yield folder, manifest


def tell(transport: Transport, site: Site, file: str, moment: datetime) -> None:
    """The engine on the host shows when its last backup was made: this one, now that it has proved sound."""
    stamped = transport.run(host.stamp(site.data_dir, site.accounts, round(moment.timestamp() * 1e9)), CALL_SECONDS)
    stamped.checked(
        f"{file} is made and sound, but {transport.name} cannot be told of it, and reports the one before",
        f"May {site.data_dir} be written there? Then make another.",
    )


def _read_again(file: Path, before: Verified) -> Verified:
    """An encrypted archive cannot be opened without the secret key: its content was checked just before, its signature
    and its bytes on the disk are now."""
    with file.open("rb") as written:
        envelope.check(written, file.name)
    return before


def _next_step(said: str) -> str:
    """A journal that SQLite cannot read has no use for a second attempt."""
    if any(word in said for word in ("malformed", "not a database", "corrupt", "damaged")):
        return RESTORE
    return "Is it deployed? Is its disk full?"


def _collect(transport: Transport, site: Site, folder: Path, scratch: Path, remaining: Callable[[], float]) -> str:
    """Fills ``folder`` from the host; returns the release that is current there."""
    result = transport.run(host.collect(site.layout, site.journal, site.data_dir, site.log), remaining())
    result.checked(f"{transport.name}: cannot copy the journal and configs", _next_step(result.err))
    said = dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)
    there = said.get("folder", "")
    if not host.is_scratch(site.layout, there):
        raise BackupError(f"{transport.name}: it did not say where it put the copy")
    try:
        transport.fetch(f"{there}/{JOURNAL}", folder / JOURNAL, remaining())
        rest = scratch / "rest.tar"
        transport.fetch(f"{there}/rest.tar", rest, remaining())
        _unpack_rest(rest, folder)
        os.chmod(folder / JOURNAL, 0o600)
    finally:
        # Unreachable now? The next backup removes scratch folders older than twelve hours.
        with contextlib.suppress(OperatorError):
            transport.run(host.discard(site.layout, there), CALL_SECONDS)
    return said.get("release", "")


def _unpack_rest(archive: Path, folder: Path) -> None:
    """Plain files only, and none outside ``folder``. (Debian 12's Python is older than tarfile's own filters.)"""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                target = (folder / member.name).resolve()
                source = tar.extractfile(member) if member.isfile() else None
                if source is None or not target.is_relative_to(folder.resolve()):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
                target.chmod(0o600)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BackupError(f"the configs arrived damaged: {error}") from None
