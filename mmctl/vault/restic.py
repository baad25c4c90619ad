"""Debian's restic, run as a program with a deadline: its secrets in its environment, never on its command line."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmctl.fleet.errors import (
    AuthenticationRefused,
    ConfigRefused,
    DeadlineExceeded,
    LockHeld,
    OperatorError,
    Refused,
    Unreachable,
)
from mmctl.vault.envelope import BackupError

#: What restic and its stores read from the environment; nothing else of ours reaches it.
NAMES = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "AWS_", "B2_", "AZURE_", "GOOGLE_", "OS_", "ST_")
ALWAYS = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK")
#: ``user:password@`` in an address.
LOGIN = re.compile(r"(//[^/\s:@]*):[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class Repository:
    """A restic repository: its address as restic writes it, what its store needs, and where restic keeps its cache."""

    url: str
    variables: Mapping[str, str] = field(repr=False)
    cache: Path

    @property
    def shown(self) -> str:
        """The address without a password."""
        return LOGIN.sub(r"\1:***@", self.url)


def chosen(variables: Mapping[str, str]) -> dict[str, str]:
    """Of an environment, what restic and its stores read."""
    return {name: value for name, value in variables.items() if name.startswith(NAMES)}


def environment(repository: Repository, own: Mapping[str, str]) -> dict[str, str]:
    """What restic gets. Its times are UTC, its words English, and ssh has no terminal to ask at."""
    kept = {name: own[name] for name in ALWAYS if name in own}
    return kept | chosen(repository.variables) | {
        "RESTIC_REPOSITORY": repository.url, "RESTIC_CACHE_DIR": str(repository.cache), "TZ": "UTC",
        "LC_ALL": "C.UTF-8", "SSH_ASKPASS_REQUIRE": "never",
    }  # fmt: skip


def run(repository: Repository, words: Sequence[str], seconds: float, cwd: Path | None = None) -> str:
    """What restic printed. Raises BackupError and its kin with restic's own reason, DeadlineExceeded."""
    if not {"RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE"} & set(repository.variables):
        raise ConfigRefused(
            f"there is no password for the repository {repository.shown}",
            "Write RESTIC_PASSWORD=... into the file backup.env_file names (0600), or set RESTIC_PASSWORD_FILE.",
        )
    repository.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        process = subprocess.Popen(
            ["restic", *words], cwd=cwd, env=environment(repository, os.environ), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused("restic is not installed here", "On Debian: apt-get install restic") from None
    try:
        out, err = process.communicate(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"restic {words[0]} on {repository.shown} did not end in time") from None
    finally:
        if process.poll() is None:  # ours alone: restic and the ssh it started have a session of their own
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise failure(repository, words[0], process.returncode, err or out)
    return out


def failure(repository: Repository, verb: str, code: int, said: str) -> OperatorError:
    """restic's words as one of our errors; no secret of the repository is in it."""
    text = LOGIN.sub(r"\1:***@", said)
    for name, value in repository.variables.items():
        if value and not name.endswith("_FILE"):
            text = text.replace(value, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("Fatal:", "unable", "error"))), lines[-1] if lines else "")
    what = f"restic {verb} on {repository.shown}: {first or f'it ended with code {code}'}"
    whole = text.lower()
    if "wrong password" in whole or "no key found" in whole:
        what = f"restic {verb} on {repository.shown}: wrong password"
        return AuthenticationRefused(what, "Is the password in backup.env_file that of this repository?")
    if "permission denied (" in whole or "host key verification failed" in whole or "accessdenied" in whole:
        reason = next((line for line in lines if "ermission denied" in line or "verification" in line), first)
        return AuthenticationRefused(f"{what}: {reason}", "Log in once with ssh, or look at the store's keys.")
    if "already locked" in whole:
        return LockHeld(what, "Another backup runs; `restic unlock` removes the lock of one that died.")
    if "is there a repository" in whole or "does not exist" in whole:
        return Refused(what, "Make the repository once: mmctl backup init TARGET")
    if any(
        words in whole for words in ("connection refused", "no route", "could not resolve", "timed out", "dial tcp")
    ):
        return Unreachable(what, "Is the address of backup.repository right, and the store up?")
    return BackupError(what, "`mmctl backup verify --all` reads the whole repository.")


def lines_of(out: str) -> list[dict[str, Any]]:
    """restic's JSON messages, one a line; lines that are none are left out."""
    found = []
    for line in out.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            found.append(message)
    return found
