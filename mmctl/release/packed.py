"""What a wheel may carry beside code: templates by name, and none with a secret in it. Pure but for reading the tree.

Needs nothing but the standard library: the build hook loads this file alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

TEMPLATES = (
    "config.yaml",
    "fleet.yaml",
    "testnet.yaml",
    "canary.yaml",
    "production.yaml",
    "rollout.yaml",
    "gates.yaml",
    ".env.template",
)
UNITS = (
    "market-maker.service",
    "market-maker-sentinel.service",
    "market-maker-recorder.service",
    "market-maker-guard.service",
    "market-maker-backup.service",
    "market-maker-backup.timer",
    "market-maker-health.service",
    "market-maker-health.timer",
)
#: Folder in the source tree → the only files that may be in it. All but the empty marker are packed.
NAMED = {"configs": TEMPLATES, "systemd": UNITS}
UNPACKED = (".gitkeep",)
PACKAGES = ("mmctl", "engine")
#: What code consists of; anything else in a package is not ours.
SUFFIXES = (".py", ".pyc", ".pyi", ".tcss", ".mako", ".typed", ".nbi", ".nbc")

_NAME = r"(?:[A-Za-z0-9_]*_)?(?:key|secret|passphrase|password|passwd|token|pem|private_key)"
#: ``name: value`` and ``NAME=value``, wherever on a line they are, in comments too.
_VALUE = r"""\s*(?:"[^"\n]*"|'[^'\n]*'|\$\{[^}\n]*\}[^\s,}]*|[^,}\n]*)"""
_PAIR = re.compile(rf"(?i)(?<![A-Za-z0-9_.])[\"']?(?P<name>{_NAME})[\"']?\s*(?P<sign>[:=])(?P<value>{_VALUE})")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?:sandbox-[a-z-]*)?\}|\})\Z")
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:(?!\$\{)[^/\s@]+@")
#: A long run of letters and digits is a key; public ones say what they are (age1..., SHA256:...).
_LONG = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{28,}={0,2}(?![A-Za-z0-9+/_-])")
#: Ways to write a key that the pairs above do not see; no template needs them.
_ODD = re.compile(r"\s*[?:](?:\s|\Z)|.*\"[^\"\n]*\\[^\"\n]*\"\s*:")
_ELSEWHERE = "`mmctl init DIR` makes a folder for what is yours"


def faults(top: Path) -> list[str]:
    """Why the tree at ``top`` must not be packed, each with its file, line and the next step; empty when it may be.

    Never shows a value.
    """
    found: list[str] = []
    for folder, names in NAMED.items():
        for path in sorted((top / folder).iterdir()) if (top / folder).is_dir() else ():
            where = f"{folder}/{path.name}"
            if path.name in UNPACKED and path.is_file() and not path.is_symlink() and path.stat().st_size == 0:
                continue
            if path.name not in names:
                found.append(f"{where} is none of the files that are packed; move it out of this tree ({_ELSEWHERE})")
            elif path.is_symlink() or not path.is_file():
                found.append(f"{where} is not a plain file: what it leads to would be packed; put the template back")
            else:
                found += secrets_in(where, path.read_text(encoding="utf-8", errors="replace"))
    for package in PACKAGES:
        for path in _strangers(top / package):
            where = path.relative_to(top).as_posix()
            found.append(f"{where} is no part of the program and would be packed; move it out of this tree")
    return found


def _strangers(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package).parts
        if "__pycache__" in inside:
            continue
        if path.is_symlink() or (path.is_file() and (path.suffix not in SUFFIXES or path.name.startswith("."))):
            yield path


def secrets_in(where: str, text: str) -> list[str]:
    """One line for each place in a template that holds a value where only ``${NAME}`` may stand."""
    found = []
    lines = text.replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        here = f"{where}:{number}"
        names = [pair["name"] for pair in _PAIR.finditer(line) if _given(pair, line, lines[number:])]
        if names:
            found.append(f"{here}: {names[0]} holds a value; write ${{NAME}} there, and the value into an env file")
        elif _ODD.match(line):
            found.append(
                f"{here}: a key is written so that it cannot be checked for secrets; write it as `name: value`"
            )
        elif "-----BEGIN" in line or _IN_URL.search(line) or any(map(_looks_secret, _LONG.findall(line))):
            found.append(
                f"{here}: this looks like a key or a password; write ${{NAME}}, and the value into an env file"
            )
    return found


def _given(pair: "re.Match[str]", line: str, after: list[str]) -> bool:
    """Whether a name for something secret is followed by a value of its own."""
    comment = "#" in line[: pair.start()]
    value = re.sub(r"(?:^|\s)#.*", "", pair["value"]).strip()
    bare = value.strip("\"'").strip()
    if bare in ("", "null", "~", "Null", "NULL"):
        # The value may stand on the next lines, further in.
        indent = len(line) - len(line.lstrip())
        below = next((other for other in after if other.strip() and not other.lstrip().startswith("#")), "")
        deeper = len(below) - len(below.lstrip()) > indent
        return pair["sign"] == ":" and not value and not comment and deeper
    if pair["name"].lower() == "key" or _REFERENCE.match(bare):
        return False  # `key` alone is the path of an SSH key in the fleet file
    return not (comment and " " in bare)  # prose


def _looks_secret(word: str) -> bool:
    public = word.startswith(("age1", "SHA256")) or "/" in word[:2]
    return not public and any(c.isdigit() for c in word) and any(c.isalpha() for c in word) and "--" not in word
