"""Environment files, read in one way by all: as systemd's ``EnvironmentFile=`` reads them, and ``export NAME=v`` too.

Quotes, escapes, continued lines and values over several lines as there; nothing is ever evaluated by a shell. What
systemd would drop with a word in its log is a fault here, named by its line and never by its text: it may be a secret.
The module needs nothing but Python, because it is also sent to hosts as it stands (``python3 -c SOURCE FILE COMMAND``,
``-`` for stdin): there it runs the command with the file's variables, whatever release lies there.
"""

import os
import re
import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPORT: Final = re.compile(r"export[ \t]+(?=[^ \t=])")
_BARE: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_LINE: Final = re.compile(r"[^\r\n]*")
_BLANK: Final = " \t"
_END: Final = "\n\r"
_ESCAPED_IN_QUOTES: Final = '"\\`$'
_BOM: Final = b"\xef\xbb\xbf"
_BROKEN: Final = re.compile(r"[\ud800-\udfff]")


class Fault(NamedTuple):
    """What cannot be read, by line (from 1; 0: the whole file). The text holds nothing of the file."""

    line: int
    message: str


class Environment(NamedTuple):
    """``values``: the last of each name, as systemd has it. ``faults``: what was left out of them."""

    values: dict[str, str]
    faults: list[Fault]


def parse(data: bytes) -> Environment:
    """The variables of an environment file. Never raises; a caller that needs all of it looks at ``faults``."""
    text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    values: dict[str, str] = {}
    faults: list[Fault] = []
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        found = _LINE.match(text, at)
        end = found.end() if found else at
        left = text[at:end].lstrip(_BLANK)
        if not left or left[0] in "#;":
            if (len(left) - len(left.rstrip("\\"))) % 2:
                faults.append(
                    Fault(line, "a comment that ends in a backslash: some systemd go on with it, some do not")
                )
            at = end + 1
            continue
        name, equals, _ = left.partition("=")
        if not equals:
            faults.append(Fault(line, "expected NAME=value"))
            at = end + 1
            continue
        value, after = _value(text, end - len(left) + len(name) + 1)
        if value is None:
            faults.append(Fault(line, "the quote opened here is never closed"))
            at = end + 1  # the rest of the file is not its value: what stands there is still read
            continue
        name = _EXPORT.sub("", name, count=1).rstrip(_BLANK)
        wrong = _wrong(name, value)
        if wrong:
            faults.append(Fault(line, wrong))
        else:
            values[name] = value
        at = after
    return Environment(values, faults)


def _wrong(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        return "the name before = is not letters, digits and _"
    if _BROKEN.search(value):
        return f"the value of {name} is not UTF-8 text"
    if "\0" in value:
        return f"the value of {name} holds a NUL byte"
    return ""


def _value(text: str, at: int) -> tuple[str | None, int]:
    """The value that begins at ``at``, and where the next line begins; None where a quote is never closed."""
    found: list[str] = []
    blanks = 0  # trailing ones, which are not part of a value
    quotable = True  # a quote opens only before the first character that stands outside of quotes
    while at < len(text):
        char = text[at]
        at += 1
        if char in _END:
            break
        if quotable and char in "'\"":
            part, at = _quoted(text, at, char)
            if part is None:
                return None, at
            found.append(part)
        elif quotable and char in _BLANK:
            continue
        elif char == "\\":
            quotable, blanks = False, 0
            if at < len(text) and text[at] not in _END:
                found.append(text[at])
            at += 1
        else:
            quotable = False
            blanks = blanks + 1 if char in _BLANK else 0
            found.append(char)
    value = "".join(found)
    return value[: len(value) - blanks], at


def _quoted(text: str, at: int, quote: str) -> tuple[str | None, int]:
    """What stands between quotes, and where it goes on behind them."""
    found: list[str] = []
    while at < len(text):
        char = text[at]
        at += 1
        if char == quote:
            return "".join(found), at
        if char == "\\" and quote == '"' and at < len(text):
            after = text[at]
            at += 1
            found.append(after if after in _ESCAPED_IN_QUOTES else "" if after == "\n" else char + after)
        else:
            found.append(char)
    return None, at


def render(values: Mapping[str, str]) -> bytes:
    """The plainest file that ``parse``, systemd and earlier releases read as ``values``."""
    return "".join(f"{name}={_written(value)}\n" for name, value in values.items()).encode()


def _written(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


def main(argv: list[str]) -> int:
    """``[--strict] FILE|- COMMAND...``: become COMMAND with the file's variables; a file that is not there holds none.

    What cannot be read of it is told and left out: who stops orders may not need it. ``--strict``: then exit code 10.
    """
    strict = argv[0] == "--strict"
    file, *command = argv[strict:]
    found = _read(file)
    for fault in found.faults:
        where = f"{file}:{fault.line}" if fault.line else file
        sys.stderr.write(f"{where}: {fault.message}" + ("\n" if strict else "; left out\n"))
    if strict and found.faults:
        return 10
    given = {name.encode(): value.encode() for name, value in found.values.items()}
    try:
        os.execvpe(command[0], command, {**os.environb, **given})  # noqa: S606 - no shell may see a value
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    return 127


def _read(file: str) -> Environment:
    try:
        if file == "-":
            return parse(sys.stdin.buffer.read())
        with open(file, "rb") as source:
            return parse(source.read())
    except FileNotFoundError:
        return Environment({}, [])
    except OSError as error:
        return Environment({}, [Fault(0, f"cannot read the environment file: {error.strerror}")])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
