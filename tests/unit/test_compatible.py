"""A release that cannot work with what lies on a host is refused before anything is switched."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.store import tables
from engine.store.opening import open_backend
from mmctl.fleet.errors import REFUSED, Refused
from mmctl.release import compatible
from mmctl.release.compatible import JournalFact, SchemaRange
from mmctl.release.facts import Facts, parse
from mmctl.remote import schemas
from mmctl.remote.layout import Layout
from tests.needs import ROOT

OURS = SchemaRange("0001", "0002")
RELEASE = "20260101T000000Z-0123456789ab"


@pytest.mark.parametrize(
    ("range_", "journal", "why"),
    [
        (OURS, JournalFact(), None),
        (OURS, JournalFact("0001", "0002"), None),
        (OURS, JournalFact("0001", "0009"), None),  # only tables were added since
        (OURS, JournalFact("0002", "0003"), None),
        (OURS, JournalFact("0003", "0003"), "from schema 0003 on can read, and R knows 0002"),
        (OURS, JournalFact("0010", "0010"), "0010"),
        (SchemaRange("0002", "0004"), JournalFact("0001", "0001"), "upgrades from 0002 on"),
        (compatible.UNKNOWN, JournalFact("0001", "0001"), "not known"),
        (compatible.UNKNOWN, JournalFact(), None),
        (OURS, JournalFact(problem="disk I/O error"), "disk I/O error"),
    ],
)
def test_a_release_takes_journals_of_its_range_and_no_other(
    range_: SchemaRange, journal: JournalFact, why: str | None
) -> None:
    said = compatible.unreadable("R", range_, journal)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)


def test_the_refusal_names_every_host_and_its_code_is_7() -> None:
    with pytest.raises(Refused) as refused:
        compatible.require({"mm1": None, "mm2": "too new", "mm3": "too old"})
    assert refused.value.what == "mm2: too new\nmm3: too old"
    assert refused.value.exit_code == REFUSED
    compatible.require({"mm1": None})


def test_the_range_is_what_the_sources_declare_and_what_the_migrations_reach() -> None:
    declared = compatible.range_in((ROOT / "engine/store/tables.py").read_text())
    files = sorted((ROOT / "engine/store/migrations/versions").glob("0*.py"))
    assert declared == SchemaRange(tables.UPGRADES_FROM, tables.SCHEMA_VERSION)
    assert (declared.oldest, declared.newest) == (files[0].name[:4], files[-1].name[:4])
    assert compatible.range_in("SCHEMA_VERSION: Final = '2'\n") == compatible.UNKNOWN
    assert compatible.range_in('SCHEMA_VERSION: Final = "0001"  # earlier releases\n') == SchemaRange("0001", "0001")


def looked(root: Path, *journals: str) -> Facts:
    text = subprocess.run(
        ["sh", "-c", schemas.look(Layout(str(root)), journals)], capture_output=True, text=True, check=True
    ).stdout
    rows = [f"release={path.name} complete env:e port:1" for path in (root / "releases").glob("*")]
    return parse("\n".join([text, *rows]), 0.0)


def released(root: Path, name: str = RELEASE, **said: Any) -> Path:
    folder = root / "releases" / name
    folder.mkdir(parents=True)
    (folder / "RELEASE.json").write_text(json.dumps(said, indent=1))
    return folder


def journal(path: Path, meta: Mapping[str, str] | None = None) -> str:
    backend = open_backend(f"sqlite:///{path}")
    backend.open()
    backend.close()
    with sqlite3.connect(path) as db:
        for name, value in (meta or {}).items():
            db.execute("UPDATE meta SET value=? WHERE name=?", (value, name))
    db.close()
    return str(path)


def test_a_host_says_what_its_releases_read_and_what_its_journals_are(tmp_path: Path) -> None:
    root = tmp_path / "mm's root [1]"
    other = journal(tmp_path / "a journal?.db", {"schema_version": "0007", "schema_revision": "0008"})
    released(root, schema_oldest="0002", schema_newest="0005", journal=other)
    (root / "shared/data").mkdir(parents=True)
    default = journal(root / "shared/data/journal.db")
    found = looked(root, default)
    release = found.release(RELEASE)
    assert release is not None
    assert (release.schema, release.journal) == (SchemaRange("0002", "0005"), other)
    assert found.journals[default] == JournalFact("0001", tables.SCHEMA_VERSION)
    assert found.journals[other] == JournalFact("0007", "0008")


def test_a_release_of_before_it_was_said_is_asked_by_its_own_source(tmp_path: Path) -> None:
    folder = released(tmp_path, by="me")
    source = folder / "venv/lib/python3.11/site-packages/engine/store/tables.py"
    source.parent.mkdir(parents=True)
    source.write_text('SCHEMA_VERSION: Final = "0001"  # the revision\n')
    release = looked(tmp_path).release(RELEASE)
    assert release is not None
    assert (release.schema, release.journal) == (SchemaRange("0001", "0001"), None)


def test_what_cannot_be_read_is_a_problem_and_what_is_not_there_is_none(tmp_path: Path) -> None:
    folder = released(tmp_path)
    (folder / "RELEASE.json").write_text("{ half")
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"this is no database" * 100)
    found = looked(tmp_path, str(bad), str(tmp_path / "none.db"))
    assert re.search("not a database", found.journals[str(bad)].problem)
    assert found.journals[str(tmp_path / "none.db")] == JournalFact()
    release = found.release(RELEASE)
    assert release is not None
    assert release.schema == compatible.UNKNOWN


def test_a_server_without_tables_is_a_new_journal_and_any_other_error_a_problem() -> None:
    new = {"error": '(psycopg.errors.UndefinedTable) relation "meta" does not exist'}
    assert compatible.from_rows(new) == JournalFact()
    assert compatible.from_rows({"error": "connection refused"}).problem == "connection refused"
    rows = {"columns": ["name", "value"], "rows": [["schema_version", "0001"], ["schema_revision", "0002"]]}
    assert compatible.from_rows(rows) == JournalFact("0001", "0002")


def test_a_release_whose_environment_was_cleared_away_is_refused() -> None:
    assert "envs/e1 is not there" in str(compatible.unfinished("e1", ["e2"]))
    assert compatible.unfinished("e1", ["e1"]) is None
    assert compatible.unfinished("operator", []) is None
