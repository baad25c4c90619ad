"""Compiled code is kept for exactly the sources it was made from: another line, another compiler, another folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import compiled
from engine.compiled import FAMILY, VARIABLE, digest, prune, use_cache


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small project: a kernel file, one that compiles, one that does not."""
    folder = tmp_path / "engine"
    for name, text in (
        ("kernel/book.py", "LIVE = 2"),
        ("live/tick.py", "from engine.kernel.jit import entry"),
        ("live/desk.py", "import json"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's cache folder; numba's own setting is put back afterwards, as other tests compile."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    config = sys.modules.get("numba.core.config")
    before = getattr(config, "CACHE_DIR", "")
    yield tmp_path / "cache"
    if config is not None:
        config.__dict__["CACHE_DIR"] = before


def test_a_changed_constant_of_the_kernel_means_another_folder(package: Path, home: Path) -> None:
    before = use_cache(package)
    assert use_cache(package) == before
    (package / "kernel" / "book.py").write_text("LIVE = 3")
    after = use_cache(package)
    assert after != before
    assert after.parent == before.parent == home / FAMILY
    assert os.environ[VARIABLE] == str(after)


def test_a_source_that_decides_no_machine_code_changes_nothing(package: Path) -> None:
    before = digest(package)
    (package / "live" / "desk.py").write_text("import sys")
    assert digest(package) == before
    (package / "live" / "tick.py").write_text("from engine.kernel.jit import inner")
    assert digest(package) != before


def test_a_compiler_setting_or_another_version_means_another_folder(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(package)
    monkeypatch.setenv("NUMBA_OPT", "0")
    slow = digest(package)
    monkeypatch.setattr(compiled, "version", lambda name: "0.1")
    assert len({before, slow, digest(package)}) == 3


def test_a_folder_given_from_outside_is_kept(
    package: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "release" / "cache" / "numba"))
    assert use_cache(package) == tmp_path / "release" / "cache" / "numba"
    assert not home.exists()


def test_a_folder_inherited_from_another_checkout_is_not_used(
    package: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = home / FAMILY / "0123456789abcdef"
    monkeypatch.setenv(VARIABLE, str(stranger))
    assert use_cache(package) not in (stranger, stranger.parent)


def test_where_the_cache_cannot_be_written_another_place_is_found(
    package: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where a folder should be")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = use_cache(package)
    assert folder.is_dir()
    assert folder.parent.parent.stat().st_mode & 0o077 == 0
    folder.parent.parent.chmod(0o777)
    elsewhere = use_cache(package)
    assert elsewhere != folder  # anybody could have put machine code there


def test_folders_long_out_of_use_are_removed_and_young_ones_kept(tmp_path: Path) -> None:
    family = tmp_path / FAMILY
    for number in range(8):
        folder = family / f"{number}"
        folder.mkdir(parents=True)
        (folder / "x.nbi").write_text("")
        os.utime(folder, (number * 86_400, number * 86_400))
    assert prune(family / "7", now_s=7 * 86_400) == 4
    assert sorted(left.name for left in family.iterdir()) == ["4", "5", "6", "7"]
    os.utime(family / "4", (9 * 86_400, 9 * 86_400))
    (family / "8").mkdir()
    assert prune(family / "8", now_s=9.5 * 86_400) == 1  # 5: beyond the newest four, and old


def test_numba_is_not_imported_before_its_folder_is_known() -> None:
    code = "import sys, engine.compiled, engine.__main__, engine.sandbox.__main__; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
