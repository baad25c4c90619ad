"""The fleet file: which targets exist, which hosts each has, and how they are reached. Every error with its line."""

import os
import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from engine.config.document import Document, read
from mmctl.fleet.errors import FleetFileError, UsageError
from mmctl.fleet.host import SSH_PORT, Host, Pin
from mmctl.fleet.login import at_home, login
from mmctl.fleet.monitoring import Monitoring, read_monitoring

__all__ = [
    "DEFAULT_API_PORT",
    "DEFAULT_ROOT",
    "Fleet",
    "Host",
    "Pin",
    "Target",
    "find_fleet_file",
    "load_fleet",
    "local_target",
    "parse_fleet",
]

LOCAL = "local"
DEFAULT_ROOT = "/opt/market-maker"
DEFAULT_KEEP = 5
DEFAULT_API_PORT = 8080
ENVIRONMENTS = ("sandbox", "testnet", "canary", "production")
USUAL_PLACES = ("configs/fleet.yaml", "fleet.yaml")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True)
class Target:
    """A name operators use: hosts that run one config in one environment, on one exchange account or on one each.

    ``root`` is the folder of the layout; ``kind`` is "ssh" or "local"; ``env_file`` holds the secrets, on the
    operator's machine; ``api_port`` is the engine's loopback port (None: as the config says); ``managed`` means that
    systemd runs it, in the system's folders. ``members`` are all its hosts, also where ``hosts`` was narrowed to one.
    ``account_at`` and ``environment_at`` are file:line of what the fleet file says, "" where it leaves that to the
    config; ``at`` is the target's own line.
    """

    name: str
    kind: str
    hosts: tuple[Host, ...]
    environment: str
    account: str
    config: Path
    root: str = DEFAULT_ROOT
    env_file: Path | None = None
    keep: int = DEFAULT_KEEP
    api_port: int | None = None
    managed: bool = True
    members: tuple[Host, ...] = ()
    exchange: str = ""
    market: str = ""
    at: str = field(default="", compare=False)
    account_at: str = field(default="", compare=False)
    environment_at: str = field(default="", compare=False)

    @property
    def local(self) -> bool:
        """Whether the engine runs on this machine, without SSH."""
        return self.kind == LOCAL

    def on(self, host: Host) -> "Target":
        """This target as it is on ``host`` alone: with that host's account and secrets where it has its own."""
        return replace(
            self,
            hosts=(host,),
            account=host.account or self.account,
            account_at=host.account_at or self.account_at,
            env_file=host.env_file or self.env_file,
        )

    def at_host(self, name: str) -> "Target":
        """``on`` by the host's name."""
        return self.on(next(host for host in self.members or self.hosts if host.name == name))


@dataclass(frozen=True)
class Fleet:
    """All targets by name, ``local`` always among them; ``default`` is used where a verb names none."""

    file: Path | None
    default: str
    targets: dict[str, Target]
    monitoring: Monitoring = field(default_factory=Monitoring)

    def target(self, wanted: str | None = None) -> Target:
        """The target of ``NAME`` or ``NAME:HOST`` (None: the default). Raises UsageError with the nearest name."""
        name, _, host = (wanted or self.default).partition(":")
        if name not in self.targets:
            raise UsageError(f"there is no target {name!r} in {self.file or 'the fleet'}", _nearest(name, self.targets))
        target = self.targets[name]
        if not host:
            return target
        chosen = tuple(h for h in target.hosts if h.name == host)
        if not chosen:
            raise UsageError(f"target {name} has no host {host!r}", _nearest(host, [h.name for h in target.hosts]))
        return target.on(chosen[0])


