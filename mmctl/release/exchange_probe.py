"""Asks Binance's REST from a host with nothing but its own python3: does it answer, is the clock right, what may the
key do. Sent as text and run there; one JSON object comes in on stdin (the key's secret in it), one goes out.

Only the standard library, and only reads. Nothing of the key is ever printed.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

SAMPLES = 3
LONGEST = 65536
VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expanded(text: str, values: dict[str, str]) -> str:
    """``text`` with its variables; raises KeyError for one that is not there and has no default."""

    def value(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        found = values.get(match.group(1)) or match.group(2)
        if found is None:
            raise KeyError(match.group(1))
        return found

    return VARIABLE.sub(value, text or "")


def get(url: str, headers: dict[str, str], seconds: float) -> tuple[Any, float, float]:
    """The JSON answer and the seconds it took. Raises OSError; the exchange's own refusal comes as (code, message)."""
    begun = time.time()
    if not url.startswith(("http://", "https://")):
        raise OSError("the address is no http:// or https:// one")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was looked at
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            body = json.loads(answer.read(LONGEST))
    except urllib.error.HTTPError as error:
        try:
            body = json.loads(error.read(LONGEST))
            raise PermissionError(int(body["code"]), str(body["msg"])[:200]) from None
        except (ValueError, KeyError, TypeError):
            raise OSError(f"HTTP {error.code}") from None
    except ValueError:
        raise OSError("the answer is not JSON") from None
    return body, begun, time.time()


def signed(secret: str, payload: bytes) -> str:
    """HMAC-SHA256, or for a PEM text Ed25519 by the host's openssl, over descriptors that no path leads to."""
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    files = []
    for content in (secret.encode(), payload):
        descriptor = os.memfd_create("probe")
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        files.append(descriptor)
    names = [f"/dev/fd/{descriptor}" for descriptor in files]
    command = ["openssl", "pkeyutl", "-sign", "-inkey", names[0], "-rawin", "-in", names[1]]
    try:
        done = subprocess.run(command, pass_fds=files, capture_output=True, timeout=10, check=False)
    except FileNotFoundError:
        raise OSError("an Ed25519 key needs openssl on the host") from None
    if done.returncode:
        raise OSError("openssl cannot sign with the private key")
    return base64.b64encode(done.stdout).decode()


def probe(asked: dict[str, Any]) -> dict[str, Any]:
    """What is found, as the object that is printed."""
    found = {"answers": False, "where": asked["rest"], "error": "", "key_error": "", "scopes": None}
    values = asked["env"]
    rest, account = (expanded(asked[name], values).rstrip("/") for name in ("rest", "account_rest"))
    found["where"] = rest
    prefix = "/api/v3" if asked["market"] == "spot" else "/fapi/v1"
    samples = []
    for _ in range(SAMPLES):
        answer, begun, ended = get(rest + prefix + "/time", {}, asked["timeout"])
        samples.append((ended - begun, int(answer["serverTime"]) - (begun + ended) * 500))
    best = min(samples)
    found.update(answers=True, round_trip_ms=best[0] * 1000, offset_ms=best[1])
    if not asked["key"]:
        return found
    try:
        key, secret = expanded(asked["key"], values), expanded(asked["secret"], values)
        if asked["key_file"]:
            with open(expanded(asked["key_file"], values), encoding="ascii") as file:
                secret = file.read()
        stamp = int(time.time() * 1000 + best[1])
        query = f"recvWindow={asked['recv_window']}&timestamp={stamp}"
        signature = urllib.parse.quote(signed(secret, query.encode()), safe="")
        url = f"{account}/sapi/v1/account/apiRestrictions?{query}&signature={signature}"
        found["scopes"] = get(url, {"X-MBX-APIKEY": key}, asked["timeout"])[0]
    except PermissionError as error:
        found["key_error"] = f"{error.args[1]} ({error.args[0]})"
    except KeyError as error:
        found["key_error"] = f"the host's environment file does not set {error.args[0]}"
    except (OSError, ValueError) as error:
        found["key_error"] = str(error)[:200]
    return found


def main() -> None:
    """Read one question from stdin, and print as JSON what the exchange answered."""
    asked = json.load(sys.stdin)
    try:
        found = probe(asked)
    except PermissionError as error:
        found = {"answers": False, "where": asked["rest"], "error": f"{error.args[1]} ({error.args[0]})"}
    except KeyError as error:
        found = {"answers": False, "where": asked["rest"], "error": f"{error.args[0]} is not known on the host"}
    except (OSError, ValueError, TypeError) as error:
        found = {"answers": False, "where": asked["rest"], "error": str(error)[:200]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
