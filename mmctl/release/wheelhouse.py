"""Wheels for another machine, kept by digest: taken from the cache, else downloaded for that machine's platform."""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from mmctl.fleet.errors import DeadlineExceeded, OperatorError
from mmctl.fleet.login import home
from mmctl.release.lock import Pin, Platform, fits, pins_for

DOWNLOAD_SECONDS = 600
CHUNK = 1 << 20


@dataclass(frozen=True, order=True)
class Wheel:
    """One file of the wheelhouse; its digest was checked when it came in."""

    name: str
    file: str
    sha256: str
    size: int
    path: Path


def default_cache() -> Path:
    """MMCTL_WHEELS, or the user's cache folder."""
    given = os.environ.get("MMCTL_WHEELS")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache") / "mmctl" / "wheels"


def digest_of(path: Path) -> str:
    """SHA-256 of the file, in hex."""
    seen = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


class Wheelhouse:
    """A folder of ``<sha256>/<file name>``. A file is there only under its true digest."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_cache()

    def resolve(
        self, pins: tuple[Pin, ...], platform: Platform, deadline: float = DOWNLOAD_SECONDS
    ) -> tuple[Wheel, ...]:
        """A wheel for every pin that applies on ``platform``; downloads what is missing. Raises OperatorError that
        names what cannot be had."""
        wanted = pins_for(pins, platform)
        found = self._cached(wanted, platform)
        missing = [pin for pin in wanted if pin.name not in found]
        if missing:
            self._download(missing, platform, deadline)
            found |= self._cached(tuple(missing), platform)
        without = [f"{pin.name}=={pin.version}" for pin in wanted if pin.name not in found]
        if without:
            raise OperatorError(
                f"no wheel for {', '.join(without)} on {platform.machine} with Python {platform.python[0]}."
                f"{platform.python[1]} and glibc {platform.glibc[0]}.{platform.glibc[1]}",
                "pin a version that has one, then `make lock`",
            )
        return tuple(sorted(found.values()))

    def _cached(self, pins: tuple[Pin, ...], platform: Platform) -> dict[str, Wheel]:
        tags = frozenset(platform.tags())
        order = {tag: rank for rank, tag in enumerate(platform.tags())}
        found: dict[str, Wheel] = {}
        for pin in pins:
            choices = []
            for digest in pin.hashes:
                for path in (self.folder / digest).glob("*.whl"):
                    if fits(path.name, tags):
                        best = min(order[tag] for tag in parse_wheel_filename(path.name)[3] & tags)
                        choices.append((best, path, digest))
            if choices:
                _, path, digest = min(choices)
                found[pin.name] = Wheel(pin.name, path.name, digest, path.stat().st_size, path)
        return found

    def _download(self, pins: list[Pin], platform: Platform, deadline: float) -> None:
        """pip chooses among the platform's tags and checks the digests; markers were evaluated here already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            wanted = Path(scratch) / "wanted.txt"
            lines = [f"{p.name}=={p.version} {' '.join(f'--hash=sha256:{h}' for h in p.hashes)}" for p in pins]
            wanted.write_text("\n".join(lines) + "\n")
            version = f"{platform.python[0]}{platform.python[1]}"
            command = [
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                "--only-binary=:all:", "--no-deps", "--require-hashes", "--dest", scratch, "--requirement", str(wanted),
                "--implementation", "cp", "--python-version", version, "--abi", f"cp{version}", "--abi", "abi3",
                "--abi", "none", *[word for tag in platform.platforms() for word in ("--platform", tag)],
            ]  # fmt: skip
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=deadline)
            except subprocess.TimeoutExpired:
                raise DeadlineExceeded(f"downloading {len(pins)} wheels did not end within {deadline:g} s") from None
            for path in Path(scratch).glob("*.whl"):
                self._take(path, pins)
            if done.returncode:
                said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
                raise OperatorError(f"wheels could not be downloaded: {said[-1]}", "is the package index reachable?")

    def _take(self, path: Path, pins: list[Pin]) -> None:
        digest = digest_of(path)
        if not any(digest in pin.hashes for pin in pins):
            raise OperatorError(f"{path.name} has a digest that is not in the lock: refused")
        home = self.folder / digest
        home.mkdir(exist_ok=True)
        os.replace(path, home / path.name)
