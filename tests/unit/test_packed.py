"""What a wheel carries beside code: the named templates and nothing else, by whichever program it is built."""

import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmctl.fleet.errors import Refused
from mmctl.fleet.inventory import parse_fleet
from mmctl.release.build import build
from mmctl.release.packed import TEMPLATES, UNITS, faults, secrets_in
from mmctl.remote.units import UNIT_FILES
from tests.hosts.project import MORE_ASSETS, Project
from tests.needs import ROOT
from tests.unit.conftest import Mmctl


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "source")


def test_this_tree_may_be_packed_and_every_packed_name_is_there() -> None:
    assert faults(ROOT) == []
    assert all((ROOT / "configs" / name).is_file() for name in TEMPLATES)
    assert set(UNITS) == set(UNIT_FILES)


def test_the_wheel_holds_the_templates_and_units_by_name_and_nothing_else(project: Project, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(tmp_path / "out", project.folder).path) as wheel:
        assets = {name for name in wheel.namelist() if name.startswith("mmctl/assets/")}
    named = {f"mmctl/assets/configs/{name}" for name in TEMPLATES} | {f"mmctl/assets/systemd/{name}" for name in UNITS}
    assert assets == named | {f"mmctl/assets/{name}" for name in ("requirements.lock", *MORE_ASSETS)}


@pytest.mark.parametrize(
    "stray",
    [
        "configs/production.env",
        "configs/.env",
        "configs/.production.yaml.swp",
        "configs/production.yaml.bak",
        "configs/mine/production.yaml",
        "systemd/override.conf",
        "engine/keys.env",
        "mmctl/.env",
        "mmctl/vault/backup.key",
    ],
)
def test_any_other_file_refuses_the_build_by_name(project: Project, tmp_path: Path, stray: str) -> None:
    (project.folder / stray).parent.mkdir(parents=True, exist_ok=True)
    (project.folder / stray).write_text("BINANCE_API_SECRET=never-to-be-seen\n")
    with pytest.raises(Refused) as refused:
        build(tmp_path / "out", project.folder)
    assert "/".join(stray.split("/")[:2]) in refused.value.what
    assert "move it out of this tree" in refused.value.what
    assert "never-to-be-seen" not in str(refused.value)
    assert list((tmp_path / "out").rglob("*.whl")) == []


