"""The journal on a full disk, or at the limit of a file's size: quoting stops and no fill is lost."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from tests.needs import ROOT, need, need_root
from tests.unit.journal_samples import (
    event,
    fill,
    journal_in,
    rows,
)


def fill_up(path: Path) -> None:
    """Write until the disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)
    assert shutil.disk_usage(path.parent).free == 0


def test_a_full_disk_stops_quoting_loses_no_fill_and_recovers(tmp_path: Path) -> None:
    need_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=False, capture_output=True
    )
    need(mounted.returncode == 0, "the right to mount a small tmpfs")
    try:
        journal = journal_in(disk)
        journal.start()
        journal.book(fill(1)).result(10)
        fill_up(disk / "ballast")
        big = [journal.book(event(f"1-{n}")) for n in range(200)]
        futures = [journal.book(fill(n)) for n in range(2, 60)]
        assert {future.result(20) for future in [*big, *futures]} <= {"journal", "spill"}
        assert "spill" in {future.result(20) for future in [*big, *futures]}
        assert "full" in str(journal.trouble())
        (disk / "ballast").unlink()
        assert journal.flush(30)
        assert journal.trouble() is None
        journal.close()
        assert rows(disk, "SELECT count(*), count(DISTINCT trade_id) FROM trades") == [(59, 59)]
        assert rows(disk, "SELECT count(*) FROM risk_events") == [(200,)]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_file_size_limit_counts_as_a_full_disk(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from tests.unit.journal_samples import event, fill, journal_in
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = journal_in(Path({str(tmp_path)!r}))
journal.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
where = [journal.book(event(f"1-{{n}}")).result(20) for n in range(3000)]
print(where[0], where[-1], journal.trouble() is not None)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(journal.flush(20), journal.trouble(), journal.close())
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stdout == "journal spill True\nTrue None True\n", result.stderr
    assert rows(tmp_path, "SELECT count(*) FROM risk_events") == [(3000,)]
