"""The preview's script is what its sources build, names no address of a registry, and reaches an installed package."""

import json
import lzma
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmctl.monitoring.preview import bundle
from mmctl.monitoring.preview.bundle import NAME, SOURCES, Bundle, BundleMissing, digest_of, load, packed
from tests.needs import ROOT, need_program

FOLDER = ROOT / "deployments/grafana/preview"


def test_the_script_is_what_its_sources_and_the_lock_file_build() -> None:
    """Built anew, from packages whose hashes the lock file holds, byte for byte."""
    need_program("node", "npm")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.build_preview", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_has_a_hash_for_every_package_and_no_address() -> None:
    text = (FOLDER / "package-lock.json").read_text()
    packages = {name: found for name, found in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, found in packages.items() if not found.get("integrity", "").startswith("sha512-")] == []
    for path in (FOLDER / name for name in (*SOURCES, ".npmrc")):
        for source in (p for p in (path, *path.rglob("*")) if p.is_file()):
            assert not re.search(r"https?://|registry\.", source.read_text(encoding="utf-8")), source


def test_a_change_of_any_source_is_seen(tmp_path: Path) -> None:
    assert load().sources == digest_of(FOLDER)
    for name in ("package.json", "package-lock.json", "build.mjs"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / "src").mkdir()
    before = digest_of(tmp_path)
    (tmp_path / "src/main.jsx").write_text("one")
    one = digest_of(tmp_path)
    (tmp_path / "src/main.jsx").write_text("two")
    assert len({before, one, digest_of(tmp_path)}) == 3


def test_what_is_missing_or_damaged_is_said_with_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_MMCTL", tmp_path / "mmctl")
    with pytest.raises(BundleMissing, match=r"make preview.*\n?.*" + re.escape(NAME)):
        load()
    installed = tmp_path / "mmctl/assets" / NAME
    installed.parent.mkdir(parents=True)
    for broken in (b"nothing", lzma.compress(b"[]"), lzma.compress(b'{"script": ""}')):
        installed.write_bytes(broken)
        with pytest.raises(BundleMissing, match="is damaged"):
            load()
    whole = Bundle("script", "style", "sources")
    installed.write_bytes(packed(whole))
    assert load() == whole


def test_a_wheel_carries_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert f'"{NAME}" = "mmctl/assets/{NAME}"' in text
    assert (ROOT / NAME).stat().st_size < 1_000_000
