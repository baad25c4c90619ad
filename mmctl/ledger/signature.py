"""The operator's own key: Ed25519, made at first use, 0600. It signs audit lines and the manifests of backups.

What stops trading never depends on it: a line that cannot be signed is written without, and verification says so.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmctl.fleet.errors import OperatorError, Refused
from mmctl.fleet.login import home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "operator.key"
TRUSTED = "trusted.keys"
RAW_BYTES = 32


class KeyTrouble(OperatorError):
    """The operator's key cannot be read or made."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature and the public key it is checked with, both base64 text."""

    key: str
    signature: str


def state_folder() -> Path:
    """Where mmctl keeps what it must remember: MMCTL_STATE, or the user's state folder."""
    given = os.environ.get("MMCTL_STATE")
    return Path(given) if given else Path(os.environ.get("XDG_STATE_HOME") or home() / ".local/state") / "mmctl"


def keys_folder() -> Path:
    """Where this operator's key and the trusted public keys lie."""
    return state_folder() / "keys"


def fingerprint(key: str) -> str:
    """A public key for people: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def sign(purpose: str, data: bytes) -> Signed:
    """Sign ``data`` for one ``purpose``: a signature for another purpose does not fit. Raises KeyTrouble."""
    private = _private()
    return Signed(_public(private), base64.b64encode(private.sign(_message(purpose, data))).decode())


def good(purpose: str, data: bytes, signed: Signed) -> bool:
    """Whether the signature is of this data, for this purpose, by the key it names. Whose key it is, is not judged."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signed.key, validate=True))
        key.verify(base64.b64decode(signed.signature, validate=True), _message(purpose, data))
    except (ValueError, InvalidSignature):
        return False
    return True


def own_key() -> str | None:
    """The operator's public key, None where none has been made yet. Raises KeyTrouble for one that cannot be read."""
    return _public(_private()) if (keys_folder() / KEY_FILE).exists() else None


def trusted() -> dict[str, str]:
    """Public keys that are believed here, each with whose it is: the operator's own, and those of ``trusted.keys``."""
    found: dict[str, str] = {}
    try:
        for line in (keys_folder() / TRUSTED).read_text(encoding="utf-8").split("\n"):
            key, _, name = line.strip().partition(" ")
            if key and not key.startswith("#"):
                found[key] = name.strip() or "a trusted key"
    except (OSError, UnicodeDecodeError):
        found = {}
    own = own_key()
    return found | ({own: "this operator"} if own else {})


def trust(key: str, name: str) -> bool:
    """Believe ``key`` from now on; False when it was believed already. Raises Refused for what is no public key."""
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != RAW_BYTES:
        raise Refused(
            f"{key[:60]!r} is no public key of an operator", "`mmctl audit key` prints one on its own machine"
        )
    if key in trusted():
        return False
    folder = keys_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / TRUSTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key} {' '.join(name.split())}\n")
    return True


def _message(purpose: str, data: bytes) -> bytes:
    return b"mmctl " + purpose.encode() + b"\n" + data


def _public(private: "Ed25519PrivateKey") -> str:
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def _private() -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = keys_folder() / KEY_FILE
    try:
        if not file.exists():
            _make(file)
        if file.stat().st_mode & 0o077:
            raise KeyTrouble(
                f"{file} can be read by others", f"chmod 600 {file}; if others had access, make another key"
            )
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise KeyTrouble(f"cannot use the operator's key {file}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyTrouble(
            f"{file} is not an operator's key", "restore it from your own copy, or move it away for a new one"
        )
    return key


def _make(file: Path) -> None:
    """A new key, whole or not at all; of two that make one at once, one wins and both use it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(pem)
            sink.flush()
            os.fsync(sink.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            return
        except OSError:
            os.rename(part, file)  # a file system without hard links
    finally:
        part.unlink(missing_ok=True)
