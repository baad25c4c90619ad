"""What a host says of itself before anything is planned, and what of it forbids a deploy."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.transport import Transport
from mmctl.release import compatible
from mmctl.release.compatible import UNKNOWN, JournalFact, SchemaRange
from mmctl.release.lock import Platform
from mmctl.remote import layout as remote
from mmctl.remote import reading, schemas, units
from mmctl.remote.layout import Layout

CALL_SECONDS = 20.0
MIN_PYTHON, MAX_PYTHON = (3, 11), (3, 13)
MIN_SYSTEMD = 247
MIN_MEMORY_MB = 400
# An installed environment is about this many times its wheels; measured: 142 MB of wheels become 480 MB compiled.
UNPACKED_RATIO = 3.6
# The running engine's journal and logs must not be starved by a deploy.
SPARE_DISK_MB = 200
MAX_CLOCK_OFFSET_SECONDS = 5.0


@dataclass(frozen=True)
class ReleaseFact:
    """A release on a host, with its markers and the shared environment it was made from."""

    id: str
    complete: bool
    good: bool
    bad: bool
    env: str
    port: int = 0  # of its engine's listener; 0 = it does not say
    by: str = ""  # who deployed it
    revision: str = ""  # of the sources it was made from
    schema: SchemaRange = UNKNOWN  # of the journal, that it can work with
    journal: str | None = None  # its journal's path; "" = on a server, None = it does not say

    @property
    def sha(self) -> str:
        """The part of the id that names its contents."""
        return self.id.rpartition("-")[2]

    @property
    def made(self) -> str:
        """When it was made, UTC, as ``2026-01-31 12:00:00Z``; empty for an id of another form."""
        try:
            return datetime.strptime(self.id.partition("-")[0], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%d %H:%M:%SZ")
        except ValueError:
            return ""


@dataclass(frozen=True)
class Facts:
    """One host, as read in one call. Sizes in MB; ``clock_offset`` in seconds, positive when the host is ahead."""

    uid: int
    machine: str
    kernel: str
    python: tuple[int, int, int] | None
    implementation: str
    glibc: tuple[int, int] | None
    systemd: int
    memory_mb: int
    disk_mb: int
    writable: bool
    clock_offset: float
    port_used: bool
    active: str
    user: str
    current: str
    env_sha256: str
    config_sha256: str
    wheels: frozenset[str]
    envs: frozenset[str]
    releases: tuple[ReleaseFact, ...]
    history: tuple[str, ...] = ()
    boot: str = ""  # another one after each start of the machine
    condemned: Mapping[str, str] = field(default_factory=dict)  # content that did not come up -> why
    journals: Mapping[str, JournalFact] = field(default_factory=dict)  # by path

    @property
    def platform(self) -> Platform:
        """Python, machine and C library, which wheels are chosen for."""
        assert self.python is not None
        assert self.glibc is not None
        return Platform(self.python, self.machine, self.glibc)

    def release(self, wanted: str) -> ReleaseFact | None:
        """The release of that id on the host, None where there is none."""
        return next((r for r in self.releases if r.id == wanted), None)

    def port_of(self, release: str, otherwise: int) -> int:
        """Where the engine of ``release`` listens; a port is part of a release's config and changes with it."""
        found = self.release(release)
        return found.port if found is not None and found.port else otherwise


def _number(text: str) -> int:
    digits = "".join(c for c in text.split(".")[0].split("-")[0] if c.isdigit())
    return int(digits) if digits else 0


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def parse(text: str, now: float) -> Facts:
    """The answer of :func:`mmctl.remote.layout.facts`; ``now`` is our clock, in seconds, at the middle of the call."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {"wheel": [], "env": [], "release": [], "history": [], "condemned": [], "about": []}
    many |= {"schema": [], "journal": []}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key in many:
            many[key].append(value)
        else:
            single[key] = value.strip()
    python = _version(single.get("python_version", ""))
    libc, _, libc_version = single.get("libc", "").partition("-")
    glibc = _version(libc_version)
    about = dict(_about(row) for row in many["about"])
    reads = {name: compatible.parse_release(told) for name, _, told in (row.partition(" ") for row in many["schema"])}
    releases = []
    for row in many["release"]:
        name, *words = row.split()
        env = next((w[4:] for w in words if w.startswith("env:")), "")
        port = next((_number(w[5:]) for w in words if w.startswith("port:")), 0)
        marks = ("complete" in words, "good" in words, "bad" in words)
        schema, journal = reads.get(name, (UNKNOWN, None))
        by, revision = about.get(name, ("", ""))
        releases.append(ReleaseFact(name, *marks, env, port, by, revision, schema, journal))
    try:
        offset = float(single.get("clock", "")) - now
    except ValueError:
        offset = 0.0
    return Facts(
        uid=_number(single.get("uid", "")), machine=single.get("machine", ""), kernel=single.get("kernel", ""),
        python=(python[0], python[1], python[2]) if len(python) == 3 else None,
        implementation=single.get("implementation", ""),
        glibc=(glibc[0], glibc[1]) if libc == "glibc" and len(glibc) >= 2 else None,
        systemd=_number(single.get("systemd", "")), memory_mb=_number(single.get("memory_mb", "")),
        disk_mb=_number(single.get("disk_mb", "")), writable=single.get("writable") == "yes", clock_offset=offset,
        port_used=single.get("port_used") == "yes", active=single.get("active", ""), user=single.get("user", ""),
        current=single.get("current", ""), env_sha256=single.get("env_sha256", ""),
        config_sha256=single.get("config_sha256", ""), wheels=frozenset(many["wheel"]), envs=frozenset(many["env"]),
        releases=tuple(sorted(releases, key=lambda r: r.id)),
        history=tuple(many["history"]), boot=single.get("boot", ""),
        condemned={content: why for content, _, why in (row.partition(" ") for row in many["condemned"])},
        journals=compatible.parse_journals(many["journal"]),
    )  # fmt: skip


def _about(row: str) -> tuple[str, tuple[str, str]]:
    """A release's id, and from its RELEASE.json who deployed it and its revision."""
    name, _, text = row.partition(" ")
    try:
        told = json.loads(text)
        return name, (str(told.get("by") or ""), str(told.get("revision") or ""))
    except (ValueError, AttributeError):
        return name, ("", "")