def _nearest(word: str, known: Any) -> str:
    near = get_close_matches(word, list(known), 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def local_root() -> Path:
    """Where the built-in local target lives: MMCTL_LOCAL_ROOT, or a folder of the user's state."""
    given = os.environ.get("MMCTL_LOCAL_ROOT")
    if given:
        return at_home(given).absolute()
    return at_home(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "mmctl" / "local"


def local_target(config: Path | None = None) -> Target:
    """The target every fleet has: this machine, this user, the sandbox exchange."""
    host = Host(LOCAL, "127.0.0.1", user=login())
    return Target(
        LOCAL,
        LOCAL,
        (host,),
        "sandbox",
        "sandbox",
        config or Path("configs/config.yaml"),
        str(local_root()),
        managed=False,
    )


def find_fleet_file(given: Path | None = None) -> Path | None:
    """``given``, or MMCTL_FLEET, or the first usual place that exists, or None: then only ``local`` is known."""
    named = given or (Path(os.environ["MMCTL_FLEET"]) if os.environ.get("MMCTL_FLEET") else None)
    if named is not None:
        return named
    return next((Path(place) for place in USUAL_PLACES if Path(place).is_file()), None)


def load_fleet(given: Path | None = None) -> Fleet:
    """Read the fleet file. Raises :class:`FleetFileError` that lists every fault with file:line."""
    file = find_fleet_file(given)
    if file is None:
        return Fleet(None, LOCAL, {LOCAL: local_target()})
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FleetFileError(f"cannot read the fleet file {file}: {reason}", "`mmctl init DIR` writes one") from None
    return parse_fleet(text, file)


def parse_fleet(text: str, file: Path) -> Fleet:
    """The fleet that ``text`` describes; ``file`` gives the name in errors and the folder relative paths start from."""
    document = read(text, str(file), os.environ.get)
    fleet = _Reader(document, file).fleet() if not document.errors else None
    if document.errors or fleet is None:
        faults = sorted(document.errors, key=lambda e: e.line)
        raise FleetFileError("\n".join(str(fault) for fault in faults))
    return fleet


HOST_KEYS: dict[str, type] = {
    "name": str, "address": str, "port": int, "user": str, "key": str, "agent": bool, "known_hosts": str,
    "fingerprint": str, "fingerprints": list, "jump": dict, "become": bool, "account": str, "env_file": str,
}  # fmt: skip
TARGET_KEYS: dict[str, type] = {
    "transport": str, "environment": str, "account": str, "config": str, "env_file": str, "root": str, "keep": int,
    "api_port": int, "managed": bool, "hosts": list, "defaults": dict, "exchange": str, "market": str,
}  # fmt: skip
FLEET_KEYS: dict[str, type] = {"default": str, "defaults": dict, "targets": dict, "monitoring": dict}
SHOWN: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping"}
Path_ = tuple[str | int, ...]


class _Reader:
    """Walks the document once and notes every fault on it."""

    def __init__(self, document: Document, file: Path) -> None:
        self.document = document
        self.folder = file.absolute().parent
        self.file = file

    def fault(self, path: Path_, message: str, suggestion: str = "") -> None:
        self.document.add(path, self.document.line(path), message, suggestion)

    def section(self, value: Any, path: Path_, keys: dict[str, type]) -> dict[str, Any]:
        """The known, rightly typed keys of a mapping; a fault for each other."""
        if not isinstance(value, dict):
            self.fault(path, "expected a mapping of keys to values")
            return {}
        good: dict[str, Any] = {}
        for key, item in value.items():
            if key not in keys:
                near = get_close_matches(key, keys, 1, 0.5)
                self.fault(
                    (*path, key), "unknown key", f"did you mean {near[0]}?" if near else f"known: {', '.join(keys)}"
                )
            elif item is None:
                self.fault((*path, key), "has no value")
            else:
                wanted = keys[key]
                item = str(item) if wanted is str and isinstance(item, str | int | float) else item
                if isinstance(item, wanted) and not (wanted is int and isinstance(item, bool)):
                    good[key] = item
                else:
                    self.fault((*path, key), f"expected {SHOWN[wanted]}")
        return good

    def place(self, path: Path_) -> str:
        return f"{self.file}:{self.document.line(path)}"

    def local_path(self, text: str) -> Path:
        path = at_home(text)
        return path if path.is_absolute() else self.folder / path

    def port(self, values: dict[str, Any], key: str, path: Path_, otherwise: int | None) -> int | None:
        value = values.get(key)
        if value is None:
            return otherwise
        if not 1 <= value <= 65535:
            self.fault((*path, key), "expected a port from 1 to 65535")
        return int(value)

    def fleet(self) -> Fleet:
        top = self.section(self.document.data, (), FLEET_KEYS)
        shared = self.section(top.get("defaults", {}), ("defaults",), HOST_KEYS)
        targets = {LOCAL: local_target(self._local_config())}
        for name, value in top.get("targets", {}).items():
            target = self.target(str(name), value, ("targets", name), shared)
            if target is not None:
                targets[str(name)] = target
        default = top.get("default", LOCAL)
        if default not in targets and not self.document.errors:
            self.fault(("default",), f"there is no target {default!r}", _nearest(default, targets))
        return Fleet(self.file, default, targets, read_monitoring(self, top.get("monitoring", {}), shared))

    def _local_config(self) -> Path:
        return self.folder / "config.yaml"

    def target(self, name: str, value: Any, path: Path_, shared: dict[str, Any]) -> Target | None:
        if not NAME.match(name):
            self.fault(path, "a target's name holds only letters, digits, dots, dashes and underscores")
        known = len(self.document.errors)
        values = self.section(value, path, TARGET_KEYS)
        kind = values.get("transport", "ssh")
        if kind not in ("ssh", LOCAL):
            self.fault((*path, "transport"), f"unknown transport {kind!r}", "ssh or local")
        environment = values.get("environment", "sandbox")
        if environment not in ENVIRONMENTS:
            self.fault(
                (*path, "environment"), f"unknown environment {environment!r}", f"one of {', '.join(ENVIRONMENTS)}"
            )
        keep = values.get("keep", DEFAULT_KEEP)
        if keep < 2:
            self.fault((*path, "keep"), "keep at least 2 releases: the running one and the one to go back to")
        if kind == LOCAL:
            hosts: tuple[Host, ...] = (Host(name, "127.0.0.1", user=login()),)
            root = str(self.local_path(values["root"])) if "root" in values else str(local_root().with_name(name))
        else:
            inherited = shared | self.section(values.get("defaults", {}), (*path, "defaults"), HOST_KEYS)
            hosts = self.hosts(values.get("hosts"), (*path, "hosts"), inherited)
            root = values.get("root", DEFAULT_ROOT)
            if not re.fullmatch(r"/[A-Za-z0-9._/-]+", root) or ".." in root:
                self.fault((*path, "root"), "expected an absolute path of plain characters")
        api_port = self.port(values, "api_port", path, None)
        if len(self.document.errors) > known:
            return None
        return Target(
            name=name, kind=kind, hosts=hosts, environment=environment, account=values.get("account", environment),
            config=self.local_path(values.get("config", "config.yaml")), root=root.rstrip("/"),
            env_file=self.local_path(values["env_file"]) if "env_file" in values else None, keep=keep,
            api_port=api_port, managed=values.get("managed", kind != LOCAL), members=hosts,
            exchange=values.get("exchange", ""), market=values.get("market", ""), at=self.place(path),
            account_at=self.place((*path, "account")) if "account" in values else "",
            environment_at=self.place((*path, "environment")) if "environment" in values else "",
        )  # fmt: skip

    def hosts(self, value: Any, path: Path_, inherited: dict[str, Any]) -> tuple[Host, ...]:
        if not isinstance(value, list) or not value:
            self.fault(path, "expected a list of at least one host")
            return ()
        found = [self.host(item, (*path, i), inherited, f"host{i + 1}") for i, item in enumerate(value)]
        names = [host.name for host in found if host]
        for i, host in enumerate(found):
            if host and names.index(host.name) != i and names.count(host.name) > 1:
                self.fault((*path, i), f"the host name {host.name!r} is used twice")
        return tuple(host for host in found if host)

    def host(self, value: Any, path: Path_, inherited: dict[str, Any], fallback: str) -> Host | None:
        known = len(self.document.errors)
        values = inherited | self.section({"address": value} if isinstance(value, str) else value, path, HOST_KEYS)
        if "address" not in values:
            self.fault(path, "a host needs an address")
            return None
        if not re.fullmatch(r"[A-Za-z0-9_:][A-Za-z0-9._:%-]*", values["address"]):
            self.fault((*path, "address"), "expected a host name or an IP address")
        if not re.fullmatch(r"[a-z_][a-z0-9_-]*", values.get("user", "root")):
            self.fault((*path, "user"), "expected a user name")
        if "key" in values and values.get("agent"):
            self.fault((*path, "agent"), "give either a key or agent: true, not both")
        pins = []
        for text in [*values.get("fingerprints", []), *([values["fingerprint"]] if "fingerprint" in values else [])]:
            if isinstance(text, str) and FINGERPRINT.match(text):
                pins.append(Pin("", text))
            else:
                where = "fingerprint" if "fingerprint" in values else "fingerprints"
                self.fault((*path, where), "expected SHA256: and 43 characters", "`ssh-keygen -lf KEY.pub` prints it")
        port = self.port(values, "port", path, SSH_PORT)
        jump = (
            self.host(values["jump"], (*path, "jump"), _without_jump(inherited), "jump") if "jump" in values else None
        )
        if len(self.document.errors) > known:
            return None
        return Host(
            name=values.get("name", values["address"] if isinstance(value, str) else fallback),
            address=values["address"],
            port=port or SSH_PORT, user=values.get("user", "root"),
            key=str(self.local_path(values["key"])) if "key" in values else None,
            known_hosts=self.local_path(values["known_hosts"]) if "known_hosts" in values else None,
            pins=tuple(pins), jump=jump, become=values.get("become", False), account=values.get("account", ""),
            env_file=self.local_path(values["env_file"]) if "env_file" in values else None,
            account_at=self.place((*path, "account")) if "account" in values else "",
        )  # fmt: skip


def _without_jump(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in ("jump", "name", "address", "port", "account", "env_file")}
