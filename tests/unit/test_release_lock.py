"""The lock read for another machine: markers, tags, digests; and the wheelhouse that keeps what it says."""

import hashlib
from pathlib import Path

import pytest

from mmctl.fleet.errors import OperatorError
from mmctl.release.lock import LockFileError, Pin, Platform, fits, parse_lock, pins_for
from mmctl.release.wheelhouse import Wheelhouse
from tests.needs import ROOT

BOOKWORM = Platform((3, 11, 2), "x86_64", (2, 36))
OLD = Platform((3, 11, 2), "x86_64", (2, 17))
ARM = Platform((3, 12, 1), "aarch64", (2, 36))
H = "a" * 64


def test_pins_carry_version_marker_and_all_digests() -> None:
    (pin, other) = parse_lock(
        f"Foo.Bar==1.2 ; sys_platform == 'linux' \\\n    --hash=sha256:{H} \\\n    --hash=sha256:{'b' * 64}\n"
        f"# a comment\nplain==3 --hash=sha256:{H}\n"
    )
    assert pin == Pin("foo-bar", "1.2", "sys_platform == 'linux'", (H, "b" * 64))
    assert (other.name, other.marker) == ("plain", "")


@pytest.mark.parametrize("line", ["foo>=1 --hash=sha256:" + H, "foo==1", "-e .", "https://example.org/foo.whl"])
def test_a_line_without_version_or_digest_is_refused(line: str) -> None:
    with pytest.raises(LockFileError, match="NAME==VERSION"):
        parse_lock(line + "\n")


def test_markers_are_judged_for_the_host_and_not_for_us() -> None:
    pins = parse_lock(
        f"win==1 ; sys_platform == 'win32' --hash=sha256:{H}\n"
        f"arm==1 ; platform_machine == 'aarch64' --hash=sha256:{H}\n"
        f"new==1 ; python_full_version >= '3.12' --hash=sha256:{H}\n"
        f"all==1 --hash=sha256:{H}\n"
    )
    assert [pin.name for pin in pins_for(pins, BOOKWORM)] == ["all"]
    assert [pin.name for pin in pins_for(pins, ARM)] == ["arm", "new", "all"]


@pytest.mark.parametrize(
    ("name", "bookworm", "old"),
    [
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", True, False),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True, True),
        ("a-1-cp37-abi3-manylinux2014_x86_64.whl", True, True),
        ("a-1-py3-none-any.whl", True, True),
        ("a-1-cp312-cp312-manylinux2014_x86_64.whl", False, False),
        ("a-1-cp311-cp311-manylinux_2_39_x86_64.whl", False, False),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", False, False),
        ("a-1-cp311-cp311-macosx_11_0_arm64.whl", False, False),
        ("a-1-cp311-cp311-manylinux2014_aarch64.whl", False, False),
        ("not a wheel", False, False),
    ],
)
def test_a_wheel_fits_by_python_architecture_and_glibc(name: str, bookworm: bool, old: bool) -> None:
    assert fits(name, frozenset(BOOKWORM.tags())) is bookworm
    assert fits(name, frozenset(OLD.tags())) is old


def test_the_projects_own_lock_is_whole() -> None:
    pins = parse_lock((ROOT / "requirements.lock").read_text())
    names = {pin.name for pin in pins_for(pins, BOOKWORM)}
    assert {"numba", "numpy", "ccxt", "uv", "picows"} <= names
    assert not names & {"colorama", "winloop"}


def put(house: Path, file: str, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    (house / digest).mkdir(parents=True)
    (house / digest / file).write_bytes(data)
    return digest


def test_what_the_wheelhouse_has_is_not_downloaded_and_the_best_wheel_wins(tmp_path: Path) -> None:
    plain = put(tmp_path, "foo-1-py3-none-any.whl", b"plain")
    native = put(tmp_path, "foo-1-cp311-cp311-manylinux2014_x86_64.whl", b"native")
    wrong = put(tmp_path, "foo-1-cp311-cp311-manylinux2014_aarch64.whl", b"arm")
    (wheel,) = Wheelhouse(tmp_path).resolve((Pin("foo", "1", "", (plain, native, wrong)),), BOOKWORM)
    assert (wheel.sha256, wheel.size) == (native, 6)
    (wheel,) = Wheelhouse(tmp_path).resolve((Pin("foo", "1", "", (plain, native, wrong)),), ARM)
    assert wheel.sha256 == plain


def test_a_download_whose_digest_is_not_in_the_lock_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "foo-1-py3-none-any.whl"
    file.write_bytes(b"tampered")
    with pytest.raises(OperatorError, match="not in the lock"):
        Wheelhouse(tmp_path / "house")._take(file, [Pin("foo", "1", "", (H,))])


def test_an_index_that_cannot_be_reached_is_an_error_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(OperatorError, match="could not be downloaded"):
        Wheelhouse(tmp_path).resolve((Pin("no-such-thing-here", "1", "", (H,)),), BOOKWORM, 60)