def test_a_template_that_leads_elsewhere_is_not_packed(project: Project, tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("exchange: {}\n")
    (project.folder / "configs/production.yaml").unlink()
    (project.folder / "configs/production.yaml").symlink_to(tmp_path / "real.yaml")
    with pytest.raises(Refused, match=r"configs/production\.yaml is not a plain file"):
        build(tmp_path / "out", project.folder)


def test_another_builder_is_refused_as_well(project: Project, tmp_path: Path) -> None:
    (project.folder / "configs/production.env").write_text("BINANCE_API_SECRET=x\n")
    command = [sys.executable, "-m", "uv", "build", "--wheel", "--offline", "--no-build-isolation"]
    command += ["--python", sys.executable, "--out-dir", str(tmp_path / "out"), str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "configs/production.env is none of the files that are packed" in done.stderr
    assert list(tmp_path.glob("out/*.whl")) == []


def test_a_secret_pasted_into_a_template_refuses_the_build_without_showing_it(project: Project, tmp_path: Path) -> None:
    file = project.folder / "configs/production.yaml"
    file.write_text(file.read_text().replace('"${BINANCE_API_SECRET}"', "hunter2"))
    with pytest.raises(Refused, match=r"configs/production\.yaml:9: api_secret holds a value") as refused:
        build(tmp_path / "out", project.folder)
    assert "hunter2" not in str(refused.value)


LONG = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


@pytest.mark.parametrize(
    "text",
    [
        "api_secret: abc",
        "api_secret: 123456",
        "api_secret: |\n  abc",
        "api_secret:\n    abc",
        "api_secret: *other",
        "api_secret: !!str abc",
        "sentinel: {api_key: '${B}', api_secret: abc}",
        '"api_secret": "abc"',
        '"api\\u005fsecret": abc',
        "? api_secret\n: abc",
        'api_secret: "${A:-hunter2}"',
        "control_token: ${A}and-more",
        "# api_secret: abc",
        "BINANCE_API_SECRET=abc",
        "#MM_DB_PASSWORD=abc",
        "Environment=BINANCE_API_KEY=abc",
        "url: postgresql://user:word@db/name",
        f"note: {LONG}",
        f"# {LONG}",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_value_where_only_a_reference_may_stand_is_found(text: str) -> None:
    assert secrets_in("t.yaml", text)
    assert not any(word in fault for fault in secrets_in("t.yaml", text) for word in ("hunter2", LONG, "abc"))


@pytest.mark.parametrize(
    "text",
    [
        'api_secret: "${A}"   # its secret',
        "api_secret:\nnext: 1",
        'passphrase: "${E:-}"',
        'api_key: "${B:-sandbox-key}"',
        "api_key: null",
        "# a key: what signs",
        "key: ~/.ssh/id_ed25519",
        f"recipients: [age1{'q' * 40}0]",
        "url: postgresql://user:${PASSWORD}@db/name",
        "BINANCE_API_SECRET=",
    ],
)
def test_what_templates_say_is_no_secret(text: str) -> None:
    assert secrets_in("t.yaml", text) == []


def test_git_leaves_out_what_holds_secrets_and_keeps_the_template() -> None:
    names = ["configs/production.env", ".env", ".env.local", "configs/.env.production", "prod.env.bak"]
    command = ["git", "check-ignore", "--no-index", *names, "configs/.env.template"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    if done.returncode == 128:
        pytest.skip("this tree is no git checkout")
    assert done.stdout.split() == names


def test_the_fleet_template_puts_no_env_file_into_the_source_tree() -> None:
    text = (ROOT / "configs/fleet.yaml").read_text()
    targets_only = text.partition("\n# monitoring:")[0]
    shown = targets_only.replace("targets: {}\n", "targets:\n").replace("\n#  ", "\n  ")
    fleet = parse_fleet(shown, ROOT / "configs/fleet.yaml")
    targets = [target for name, target in fleet.targets.items() if name != "local"]
    files = [target.on(host).env_file for target in targets for host in target.hosts]
    assert len(files) == 4
    assert not any(file is None or file.is_relative_to(ROOT) for file in files)


def test_a_new_installation_keeps_its_secrets_to_itself(mmctl: Mmctl, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    assert mmctl("init", str(folder)).code == 0
    assert stat.S_IMODE((folder / "sandbox.env").stat().st_mode) == 0o600
    assert "env_file: sandbox.env" in (folder / "fleet.yaml").read_text()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, timeout=20)
    for name in ("production.env", ".env", ".env.local"):
        (folder / name).write_text("X=1\n")
    added = subprocess.run(["git", "add", "-A", "-n"], cwd=folder, capture_output=True, text=True, timeout=20).stdout
    assert "template" in added
    assert not [line for line in added.splitlines() if ".env" in line and "template" not in line]


def test_init_says_when_an_older_gitignore_would_commit_secrets(mmctl: Mmctl, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "old.env").write_text("X=1\n")
    said = mmctl("init", str(tmp_path))
    assert said.code == 0
    assert "does not leave out *.env" in said.err
    assert f"chmod 600 {tmp_path / 'old.env'}" in said.err


def test_secrets_that_others_can_read_are_not_deployed(mmctl: Mmctl, fleet: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "here.env"
    secrets.write_text("BINANCE_API_KEY=x\n")
    secrets.chmod(0o640)
    fleet.write_text(fleet.read_text() + "    env_file: here.env\n")
    said = mmctl("deploy", "here", "--dry-run", "--project", str(Project(tmp_path / "source").folder))
    assert said.code == 7
    assert f"chmod 600 {secrets}" in said.err
