"""Redaction by value: texts that must not leave the process, in any of the forms they take on the way."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

MASK: Final = "***"
SHORTEST: Final = 6  # shorter texts occur by chance; the configuration's own types hide those
_PATTERNS: Final = (
    (re.compile(r"((?:signature|listenKey|apiKey)[\"']?\s*[=:]\s*[\"']?)[A-Za-z0-9%+/=_-]{16,}"), r"\1***"),
    (re.compile(r"((?:X-MBX-APIKEY|Authorization)[\"']?\s*[=:]\s*[\"']?)(?:Bearer\s+)?[^\s\"',}]+", re.I), r"\1***"),
    (re.compile(r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/@\s:\"']*):[^/@\s\"']+@", re.I), r"\1:***@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\")|\Z)"), MASK),
)


class Redactor:
    """Replaces registered secrets, and what looks like a signature, a key header or a password in a URL."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._find: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Register more secrets; short ones are ignored (see ``SHORTEST``)."""
        for secret in secrets:
            self._known |= _forms(secret)
        longest_first = sorted(self._known, key=len, reverse=True)
        self._find = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        if self._find is not None:
            text = self._find.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _forms(secret: str) -> set[str]:
    """The secret as it stands, and as URLs, JSON, ``repr``, base64 and hex write it; a PEM text by its lines too."""
    raw = secret.encode()
    forms = {secret, secret.strip(), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    forms |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()}
    forms |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= 20}
    return {form for form in forms if len(form) >= SHORTEST}
