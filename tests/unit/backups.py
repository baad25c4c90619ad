"""Backups for tests, signed or older, made by hand."""

import hashlib
import io
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from mmctl.vault import archive
from mmctl.vault.archive import pack
from mmctl.vault.manifest import NAME, Entry, Manifest
from tests.unit.conftest import Mmctl


@pytest.fixture
def folder(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> Path:
    """Where the backups of target ``here`` lie; a journal of ten rows is there to back up."""
    with closing(sqlite3.connect(tmp_path / "root/shared/data/journal.db")) as db:
        db.execute("CREATE TABLE trades (trade_id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO trades VALUES (?)", [(i,) for i in range(10)])
        db.commit()
    return tmp_path / "root/shared/data/backups"


def made(moment: datetime, into: Path, **other: object) -> Path:
    """A sound, signed backup as of ``moment`` under a name of one's choice."""
    work = into.parent / f"work-{into.name}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "configs").mkdir(parents=True)
    (work / "configs/config.yaml").write_text("environment: sandbox\n")
    fields = {"target": "here", "host": "here", "account": "sandbox", "release": "r", **other}
    fields["made"] = moment.isoformat()
    (work / NAME).write_text(Manifest(files=archive.entries(work), **fields).text())  # type: ignore[arg-type]
    into.parent.mkdir(parents=True, exist_ok=True)
    pack(work, into)
    shutil.rmtree(work)
    return into


def older(
    into: Path, files: dict[str, bytes], change: Callable[[tarfile.TarFile], None] | None = None, *, skip: str = ""
) -> Path:
    """A backup as it was made before backups were signed: a tar with its manifest first, compressed, and no more."""
    entries = tuple(Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    manifest = Manifest("here", "here", "sandbox", "2026-01-01T00:00:00+00:00", "r", entries).text().encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w|") as tar:
        for name, data in {NAME: manifest, **files}.items():
            if name == skip:
                continue
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000.25  # written as an extended header
            tar.addfile(member, io.BytesIO(data))
        if change is not None:
            change(tar)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(zstandard.ZstdCompressor().compress(plain.getvalue()))
    return into


NOW = datetime.now(UTC)
