"""Compiled kernels taken over by the next release: all that is safe, and never stale code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmctl.release.carry import cache_folder, carry, package_of

SOURCES = {
    "engine/__init__.py": "",
    "engine/kernel/__init__.py": "",
    "engine/kernel/units.py": "SCALE = 3\n",
    "engine/kernel/inner.py": "import numba\nfrom engine.kernel.units import SCALE\n@numba.njit(cache=True)\n"
    "def inner(x):\n    return x * SCALE\n",
    "engine/kernel/outer.py": "import numba\nfrom engine.kernel.inner import inner\n@numba.njit(cache=True)\n"
    "def outer(x):\n    return inner(x) + 1\n",
    "engine/kernel/apart.py": "import numba\n@numba.njit(cache=True)\ndef apart(x):\n    return x - 1\n",
}
PROGRAM = """
from engine.kernel.outer import outer
from engine.kernel.inner import inner
from engine.kernel.apart import apart
print(outer(2), apart(2), *(sum(f.stats.cache_hits.values()) for f in (outer, inner, apart)))
"""


def release(folder: Path, **changes: str) -> Path:
    for name, text in (SOURCES | changes).items():
        path = folder / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(folder: Path) -> list[int]:
    """What the release computes, and which of outer, inner and apart came out of its cache."""
    environment = os.environ | {"PYTHONPATH": str(folder / "site"), "NUMBA_CACHE_DIR": str(folder / "cache" / "numba")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return [int(word) for word in done.stdout.split()]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = release(tmp_path_factory.mktemp("old"))
    assert run(folder) == [7, 1, 0, 0, 0]
    return folder


def test_numba_finds_what_was_carried_when_nothing_changed(old: Path, tmp_path: Path) -> None:
    new = release(tmp_path / "new")
    assert carry(old, new) == (3, 0)
    assert run(new) == [7, 1, 1, 0, 1]  # outer holds inner, which is never asked for by itself


def test_code_whose_callee_s_constant_changed_is_compiled_again(old: Path, tmp_path: Path) -> None:
    new = release(tmp_path / "new", **{"engine/kernel/units.py": "SCALE = 5\n"})
    assert carry(old, new) == (1, 2)
    assert run(new) == [11, 1, 0, 0, 1]


def test_a_change_elsewhere_costs_nothing(old: Path, tmp_path: Path) -> None:
    new = release(tmp_path / "new", **{"engine/app.py": "from engine.kernel.outer import outer\n"})
    assert carry(old, new) == (3, 0)


def test_a_module_that_cannot_be_followed_is_not_carried(old: Path, tmp_path: Path) -> None:
    text = SOURCES["engine/kernel/inner.py"].replace("from engine.kernel.units", "from .units")
    new = release(tmp_path / "new", **{"engine/kernel/inner.py": text})
    assert carry(old, new) == (1, 2)
    assert run(new)[0] == 7


def test_the_cache_lies_where_numba_looks_for_it(old: Path) -> None:
    source = package_of(old) / "kernel" / "outer.py"
    assert [file for file in cache_folder(old, source).iterdir() if file.suffix == ".nbi"]


@pytest.mark.parametrize("trick", ["a link", "a hard link", "a pipe"])
def test_nothing_but_plain_files_of_the_cache_is_carried(old: Path, tmp_path: Path, trick: str) -> None:
    """The cache is written by the service, and carried by root."""
    import shutil

    before, private = tmp_path / "before", tmp_path / "private"
    shutil.copytree(old, before)
    private.write_text("only root may read this")
    folder = cache_folder(before, package_of(before) / "kernel" / "apart.py")
    shutil.copytree(cache_folder(old, package_of(old) / "kernel" / "apart.py"), folder, dirs_exist_ok=True)
    for file in folder.glob("apart.*"):
        file.unlink()
        match trick:
            case "a link":
                file.symlink_to(private)
            case "a hard link":
                os.link(private, file)
            case "a pipe":
                os.mkfifo(file)
    new = release(tmp_path / "new")
    carry(before, new)
    carried = [path for path in (new / "cache").rglob("*") if path.is_file()]
    assert not [path for path in carried if path.name.startswith("apart.")]
    assert not [path for path in carried if "only root" in path.read_bytes().decode("latin-1")]
