"""``--since``: how far back, as a length of time or as a time."""

import re
import time
from datetime import UTC, datetime

from mmctl.cli.run import seconds
from mmctl.fleet.errors import UsageError

_LENGTH = re.compile(r"[\d.]+(ms|s|m|h|d)?|([\d.]+(ms|s|m|h|d))+")
_PART = re.compile(r"[\d.]+[a-z]*")


def oldest(since: str | None) -> float | None:
    """``--since`` as seconds since 1970, None where it is not given; a time of day without a zone is UTC.

    Raises UsageError.
    """
    if since is None:
        return None
    if _LENGTH.fullmatch(since):
        return time.time() - _length(since)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(f"'{since}' is neither a duration nor a time", "Write 10m, or 2024-08-08T12:00:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def for_engine(since: str) -> str:
    """``since`` as an engine's ``/api`` takes it: a length of time by the engine's own clock, or nanoseconds.

    Raises UsageError.
    """
    if _LENGTH.fullmatch(since):
        return f"{round(_length(since) * 1000)}ms"
    return str(round((oldest(since) or 0.0) * 1e6) * 1000)


def _length(text: str) -> float:
    """A length of time in seconds, also of several parts: ``1h30m``. Raises UsageError."""
    return sum(seconds(part) for part in _PART.findall(text))
