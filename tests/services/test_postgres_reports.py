"""A day's report out of a real PostgreSQL says what it says out of SQLite, asked as an operator asks: on the host."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from engine.store.postgres import PostgresBackend
from mmctl.cli.app import run
from tests.needs import ROOT
from tests.services.postgres import Server, running_server
from tests.unit.day_journals import ACCOUNT, CONFIG, Desk, at, eventful

BEGIN = at("2026-03-05 00:00:00")
RUN = """#!/bin/sh
cd {root} && exec {python} -m "$@"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def report(desk: Desk, capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    own = {"MMCTL_STATE": str(desk.folder / "state"), "MMCTL_FLEET": str(desk.fleet)}
    capfd.readouterr()
    with mock.patch.dict("os.environ", own):
        code = run(["report", *words, "--zone", "UTC", "--format", "json"])
    out, err = capfd.readouterr()
    assert code == 0, err
    return dict(json.loads(out))


def figures(document: dict[str, Any]) -> dict[str, Any]:
    """Every figure and table but for what only a log or a journal's form says."""
    found: dict[str, Any] = {}
    for section in document["sections"].values():
        found |= {f"{f['key']} {f.get('label')}": f["value"] for f in section["figures"]}
        found |= {key: table["rows"] for key, table in section["tables"].items()}
    return found


def same(one: Any, other: Any) -> bool:
    """Equal, numbers as numbers: NUMERIC comes with idle zeros."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    try:
        return abs(float(one) - float(other)) <= 1e-12 * max(1.0, abs(float(one)))
    except (TypeError, ValueError):
        return bool(one == other)


def test_the_day_is_the_same_out_of_both_databases(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records = eventful(BEGIN, hours=1)
    plain = Desk(tmp_path / "sqlite").write(records)
    served = Desk(tmp_path / "postgres")
    server.sql("CREATE DATABASE reports", "postgres")
    url = server.url("reports")
    backend = PostgresBackend(url)
    backend.open()
    for start in range(0, len(records), 2000):
        batch = [(one.table, [one.row(ACCOUNT)]) for one in records[start : start + 2000]]
        backend.write(batch, durable=True)
    backend.close()
    root = served.folder / "root"
    config = CONFIG + f"store: {{url: '{url}'}}\n"
    (served.folder / "config.yaml").write_text(config)
    for folder in ("current/bin", "shared/configs"):
        (root / folder).mkdir(parents=True)
    (root / "shared/configs/config.yaml").write_text(config)
    launcher = root / "current/bin/run"
    launcher.write_text(RUN.format(root=ROOT, python=sys.executable))
    launcher.chmod(0o755)
    for words in (("daily", "--date", "2026-03-05"), ("range", "--from", "2026-03-04", "--to", "2026-03-05")):
        ours, theirs = (figures(report(desk, capfd, *words)) for desk in (plain, served))
        assert {key: (ours[key], theirs[key]) for key in ours if not same(ours[key], theirs[key])} == {}
        assert len(ours) > 15
