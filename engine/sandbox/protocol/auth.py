"""Who asks: API keys, signatures over the exact bytes sent, and the clock and recvWindow check."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from engine.sandbox.clock import Clock
from engine.sandbox.errors import (
    ApiError,
    SandboxError,
    bad_key,
    bad_key_format,
    bad_signature,
    missing,
    timestamp_ahead,
    timestamp_outside,
)
from engine.sandbox.protocol.params import Params
from engine.sandbox.settings import AccountSettings, KeySettings

MAX_RECV_WINDOW_MS = 60_000
DEFAULT_RECV_WINDOW_MS = 5_000
MAX_AHEAD_MS = 1_000
_KEY_FORMAT = re.compile(r"^[A-Za-z0-9_-]{1,128}$")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, whose account it opens, and what it may do."""

    settings: KeySettings
    account: str
    ed25519: Ed25519PublicKey | None

    def verify(self, payload: bytes, signature: str) -> bool:
        """Ed25519 signatures are base64, HMAC-SHA256 ones hexadecimal."""
        if self.ed25519 is not None:
            try:
                self.ed25519.verify(base64.b64decode(signature, validate=True), payload)
            except (InvalidSignature, binascii.Error, ValueError):
                return False
            return True
        wanted = hmac.new(self.settings.secret.encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.lower().encode())


class KeyRing:
    """All keys of all accounts."""

    def __init__(self, accounts: tuple[AccountSettings, ...]) -> None:
        self._keys: dict[str, ApiKey] = {}
        for account in accounts:
            for key in account.keys:
                self.add(account.name, key)

    def add(self, account: str, settings: KeySettings) -> None:
        """Let ``account`` sign with one more key; ``SandboxError`` where its public key is no Ed25519 key in PEM."""
        public = None
        if settings.ed25519_public:
            try:
                loaded = load_pem_public_key(settings.ed25519_public.encode())
            except ValueError as reason:
                raise SandboxError(f"key {settings.key}: the Ed25519 public key is not PEM ({reason})") from None
            if not isinstance(loaded, Ed25519PublicKey):
                raise SandboxError(f"key {settings.key}: the public key is not Ed25519")
            public = loaded
        self._keys[settings.key] = ApiKey(settings, account, public)

    def find(self, key: str) -> ApiKey:
        """-2014 for a key that cannot be one, -2015 for one the exchange does not know."""
        if not _KEY_FORMAT.match(key):
            raise bad_key_format()
        try:
            return self._keys[key]
        except KeyError:
            raise bad_key() from None


def split_signature(raw: str) -> tuple[str, str]:
    """The payload as signed, and the signature, of an exact query string or form body."""
    parts = raw.split("&")
    signatures = [p for p in parts if p.startswith("signature=")]
    payload = "&".join(p for p in parts if not p.startswith("signature="))
    return payload, unquote(signatures[-1][len("signature=") :]) if signatures else ""


def check_time(params: Params, clock: Clock) -> None:
    """-1021 outside the window, -1131 for a window Binance does not allow, -1102 without a timestamp."""
    timestamp = params.integer("timestamp")
    window = params.integer("recvWindow", DEFAULT_RECV_WINDOW_MS)
    if not 0 < window <= MAX_RECV_WINDOW_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    now = clock.now_ms()
    if timestamp >= now + MAX_AHEAD_MS:
        raise timestamp_ahead()
    if now - timestamp > window:
        raise timestamp_outside()


def check_rest(key: ApiKey, params: Params, query: str, body: str, clock: Clock) -> None:
    """A SIGNED request: mandatory parameters, then time, then the signature over query string plus body as sent."""
    signed_query, query_signature = split_signature(query)
    signed_body, body_signature = split_signature(body)
    signature = body_signature or query_signature
    if not signature:
        raise missing("signature")
    check_time(params, clock)
    if not key.verify((signed_query + signed_body).encode(), signature):
        raise bad_signature()


def ws_payload(params: Mapping[str, object]) -> bytes:
    """What a WebSocket API request signs: all parameters but the signature, sorted by name."""
    named = sorted((name, ws_text(value)) for name, value in params.items() if name != "signature")
    return "&".join(f"{name}={value}" for name, value in named).encode()


def ws_text(value: object) -> str:
    """A JSON value as it stands in the signed payload."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def check_ws(key: ApiKey, raw: Mapping[str, object], params: Params, clock: Clock) -> None:
    """A signed WebSocket API request."""
    signature = params.required("signature")
    check_time(params, clock)
    if not key.verify(ws_payload(raw), signature):
        raise bad_signature()
