"""Credentials and request signatures: HMAC-SHA256 and Ed25519. A secret is revealed once, into the signer."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_BLOCK: Final = 64  # bytes SHA-256 takes at a time


class Revealing(Protocol):
    """A secret text that must be asked for (``engine.config.secret.Secret``)."""

    def reveal(self) -> str:
        """The secret as text; who asks for it does not keep it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """``secret`` is an HMAC secret, or the PEM text of an Ed25519 private key. Neither shows in a repr."""

    api_key: Revealing = field(repr=False)
    secret: Revealing = field(repr=False)


class Signer(Protocol):
    """``can_log_on``: the WebSocket API accepts ``session.logon``, after which requests need no signature."""

    can_log_on: bool

    def sign(self, payload: bytes) -> str:
        """The signature of ``payload``, as the exchange wants it written."""


class HmacSigner:
    """Signs with a shared secret (HMAC-SHA-256); every request is signed."""

    can_log_on = False

    def __init__(self, secret: str) -> None:
        # RFC 2104 with both pads hashed once: a copied state is several times cheaper than a new HMAC an order.
        key = secret.encode()
        key = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._pads = bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)
        self._inner, self._outer = hashlib.sha256(self._pads[0]), hashlib.sha256(self._pads[1])

    def __repr__(self) -> str:
        return "HmacSigner(***)"

    def pads(self) -> tuple[bytes, bytes]:
        """The key as HMAC begins with it, for who signs elsewhere: as secret as the key."""
        return self._pads

    def sign(self, payload: bytes) -> str:
        """The signature in hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(payload)
        outer.update(inner.digest())
        return outer.hexdigest()


class Ed25519Signer:
    """Signs with a private key; a session that logged on once sends its orders unsigned."""

    can_log_on = True

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError) as wrong:
            # The parser's own message is dropped: it may quote the key.
            raise ValueError("the API secret looks like a private key and cannot be read as PEM") from wrong.__cause__
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the API secret is a private key, but not an Ed25519 one; Binance calls that key type out")
        self._key = key

    def __repr__(self) -> str:
        return "Ed25519Signer(***)"

    def sign(self, payload: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._key.sign(payload)).decode()


def signer_for(credentials: Credentials) -> Signer:
    """Raises ValueError (without the secret in it) for a private key that cannot be used."""
    secret = credentials.secret.reveal()
    return Ed25519Signer(secret) if "PRIVATE KEY" in secret else HmacSigner(secret)
