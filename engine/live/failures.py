"""Why an engine does not start, or ends: one exception with the exit code of the contract and a text for people."""

from enum import IntEnum


class Exit(IntEnum):
    """How the engine's process ends; ``mmctl`` and systemd decide by these."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNPROVED = 5  # stopped, but zero open orders could not be proved
    REFUSED = 7  # a precondition: key scopes, clock
    CONFIG = 10
    AUTH = 12
    UNREACHABLE = 13
    HALTED = 70  # systemd does not restart this one


class StartError(Exception):
    """What happened, to what, and what to do next. The text never holds a secret."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
