"""One wheel of the project, the same for the same sources: built by hatchling here, without a network."""

import base64
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Refused
from mmctl.release import packed
from mmctl.release.assets import PACKAGE, checkout

# Zip members carry this time, so that the same sources give the same bytes (2020-01-01, as good as any).
EPOCH = "1577836800"
ZIP_TIME = (2020, 1, 1, 0, 0, 0)
BUILD_SECONDS = 120
NO_TEMPLATES = (".lock", ".xz")  # hashes and a compressed script: nobody fills in a value there
HOOK = "mmctl/release/wheel_hook.py"
NOT_PACKED = "\nRuntimeError: this tree is not packed: "


@dataclass(frozen=True)
class Built:
    """A wheel on this machine. ``content`` is the digest of what is in it, however the zip came to be."""

    path: Path
    sha256: str
    size: int
    content: str


def build(into: Path, project: Path | None = None, deadline: float = BUILD_SECONDS) -> Built:
    """Build the wheel of ``project`` (None: of the code that is running) into the folder ``into``."""
    into.mkdir(parents=True, exist_ok=True)
    top = project or checkout()
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        made = _from_sources(top, Path(scratch), deadline) if top is not None else _from_installation(Path(scratch))
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        final = into / digest / made.name
        final.parent.mkdir(exist_ok=True)
        os.replace(made, final)
    return Built(final, digest, final.stat().st_size, content_of(final))


def _from_sources(top: Path, scratch: Path, deadline: float) -> Path:
    # The tree's own hook judges it; a tree from before there was one is judged by what is known here.
    _refuse_strays([] if (top / HOOK).is_file() else packed.faults(top))
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"SOURCE_DATE_EPOCH": EPOCH}
    try:
        done = subprocess.run(command, cwd=top, env=environment, capture_output=True, text=True, timeout=deadline)
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"building the wheel of {top} did not end within {deadline:g} s") from None
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        _, refused, faults = done.stderr.partition(NOT_PACKED)
        _refuse_strays(faults.split("\n")[0].split("; ") if refused else [])
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise OperatorError(
            f"the wheel of {top} could not be built: {last}", "`python -m hatchling build -t wheel` says more"
        )
    return wheels[0]


def _refuse_strays(faults: list[str]) -> None:
    """Raises Refused that names each file a wheel must not carry."""
    if faults:
        raise Refused("the wheel is not built:\n" + "\n".join(faults), "nothing was changed")


def _from_installation(scratch: Path) -> Path:
    """The installed package packed again: for operators who have no source tree."""
    distribution = metadata.distribution("mmctl")
    files = [f for f in distribution.files or [] if f.suffix != ".pyc" and ".." not in f.parts]
    if not files:
        raise OperatorError(f"the installation in {PACKAGE} has no list of its files", "install mmctl from its wheel")
    name = f"mmctl-{distribution.version}"
    info = f"{name}.dist-info/"
    path = scratch / f"{name}-py3-none-any.whl"
    # What an installer adds (its name, its caches, scripts) is not the package.
    own = {info + name for name in ("METADATA", "WHEEL", "entry_points.txt")}
    rows: list[str] = []
    strays: list[str] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in sorted(files, key=str):
            member = (
                str(file).replace(str(file.parts[0]) + "/", info, 1) if ".dist-info" in file.parts[0] else str(file)
            )
            if member.partition("/")[0] not in ("mmctl", "engine") and member not in own:
                continue
            data = Path(str(file.locate())).read_bytes()
            if member.startswith("mmctl/assets/") and not member.endswith(NO_TEMPLATES):
                strays += packed.secrets_in(member, data.decode("utf-8", "replace"))
            wheel.writestr(_member(member), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            rows.append(f"{member},sha256={digest},{len(data)}")
        wheel.writestr(_member(info + "RECORD"), "\n".join([*rows, info + "RECORD,,", ""]))
    _refuse_strays(strays)
    return path


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def content_of(wheel: Path) -> str:
    """SHA-256 over names and bytes of the members; the wheel's own bookkeeping left out, and what people read."""
    content = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith((".dist-info/RECORD", ".dist-info/WHEEL")) and ".data/data/share/" not in name:
                content.update(name.encode() + b"\0" + hashlib.sha256(archive.read(name)).digest())
    return content.hexdigest()
