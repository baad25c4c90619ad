"""A command on a host with the variables of an environment file: read by the one parser there is, never by a shell."""

from functools import cache
from pathlib import Path

from engine.config import environment
from mmctl.remote.layout import Layout, q

STDIN = "-"


@cache
def _source() -> str:
    """The parser's own text: it runs on the host as it stands here, whatever release lies there."""
    return Path(environment.__file__).read_text(encoding="utf-8")


def with_variables(file: str, command: str, *, strict: bool = False) -> str:
    """``command`` (quoted for sh) with the variables of ``file``, which is read as whoever runs this script.

    Lines that cannot be read are told on stderr and left out; ``strict``: then the command is not run, exit code 10.
    """
    return f"python3 -c {q(_source())} {'--strict ' if strict else ''}{q(file)} {command}"


def with_secrets(layout: Layout, command: str, *, strict: bool = False) -> str:
    """``command`` with the secrets that the host has."""
    return with_variables(layout.env_file, command, strict=strict)
