"""Whose account each host of the fleet would quote: fleet and config must agree, and a file lease has one host only.

A file lease is a lock on one host: it keeps two engines of that host apart, and knows nothing of another host's. Until
leases are shared between hosts, no two hosts may quote one account. Read leniently, as ``mmctl.client.site`` does:
what the config does not say, or says with a variable that is not known here, is not compared.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from engine.config.document import Document, read
from mmctl.fleet.errors import OperatorError, Refused
from mmctl.fleet.inventory import Fleet, Host, Target

WAY_OUT = (
    "Give each host an account of its own (account and env_file of the host in the fleet file), or leave one host. "
    "status, health, halt, cancel, flatten and stop work on all of them."
)


@dataclass(frozen=True)
class Seat:
    """One engine's place: a host of a target, and the account its config gives it there ("" = not known here)."""

    target: Target
    host: Host
    account: str
    environment: str
    key: str  # digest of the API key, "" = not known here
    paper: bool
    lease: str  # kind of the lease
    lock: tuple[str, int, str]  # where the lease is: address, port, path

    @property
    def name(self) -> str:
        """Target and host, as in ``production:alpha``."""
        return f"{self.target.name}:{self.host.name}"

    def meets(self, other: "Seat") -> bool:
        """Whether both would quote one account with nothing that keeps them apart."""
        if self.paper or other.paper or "file" not in (self.lease, other.lease) or self.lock == other.lock:
            return False
        if self.environment == "sandbox" and self.target.local != other.target.local:
            return False  # a sandbox on this machine and one elsewhere are two exchanges
        same = (self.account, self.environment) == (other.account, other.environment)
        keyed = bool(self.key) and self.key == other.key and "sandbox" not in (self.environment, other.environment)
        return same or keyed


def seats(target: Target) -> list[Seat]:
    """One seat a host, of all hosts of the target, whether or not it was narrowed to one."""
    return [seat(target.on(host)) for host in target.members or target.hosts]


def seat(target: Target) -> Seat:
    """The seat of a target of one host."""
    document, host = config_of(target), target.hosts[0]
    told = _text(document, "exchange", "account")
    environment = _text(document, "environment") or target.environment
    account = told or target.account
    data = PurePosixPath(target.root) / "shared" / (_text(document, "data_dir") or "data")
    lock = PurePosixPath(target.root) / "shared" / (_text(document, "lease", "path") or data / f"lease-{account}.lock")
    key = _text(document, "exchange", "api_key")
    return Seat(
        target,
        host,
        account,
        environment,
        hashlib.sha256(key.encode()).hexdigest() if key else "",
        document.value(("paper", "enabled")) is True,
        _text(document, "lease", "kind") or "file",
        (host.address, host.port, str(lock)),
    )


def config_of(target: Target) -> Document:
    """The target's config with the secrets that are known here; empty where it cannot be read."""
    try:
        text = target.config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Document(str(target.config))
    return read(text, str(target.config), _variables(target).get)


def raw_of(target: Target) -> Callable[..., str]:
    """A question to the target's config: the text at a path as it is written, variables not put in; "" for none."""
    import yaml

    try:
        data = yaml.load(target.config.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        data = {}

    def at(*path: str) -> str:
        value: Any = data
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) and value not in ("null", "~") else ""

    return at


def _variables(target: Target) -> Mapping[str, str]:
    from engine.config import ConfigErrors, read_env_file

    if target.env_file is None:
        return os.environ if target.local else {}
    try:
        return read_env_file(target.env_file)
    except (ConfigErrors, OSError, UnicodeDecodeError):
        return {}


def _text(document: Document, *path: str) -> str:
    """The value at ``path`` as text; "" where there is none or a variable in it is not known here."""
    name = ".".join(path)
    if any(error.path == name for error in document.errors):
        return ""
    value: Any = document.value(path)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


# --- one account, one host


def shared_account(fleet: Fleet, target: Target) -> str | None:
    """Why ``target`` must not be made to quote, or None: two hosts of the fleet would quote one account.

    Narrowing to one host does not change the answer: the other host's engine does not know of it.
    """
    mine = seats(target)
    others = [s for other in fleet.targets.values() if other.name != target.name and other.at for s in seats(other)]
    for index, one in enumerate(mine):
        for other in (*mine[index + 1 :], *others):
            if one.meets(other):
                own = one.account == other.account
                what = f"the account {one.account}" if own else f"one API key (accounts {one.account}, {other.account})"
                return (
                    f"{one.name} and {other.name} would both quote {what} ({one.environment}), and a file lease "
                    "cannot keep two hosts apart"
                )
    return None


def refuse_shared_account(fleet: Fleet, target: Target) -> None:
    """Raises Refused (exit code 7) for what ``shared_account`` finds."""
    reason = shared_account(fleet, target)
    if reason is not None:
        raise Refused(f"{reason}; nothing was done", WAY_OUT)


# --- fleet and config agree


def disagreements(target: Target) -> Iterator[str]:
    """What the fleet file and the config of ``target`` (its chosen hosts) say differently, each with both places."""
    told: set[str] = set()
    for host in target.hosts:
        for text in _disagreements(target.on(host)):
            if text not in told:
                told.add(text)
                yield text


def _disagreements(target: Target) -> Iterator[str]:
    document = config_of(target)
    pairs = (
        ("account", target.account if target.account_at else "", ("exchange", "account"), target.account_at),
        ("environment", target.environment if target.environment_at else "", ("environment",), target.environment_at),
        ("exchange", target.exchange, ("exchange", "name"), target.at),
        ("market", target.market, ("exchange", "market"), target.at),
    )
    for name, wanted, path, place in pairs:
        found = _text(document, *path)
        if wanted and found and wanted != found:
            here = f"{document.file}:{document.line(path)}"
            yield f"{place}: {name} {wanted}, but {here}: {'.'.join(path)} {found} (target {target.name})"


def refuse_disagreement(target: Target) -> None:
    """Raises Refused (exit code 7) naming both files with the lines that differ."""
    found = list(disagreements(target))
    if found:
        raise Refused("\n".join(found), "a config reaches only the account and environment it was written for")


def obstacle(fleet: Fleet, target: Target) -> OperatorError | None:
    """The first of both refusals, or None."""
    try:
        refuse_disagreement(target)
        refuse_shared_account(fleet, target)
    except OperatorError as error:
        return error
    return None
