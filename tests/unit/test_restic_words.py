"""What restic is given, what its words become, and which backups are kept and compared: without a repository."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmctl.fleet.errors import DeadlineExceeded
from mmctl.vault.compare import compare
from mmctl.vault.manifest import Entry, Manifest
from mmctl.vault.restic import Repository, environment, failure, run
from mmctl.vault.retention import Aged, Policy, keep


def test_secrets_reach_restic_by_its_environment_alone_and_no_message(tmp_path: Path) -> None:
    variables = {"RESTIC_PASSWORD": "p4ss", "AWS_ACCESS_KEY_ID": "AK1", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
    repository = Repository("s3:https://me:urlpass@s3.example.com/bucket", variables, tmp_path)
    given = environment(repository, {"PATH": "/bin", "BINANCE_API_KEY": "no", "LC_ALL": "de_DE"})
    assert variables.items() <= given.items()
    assert given["RESTIC_REPOSITORY"] == repository.url
    assert "BINANCE_API_KEY" not in given
    assert "urlpass" not in repository.shown
    assert "p4ss" not in repr(repository)
    said = failure(repository, "check", 1, "Fatal: https://me:urlpass@s3.example.com: s3cr3t p4ss AK1 refused")
    assert not any(word in str(said) for word in ("urlpass", "s3cr3t", "p4ss", "AK1"))


def test_a_restic_that_hangs_is_ended_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/restic"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nsleep 1000 & wait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(DeadlineExceeded):
        run(Repository("sftp:x:/y", {"RESTIC_PASSWORD": "p"}, tmp_path / "cache"), ["check"], 1.0)


def test_the_difference_of_two_manifests() -> None:
    def of(files: dict[str, str], rows: dict[str, int]) -> Manifest:
        entries = tuple(Entry(path, 1, digest) for path, digest in files.items())
        return Manifest("t", "h", "a", "2026-01-01T00:00:00+00:00", "r", entries, rows, "0001")

    found = compare(of({"a": "1", "b": "1"}, {"t": 1, "u": 2}), of({"b": "2", "c": "1"}, {"t": 4, "u": 2}))
    assert (found.added, found.removed, found.changed, found.rows) == (("c",), ("a",), ("b",), {"t": (1, 4)})
    assert compare(of({"a": "1"}, {}), of({"a": "1"}, {})).none


def test_hours_months_and_years_keep_the_newest_of_each() -> None:
    now = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)
    made = [Aged(f"h{n}", now - timedelta(hours=n)) for n in range(5)]
    made += [Aged(f"m{n}", now - timedelta(days=31 * n)) for n in range(1, 5)]
    made += [Aged(f"y{n}", now - timedelta(days=365 * n)) for n in range(1, 4)]
    assert keep(made, Policy(hourly=3), now) == {"h0", "h1", "h2"}
    assert keep(made, Policy(monthly=3), now) == {"h0", "m1", "m2"}
    assert keep(made, Policy(yearly=3), now) == {"h0", "y1", "y2"}
