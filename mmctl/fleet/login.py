"""Who types, and where that person's home is, for accounts without a passwd entry too."""

import getpass
import os
import socket
from pathlib import Path

from mmctl.fleet.errors import OperatorError

#: Names and reasons are kept in records and sent in headers: no longer than this, characters.
LONGEST = 1_000


def readable(text: str, longest: int = LONGEST) -> str:
    """``text`` as any record takes it: what is not UTF-8 is written out (``\\xff``), no NUL, and not endless."""
    plain = text.encode("utf-8", "surrogateescape" if _escaped(text) else "backslashreplace")
    words = plain.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return words if len(words) <= longest else words[: longest - 4] + " ..."


def _escaped(text: str) -> bool:
    """Whether all that is not UTF-8 in it is bytes of a command line or the environment, as Python keeps them."""
    return all(not 0xD800 <= ord(char) <= 0xDFFF or 0xDC80 <= ord(char) <= 0xDCFF for char in text)


def login() -> str:
    """The user's name; ``uid-1234`` where the system knows none."""
    try:
        return readable(getpass.getuser())
    except (KeyError, OSError, ImportError):
        return f"uid-{os.getuid()}"


def operator() -> str:
    """Who is at the keyboard, on one line: ``MMCTL_OPERATOR``, else user@host. Never raises."""
    given = os.environ.get("MMCTL_OPERATOR", "")
    if not given:
        try:
            given = f"{login()}@{socket.gethostname()}"
        except OSError:
            given = f"{login()}@unknown"
    return "".join(char if char.isprintable() else "?" for char in readable(given, 100))


def home() -> Path:
    """The user's home. Raises OperatorError where none is known."""
    try:
        return Path.home()
    except RuntimeError:
        raise OperatorError(f"no home folder is known for uid {os.getuid()}", "Set MMCTL_STATE, or HOME.") from None


def at_home(text: str) -> Path:
    """``text`` as a path, a leading ``~`` put in; left as it stands where no home is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
