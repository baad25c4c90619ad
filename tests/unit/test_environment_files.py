"""One reader of environment files for all who read one: what it reads, what it refuses, and that all of them use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.config import read_env_file
from engine.config.environment import parse, render
from engine.config.errors import ConfigErrors
from engine.config.load import load
from mmctl.client.site import site_of
from mmctl.fleet.errors import ConfigRefused
from mmctl.fleet.inventory import Target, parse_fleet
from mmctl.release.desired import read_environment
from mmctl.remote.environment import with_variables
from tests.needs import ROOT
from tests.unit.environment_files import CASES, OURS, Case

SHOW = f"{sys.executable} -c 'import json,os;print(json.dumps(dict(os.environ)))'"
ALL = pytest.mark.parametrize("case", [*CASES, *OURS], ids=lambda case: case.name.replace(" ", "-"))


def target_with(folder: Path, env: bytes, config: str = "") -> Target:
    (folder / "my.env").write_bytes(env)
    (folder / "config.yaml").write_text(config or (ROOT / "configs/config.yaml").read_text())
    fleet = "targets:\n  here: {transport: local, account: sandbox, config: config.yaml, env_file: my.env, root: run}\n"
    return parse_fleet(fleet, folder / "fleet.yaml").target("here")


@ALL
def test_a_file_is_read_as_systemd_reads_it(case: Case) -> None:
    found = parse(case.text)
    assert found.values == case.values
    assert tuple(fault.line for fault in found.faults) == case.faults


@ALL
def test_what_cannot_be_read_is_refused_by_line_and_never_shown(case: Case, tmp_path: Path) -> None:
    target = target_with(tmp_path, case.text.replace(b"abc", b"geheim"))
    if not case.faults:
        assert read_env_file(tmp_path / "my.env") == case.values
        assert read_environment(target)[1] == case.values
        return
    with pytest.raises(ConfigErrors) as caught:
        read_env_file(tmp_path / "my.env")
    assert tuple(error.line for error in caught.value.errors) == case.faults
    with pytest.raises(ConfigRefused) as refused:
        read_environment(target)
    assert f"my.env:{case.faults[0]}: " in str(refused.value)
    assert "geheim" not in str(refused.value) + str(caught.value)


@ALL
def test_a_command_on_a_host_gets_the_same_variables_and_no_shell_sees_them(case: Case, tmp_path: Path) -> None:
    """Over a file and over stdin; what cannot be read is left out and told, with --strict it ends with 10."""
    file = tmp_path / "it's an engine.env"
    file.write_bytes(case.text)
    before = {"PATH": os.environ["PATH"]}
    for where, given_in in ((str(file), b""), ("-", case.text)):
        words = ["sh", "-c", with_variables(where, SHOW)]
        done = subprocess.run(words, input=given_in, capture_output=True, env=before, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert {name: value for name, value in seen.items() if name in case.values} == case.values
        assert [f"{where}:{line}:" in done.stderr.decode() for line in case.faults] == [True] * len(case.faults)
        words[2] = with_variables(where, "true", strict=True)
        strict = subprocess.run(words, input=given_in, capture_output=True, env=before, timeout=60, check=False)
        assert strict.returncode == (10 if case.faults else 0)


def test_a_file_that_is_not_there_or_cannot_be_read_does_not_keep_a_command_from_running(tmp_path: Path) -> None:
    for file in (tmp_path / "none.env", tmp_path):
        words = ["sh", "-c", with_variables(str(file), "echo ran")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "ran\n")


VALUES = some.text(some.characters(exclude_categories=["Cs"]) | some.sampled_from("\n\t\r\"'\\$`#; =")).map(
    lambda value: value.replace("\0", "")
)


@given(some.dictionaries(some.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), VALUES, max_size=4))
def test_what_is_uploaded_is_read_back_as_it_was(values: dict[str, str]) -> None:
    found = parse(render(values))
    assert (found.values, found.faults) == (values, [])


@given(some.binary(max_size=60) | some.text(some.sampled_from("AB=\"'\\\n\r $#;x\0 "), max_size=40).map(str.encode))
def test_no_bytes_make_the_reader_fail_and_what_it_reads_can_be_written_again(data: bytes) -> None:
    found = parse(data)
    assert parse(render(found.values)).values == found.values


def test_what_goes_to_a_host_is_the_plainest_form_and_holds_no_comment(tmp_path: Path) -> None:
    env = b"# the old key was hunter2\r\nexport A=1\r\nB=\"it's\"\r\nC='two words'\r\n"
    sent, values = read_environment(target_with(tmp_path, env))
    assert sent == b"A=1\nB=\"it's\"\nC='two words'\n"
    assert values == {"A": "1", "B": "it's", "C": "two words"}


def test_operators_own_variables_may_have_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_SEVERAL_LINES", "one\ntwo")
    (tmp_path / "config.yaml").write_text("exchange: {api_key: '${KEY_OF_SEVERAL_LINES}'}\n")
    fleet = "targets:\n  here: {transport: local, account: sandbox, config: config.yaml, root: run}\n"
    sent, values = read_environment(parse_fleet(fleet, tmp_path / "fleet.yaml").target("here"))
    assert values == {"KEY_OF_SEVERAL_LINES": "one\ntwo"}
    assert sent is not None
    assert parse(sent).values == values


def test_the_port_in_an_exported_and_quoted_variable_is_found(tmp_path: Path) -> None:
    config = "monitoring: {port: '${P}'}\n"
    assert site_of(target_with(tmp_path, b'export P="8123" \r\n', config)).port == 8123


def test_who_only_stops_orders_leaves_out_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine refuses such a file; the sentinel and the emergency verbs tell it, and act."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "engine.env").write_bytes(b"export MM_PORT='8123'\nhunter2\nBAD=\xff\n")
    config = ROOT / "configs/config.yaml"
    with pytest.raises(ConfigErrors, match=r"engine\.env:2: expected NAME=value"):
        load(config)
    assert load(config, stopping=True).monitoring.port == 8123
    said = capsys.readouterr().err
    assert "engine.env:2: expected NAME=value; left out" in said
    assert "engine.env:3: the value of BAD is not UTF-8 text; left out" in said
    assert "hunter2" not in said
