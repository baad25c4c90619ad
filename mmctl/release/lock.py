"""The lock file read for another machine: which pins apply there, and which wheels fit it."""

import re
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mmctl.fleet.errors import OperatorError

PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;]+)\s*(?:;\s*(?P<marker>.+?))?\s*\Z")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
MANYLINUX_ALIASES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
OLDEST_GLIBC_MINOR = 5


class LockFileError(OperatorError):
    """The lock file cannot be used; says which line and why."""


@dataclass(frozen=True)
class Pin:
    """One line of the lock: a package at one version, whose file must have one of these digests."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Platform:
    """The machine a wheel must fit: its own Python (X.Y.Z), architecture, and glibc version."""

    python: tuple[int, int, int]
    machine: str
    glibc: tuple[int, int]

    def environment(self) -> dict[str, str]:
        """The values markers are evaluated with."""
        full = ".".join(map(str, self.python))
        return {
            "implementation_name": "cpython", "implementation_version": full, "os_name": "posix",
            "platform_machine": self.machine, "platform_python_implementation": "CPython", "platform_release": "",
            "platform_system": "Linux", "platform_version": "", "python_full_version": full,
            "python_version": f"{self.python[0]}.{self.python[1]}", "sys_platform": "linux", "extra": "",
        }  # fmt: skip

    def platforms(self) -> list[str]:
        """Platform tags that run there, the most specific first."""
        tags = []
        for minor in range(self.glibc[1], OLDEST_GLIBC_MINOR - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if (2, minor) in MANYLINUX_ALIASES:
                tags.append(f"{MANYLINUX_ALIASES[2, minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]

    def tags(self) -> list[Tag]:
        """Every tag that runs there, the best first."""
        version = self.python[:2]
        platforms = self.platforms()
        interpreter = f"cp{version[0]}{version[1]}"
        return [
            *cpython_tags(version, [f"{interpreter}"], platforms),
            *compatible_tags(version, interpreter, platforms),
        ]


def parse_lock(text: str, name: str = "requirements.lock") -> tuple[Pin, ...]:
    """The pins of a hashed lock file. Raises LockFileError for a line without a version or a digest."""
    pins = []
    joined = re.sub(r"\\\n\s*", " ", text)
    for number, line in enumerate(joined.splitlines(), 1):
        bare = line.split("#", 1)[0].strip()
        if not bare:
            continue
        hashes = tuple(HASH.findall(bare))
        found = PIN.match(HASH.sub("", bare).strip())
        if found is None or not hashes:
            raise LockFileError(
                f"{name}: entry {number}: expected NAME==VERSION with --hash=sha256:", "`make lock` writes it"
            )
        pins.append(Pin(canonicalize_name(found["name"]), found["version"], found["marker"] or "", hashes))
    return tuple(pins)


def pins_for(pins: tuple[Pin, ...], platform: Platform) -> tuple[Pin, ...]:
    """The pins whose markers hold on ``platform``."""
    environment = platform.environment()
    return tuple(pin for pin in pins if not pin.marker or Marker(pin.marker).evaluate(environment))


def fits(file_name: str, tags: frozenset[Tag]) -> bool:
    """Whether a wheel of this name runs where ``tags`` hold."""
    try:
        return bool(parse_wheel_filename(file_name)[3] & tags)
    except InvalidWheelFilename:
        return False
