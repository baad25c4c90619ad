"""Finished files to a store: a folder, or another host over SFTP (OpenSSH's client). Proved there before it counts.

What is shipped is verified first: a file that is not what its check says stays here and is told. A file in the store is
whole or not there: it gets its name only after it was read back, and the check follows last. Nothing is overwritten.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from engine.recorder.folder import digest_of, read_check
from engine.recorder.segment import beside, durable, put_text

FILE_S: Final = 1800.0  # of one SFTP session
CONNECT_S: Final = 15


class ShipError(Exception):
    """A file did not get to the store; the message says which and why."""


class Damaged(ShipError):
    """The file here is not what its check says."""


class Store(Protocol):
    """Where files go. ``put`` raises ShipError; afterwards the store holds exactly those bytes under that name."""

    def put(self, path: Path, name: str, sha256: str) -> None:
        """Bring ``path`` there as ``name`` (with folders), unless it is there already, equal."""
        ...


class FolderStore:
    """A folder: another disk, or a mounted share, which must be there. It is not made: an unmounted one is a fault."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: Path, name: str, sha256: str) -> None:
        """See ``Store``."""
        target = self._root / name
        partial = target.with_name(target.name + ".part")
        try:
            if not self._root.is_dir():
                raise ShipError(f"{self._root} is no folder: is the store mounted?")
            if target.exists():
                if digest_of(target)[1] != sha256:
                    raise ShipError(f"{target} is there already and is another file; move it away")
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            if digest_of(partial)[1] != sha256:
                raise ShipError(f"{partial} is not what was written to it")
            partial.replace(target)
            durable(target.parent)
        except OSError as error:
            raise ShipError(f"{target}: {error.strerror or error}") from None


class SftpStore:
    """``sftp://USER@HOST[:PORT]/FOLDER``; by OpenSSH's ``sftp``; what was sent is fetched back and compared."""

    def __init__(self, url: str, key: Path, known_hosts: Path) -> None:
        parts = urlsplit(url)
        self._host, self._root = f"{parts.username}@{parts.hostname}", parts.path.rstrip("/")
        options = {
            "BatchMode": "yes", "StrictHostKeyChecking": "yes", "UserKnownHostsFile": f'"{known_hosts}"',
            "IdentitiesOnly": "yes", "ConnectTimeout": str(CONNECT_S), "ServerAliveInterval": "15",
            "ServerAliveCountMax": "3", "LogLevel": "ERROR",
        }  # fmt: skip
        self._argv = ["sftp", "-F", "/dev/null", "-i", str(key), "-P", str(parts.port or 22), "-b", "-"]
        for name, value in options.items():
            self._argv += ["-o", f"{name}={value}"]

    def put(self, path: Path, name: str, sha256: str) -> None:
        """See ``Store``."""
        target = f"{self._root}/{name}"
        with tempfile.TemporaryDirectory(prefix="ship-", dir=path.parent) as scratch:
            back = Path(scratch) / "back"
            if self._run(f"-get {_q(target)} {_q(str(back))}") and back.exists():
                if digest_of(back)[1] != sha256:
                    raise ShipError(f"{target} is in the store already and is another file; move it away")
                return
            folders = [str(part) for part in reversed(Path(target).parents) if len(part.parts) > 1]
            lines = [f"-mkdir {_q(folder)}" for folder in folders]
            lines += [f"put {_q(str(path))} {_q(target + '.part')}", f"get {_q(target + '.part')} {_q(str(back))}"]
            self._run("\n".join(lines))
            if not back.exists() or digest_of(back)[1] != sha256:
                raise ShipError(f"{target}.part is not what was sent")
            self._run(f"rename {_q(target + '.part')} {_q(target)}")

    def _run(self, batch: str) -> bool:
        try:
            ended = subprocess.run(
                [*self._argv, self._host],
                input=batch + "\n",
                capture_output=True,
                text=True,
                timeout=FILE_S,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
                check=False,
            )
        except FileNotFoundError:
            raise ShipError("sftp is not installed: apt-get install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise ShipError(f"the store at {self._host} did not take a file within {FILE_S:g} s") from None
        if ended.returncode:
            said = " ".join(ended.stderr.split())[-300:]
            raise ShipError(f"the store at {self._host}: {said or f'sftp ended with {ended.returncode}'}")
        return True


def _q(path: str) -> str:
    """A path in a batch of sftp."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def store_of(address: str, key: Path | None, known_hosts: Path | None) -> Store:
    """The store that the configuration names."""
    if address.startswith("sftp://"):
        return SftpStore(address, key or Path(), known_hosts or Path())
    return FolderStore(Path(address))


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one round did."""

    files: int
    damaged: list[Path]
    failed: str  # why it ended early


def ship(root: Path, waiting: list[Path], store: Store, address: str) -> Shipped:
    """Bring the finished recordings ``waiting`` to the store, in order; it ends at the first that the store refuses."""
    done, damaged = 0, []
    for path in waiting:
        try:
            _ship_one(root, path, store, address)
            done += 1
        except Damaged:
            damaged.append(path)
        except (ShipError, OSError) as error:
            return Shipped(done, damaged, f"{path.name}: {error}")
    return Shipped(done, damaged, "")


def _ship_one(root: Path, path: Path, store: Store, address: str) -> None:
    check = read_check(path)
    size, digest = digest_of(path)
    if check is None or (size, digest) != (check.bytes, check.sha256):
        raise Damaged(f"{path} is not what its check says")
    for part in (path, beside(path, "index"), beside(path, "check")):
        if part.exists():  # a file that was killed early has no index
            store.put(part, part.relative_to(root).as_posix(), digest if part is path else digest_of(part)[1])
    put_text(beside(path, "shipped"), json.dumps({"store": address, "sha256": digest, "ns": time.time_ns()}) + "\n")
