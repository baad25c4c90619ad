"""What a test needs from the machine: skip with the reason, or fail when MM_REQUIRE=all says nothing may be skipped."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MM_DATA", ROOT.parent / "shared" / "data"))


def need(available: bool, what: str) -> None:
    """Skip the calling test, naming ``what`` is missing; fail it instead under MM_REQUIRE=all."""
    if available:
        return
    if os.environ.get("MM_REQUIRE") == "all":
        pytest.fail(f"MM_REQUIRE=all, but this machine lacks {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def need_program(*names: str) -> None:
    for name in names:
        need(shutil.which(name) is not None, f"the program {name}")


def need_root() -> None:
    need(os.geteuid() == 0, "root")


def data_file(relative: str) -> Path:
    """A file of the real recordings (MM_DATA, or shared/data beside the checkout)."""
    path = DATA / relative
    need(path.exists(), f"the recording {relative} (set MM_DATA to the folder that holds it)")
    return path
