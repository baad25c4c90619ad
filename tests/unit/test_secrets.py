"""Secrets before they reach a host: how values are taken, what a change makes of them, and what nobody may see."""

import io
import json
import sys
from pathlib import Path

import pytest

from engine.config.environment import parse
from mmctl.cli.secrets import checked_value, rows_of
from mmctl.fleet.errors import ConfigRefused, Refused
from mmctl.fleet.transport import Result, Stdin
from mmctl.ledger import signature
from mmctl.release import kept, runs, secrets
from mmctl.release.kept import Mark, OnHost
from tests.unit.conftest import Mmctl

VALUE = "a value nobody may see $(id) 'quoted' \"twice\""
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"key\n", "key"),
        (b"key\r\n", "key"),
        (b"key", "key"),
        (b"\xef\xbb\xbfkey\n", "key"),
        (b"two words\n", "two words"),
        (PEM.encode() + b"\n", PEM),
    ],
)
def test_a_value_is_what_was_typed_without_the_end_of_its_line(data: bytes, value: str) -> None:
    assert checked_value("A", data) == value


@pytest.mark.parametrize("data", [b"", b"\n", b" key\n", b"key \n", b"key\n\n", b"A=key\n", b"k\0y", b"\xff\xfekey"])
def test_a_value_that_cannot_be_meant_is_refused_and_not_shown(data: bytes) -> None:
    with pytest.raises(ConfigRefused) as refused:
        checked_value("A", data)
    assert "key" not in str(refused.value)


def test_a_value_on_the_command_line_is_refused_and_not_repeated(mmctl: Mmctl, fleet: Path) -> None:
    said = mmctl("secrets", "set", "here", "BINANCE_API_KEY=seen-by-everybody")
    assert said.code == 2
    assert "seen-by-everybody" not in said.out + said.err
    assert "shell's history" in said.err


HERE = OnHost({"A": "old", "B": "b"}, {"B": Mark("2026-11-01T00:00:00+00:00", "tester", "f" * 12)}, 0.0, "")


def test_a_new_secret_is_the_host_s_own_and_the_others_stay() -> None:
    plan = kept.with_new(HERE, {"A": VALUE})
    assert plan.values == {"A": VALUE, "B": "b"}
    assert set(plan.marks) == {"A", "B"}
    assert list(plan.fingerprints) == ["A"]
    assert VALUE not in repr(plan) + kept.about(plan.marks) + json.dumps(plan.fingerprints)


def test_only_what_is_the_host_s_own_can_be_given_back() -> None:
    assert kept.without(HERE, ("B",), remove=True).values == {"A": "old"}
    assert kept.without(HERE, ("B",), remove=False).values == HERE.values
    assert kept.without(HERE, ("B",), remove=False).marks == {}
    with pytest.raises(Refused, match="A was not set on the host"):
        kept.without(HERE, ("A",), remove=True)


def test_the_same_value_has_one_fingerprint_on_any_host_and_another_under_another_name() -> None:
    assert kept.fingerprint("A", VALUE) == kept.fingerprint("A", VALUE) != kept.fingerprint("B", VALUE)


def test_the_list_says_which_of_file_and_host_wins() -> None:
    first, second = rows_of(HERE, {"A": "old", "B": "of the file"}, 86_400.0)
    assert (first["own"], first["env_file"], first["by"], first["age_s"]) == (False, "same", "a deploy", 86_400.0)
    assert (second["own"], second["env_file"], second["by"]) == (True, "differs; the host's own wins", "tester")


class Watched:
    """A host that remembers each script, and what came over stdin."""

    name = "watched"

    def __init__(self) -> None:
        self.scripts: list[str] = []
        self.fed: list[bytes] = []

    def run(self, script: str, deadline: float, stdin: Stdin = b"") -> Result:
        self.scripts.append(script)
        self.fed.append(stdin if isinstance(stdin, bytes) else b"".join(stdin))
        return Result(0, "", "")


def test_a_value_reaches_a_host_over_stdin_and_never_as_part_of_a_command(tmp_path: Path) -> None:
    from mmctl.fleet.inventory import local_target

    host = Watched()
    site = runs.Site(local_target(), {"local": host}, "run", "mmctl secrets set local")  # type: ignore[dict-item]
    secrets.change(site, {"local": kept.with_new(HERE, {"A": VALUE})}, None, print)
    assert VALUE not in "".join(host.scripts)
    assert [parse(data).values for data in host.fed if data] == [{"A": VALUE, "B": "b"}]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    return data


def typed(stdin: io.BytesIO, value: bytes) -> None:
    stdin.seek(0)
    stdin.truncate()
    stdin.write(value)
    stdin.seek(0)


def test_on_this_machine_too_it_is_written_listed_and_recorded_without_its_value(
    mmctl: Mmctl, fleet: Path, tmp_path: Path, stdin: io.BytesIO
) -> None:
    file = tmp_path / "root/etc/engine.env"
    typed(stdin, VALUE.encode() + b"\n")
    said = mmctl("secrets", "set", "here", "A")
    assert said.code == 0, said.err
    assert parse(file.read_bytes()).values == {"A": VALUE}
    assert file.stat().st_mode & 0o777 == 0o600
    listed = mmctl("secrets", "list", "here", "--json")
    assert [(e["name"], e["own"]) for e in listed.events if e["event"] == "secret"] == [("A", True)]
    trails = (tmp_path / "root/.mmctl/audit.jsonl").read_text() + (signature.state_folder() / "audit.jsonl").read_text()
    assert kept.fingerprint("A", VALUE) in trails
    assert VALUE not in trails + said.out + said.err + listed.out
    assert mmctl("secrets", "forget", "here", "A").code == 0
    assert parse(file.read_bytes()).values == {}


def test_a_file_on_the_host_that_cannot_be_read_whole_is_left_alone(
    mmctl: Mmctl, fleet: Path, tmp_path: Path, stdin: io.BytesIO
) -> None:
    file = tmp_path / "root/etc/engine.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("A='never closed\n")
    typed(stdin, b"b\n")
    said = mmctl("secrets", "set", "here", "B")
    assert said.code == 10
    assert "engine.env:1" in said.err
    assert file.read_text() == "A='never closed\n"


def test_a_damaged_record_is_no_licence_to_replace_what_may_be_the_host_s_own(
    mmctl: Mmctl, fleet: Path, tmp_path: Path
) -> None:
    record = tmp_path / "root/.mmctl/secrets.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text('{"names": {"A"')
    said = mmctl("secrets", "list", "here")
    assert said.code == 10
    assert str(record) in said.err
