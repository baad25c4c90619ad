"""A host that was deployed to before: wheels, tools and dependencies of the lock are on its disk, no release is.

To bring some hundred packages to a host and to compile them takes most of a first deploy. What tests something else
boots its hosts with this layer; a first deploy to a pristine host has tests of its own (``test_deploy.py``, the walk
through DEPLOYMENT). ``python -m tests.hosts.used`` makes the layer before any test waits for it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.hosts.machines import IMAGE, Lan, build_image
from tests.needs import ROOT

MADE_BY = ("requirements.lock", "mmctl/remote/*.py", "mmctl/release/*.py")
KEPT = ("wheels", "envs", "tools")
COPY_S = 300.0
UNUSED_S = 7 * 86_400.0


def _digest() -> str:
    """Of all that decides what a deploy leaves in the shared folders."""
    found = hashlib.sha256()
    for pattern in MADE_BY:
        for path in sorted(ROOT.glob(pattern)):
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def used_layer() -> Path:
    """The layer, made by a real deploy to a pristine host (about a minute) where today's is not there yet."""
    layer = IMAGE.with_name(f"used-{_digest()}")
    layer.parent.mkdir(parents=True, exist_ok=True)
    with open(layer.parent / "deploying", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _forget_the_old(layer.parent)
        if not layer.exists():
            _deploy_once(layer)
        os.utime(layer)
    return layer


def _forget_the_old(folder: Path) -> None:
    """Another checkout may run on its own layer right now: only what nobody used for a week goes."""
    for old in folder.glob("used-*"):
        if time.time() - old.stat().st_mtime > UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)


def _deploy_once(layer: Path) -> None:
    from tests.hosts.conftest import Operator, as_host
    from tests.hosts.project import Project

    part = layer.with_name(layer.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir()
    with Lan() as lan, tempfile.TemporaryDirectory() as folder:
        machine = lan.boot()
        person = Operator(Path(folder, "operator"), Project(Path(folder, "source")), [as_host(machine)])
        person.write()
        done = person.json("deploy")
        assert done.code == 0, done.err
        shared = [f"opt/market-maker/shared/{name}" for name in KEPT]
        subprocess.run(["cp", "-a", "--parents", *shared, str(part)], cwd=machine.root, check=True, timeout=COPY_S)
    part.rename(layer)


if __name__ == "__main__":
    if os.geteuid() == 0 and shutil.which("debootstrap"):  # what this machine lacks, the tests say
        try:
            build_image()
            used_layer()
        except (RuntimeError, AssertionError) as error:
            print(f"not made ahead, the first test that wants it tries again: {error}")
