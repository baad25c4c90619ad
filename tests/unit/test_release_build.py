"""The wheel: the same sources give the same bytes, from a checkout and from an installation."""

from pathlib import Path

import pytest

from mmctl.release.build import build, content_of
from tests.hosts.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "source")


def test_an_unchanged_tree_gives_the_same_wheel_byte_for_byte(project: Project, tmp_path: Path) -> None:
    one, two = build(tmp_path / "a", project.folder), build(tmp_path / "b", project.folder)
    assert (one.sha256, one.content) == (two.sha256, two.content)


def test_any_change_changes_the_content(project: Project, tmp_path: Path) -> None:
    before = build(tmp_path, project.folder)
    project.behave("good", "a note")
    assert build(tmp_path, project.folder).content != before.content


def test_the_wheel_carries_what_an_installed_operator_needs(project: Project, tmp_path: Path) -> None:
    import zipfile

    names = zipfile.ZipFile(build(tmp_path, project.folder).path).namelist()
    assert {
        "mmctl/assets/requirements.lock", "mmctl/assets/systemd/market-maker.service",
        "mmctl/assets/configs/config.yaml", "engine/__main__.py", "mmctl/__main__.py",
    } <= set(names)  # fmt: skip
    assert not [name for name in names if name.endswith(".pyc") or "/.env" in name.replace(".env.template", "")]


def test_an_installed_package_packs_itself_into_the_same_content(project: Project, tmp_path: Path) -> None:
    import subprocess
    import sys

    built = build(tmp_path, project.folder)
    site = tmp_path / "site"
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--offline", "--target", str(site)]
    subprocess.run([*command, str(built.path)], check=True, timeout=60)
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from mmctl.release.build import build\n"
        "b = build(pathlib.Path(sys.argv[2])); print(b.content)"
    )
    again = subprocess.run(
        [sys.executable, "-I", "-c", program, str(site), str(tmp_path / "again")], check=True, capture_output=True,
        text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert again.stdout.strip() == content_of(built.path)