def gather(transport: Transport, layout: Layout, port: int, journal: str | None = None) -> Facts:
    """Ask one host. ``journal`` is the path of the one that is meant, where it is a file; none: where it lies else."""
    before = time.time()
    asked = schemas.look(layout, (journal,) if journal else ())
    result = transport.run(remote.facts(layout, port, units.activity(layout, sys.executable), asked), CALL_SECONDS)
    text = result.checked(f"{transport.name}: cannot read its facts").out
    return parse(text, (before + time.time()) / 2)


def journal_of(transport: Transport, layout: Layout, facts: Facts, path: str) -> JournalFact:
    """What the journal at ``path`` is, "" = on a server, which is asked with the release that is current.

    Where none is current nobody could ask: the release finds out at its first start.
    """
    if path:
        return facts.journals.get(path, JournalFact(problem=f"{path} was not looked at"))
    if not facts.current:
        return JournalFact()
    asked = reading.questions("", {"schema": schemas.QUESTION}, {}, CALL_SECONDS)
    said = transport.run(reading.server_script(layout), CALL_SECONDS + 10, asked)
    try:
        answer = reading.answers(said.checked("it cannot be asked").out)["schema"]
        return compatible.from_rows(answer)
    except (OperatorError, KeyError, TypeError, ValueError) as error:
        return JournalFact(problem=str(error).replace("\n", " ")[:300])


def obstacles(facts: Facts, layout: Layout, needed_mb: int, env_present: bool, port: int = 0) -> list[str]:
    """Why this host cannot take the release, every reason at once; empty when it can.

    ``needed_mb`` is what must be uploaded; where the environment is not there yet it is unpacked as well. ``port`` is
    the one asked about: a running engine that listens on another one does not hold it.
    """
    reasons = []
    if facts.kernel != "Linux":
        reasons.append(f"it runs {facts.kernel or 'an unknown system'}; engines run on Linux")
    if facts.python is None:
        reasons.append("it has no python3; on Debian: apt-get install python3")
    elif not MIN_PYTHON <= facts.python[:2] <= MAX_PYTHON or facts.implementation != "cpython":
        has = ".".join(map(str, facts.python))
        reasons.append(f"its python3 is {facts.implementation} {has}; engines need CPython 3.11 to 3.13")
    if facts.python is not None and facts.glibc is None:
        reasons.append("its C library is not glibc; the wheels of numba and numpy need glibc")
    if layout.managed and facts.uid != 0:
        reasons.append("we are not root there; log in as root, or write `become: true` for sudo without a password")
    if layout.managed and facts.systemd < MIN_SYSTEMD:
        reasons.append(f"it needs systemd {MIN_SYSTEMD} or newer, and has {facts.systemd or 'none'}")
    if not facts.writable:
        reasons.append(f"{layout.root} cannot be written")
    if facts.memory_mb < MIN_MEMORY_MB:
        reasons.append(f"{facts.memory_mb} MB of memory are free; the engine needs {MIN_MEMORY_MB} MB")
    want = needed_mb if env_present else int(needed_mb * (1 + UNPACKED_RATIO))
    if facts.disk_mb < want + SPARE_DISK_MB:
        reasons.append(f"{facts.disk_mb} MB of disk are free under {layout.root}; needed: {want + SPARE_DISK_MB} MB")
    if abs(facts.clock_offset) > MAX_CLOCK_OFFSET_SECONDS:
        reasons.append(f"its clock is off by {facts.clock_offset:+.1f} s; exchanges refuse orders with a wrong time")
    ours = facts.active == "active" and facts.port_of(facts.current, port) == port
    if facts.port_used and not ours:
        reasons.append("the engine's port is taken by another program")
    return reasons


def require(name: str, reasons: list[str]) -> None:
    """Raise Refused with all reasons when there is one."""
    if reasons:
        from mmctl.fleet.errors import Refused

        raise Refused(f"{name}: " + "; ".join(reasons), "nothing was changed")


def good_before(facts: Facts) -> ReleaseFact | None:
    """The good release that ran before the current one: where a rollback goes. By the host's history, not by age."""
    good = {r.id: r for r in facts.releases if r.complete and r.good and not r.bad}
    history = list(facts.history)
    if facts.current in history:
        # What ran before the current one began its present turn.
        while history and history[-1] != facts.current:
            history.pop()
    for release in reversed(history):
        if release != facts.current and release in good:
            return good[release]
    return None


def unknown_release(wanted: str, facts: Facts) -> OperatorError:
    """The error for a release that is not on the host; it names those that are complete there."""
    from mmctl.fleet.errors import UsageError

    known = ", ".join(r.id for r in facts.releases if r.complete) or "none"
    return UsageError(f"there is no release {wanted!r} on the host", f"there are: {known}")
