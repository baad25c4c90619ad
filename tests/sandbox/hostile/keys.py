"""An Ed25519 key pair of the schedules: the same in every run, so that a seed replays exactly. It guards nothing."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

ED25519_KEY: Final = "hostile-key"
ED25519_PRIVATE: Final = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ED25519_PUBLIC: Final = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
