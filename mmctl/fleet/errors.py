"""What can go wrong between an operator and a host, each with its exit code and what to do next."""

OK = 0
FAILED = 1
USAGE = 2
MIXED = 3
ROLLED_BACK = 4
UNKNOWN = 5
INCONCLUSIVE = 6
REFUSED = 7
DEADLINE = 8
CONFIG = 10
LOCKED = 11
AUTHENTICATION = 12
UNREACHABLE = 13


class OperatorError(Exception):
    """An error written for a person: ``what`` happened, ``hint`` what to do next, ``exit_code`` as in the contract."""

    exit_code = FAILED

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  {self.hint}" if self.hint else self.what


class FleetFileError(OperatorError):
    """The fleet file is wrong: one line per fault, each with file:line."""

    exit_code = CONFIG


class UsageError(OperatorError):
    """The command line asks for something that does not exist."""

    exit_code = USAGE


class Refused(OperatorError):
    """A precondition does not hold; nothing was changed."""

    exit_code = REFUSED


class DeadlineExceeded(OperatorError):
    """The result did not come in time: what was asked for may or may not have happened."""

    exit_code = DEADLINE


class LockHeld(OperatorError):
    """Another run holds the lock of this target."""

    exit_code = LOCKED


class AuthenticationRefused(OperatorError):
    """The host is there, but would not let us in."""

    exit_code = AUTHENTICATION


class HostKeyMismatch(OperatorError):
    """The host answers with a key that is not the pinned one: it may be another machine."""

    exit_code = AUTHENTICATION


class Unreachable(OperatorError):
    """No connection to the host."""

    exit_code = UNREACHABLE


class CommandFailed(OperatorError):
    """A script on the host ended with a code other than 0. ``returncode`` and ``output`` hold what it said."""

    def __init__(self, what: str, returncode: int, output: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.returncode = returncode
        self.output = output


class ConfigRefused(OperatorError):
    """A configuration file is wrong: ``what`` holds every fault, one a line."""

    exit_code = CONFIG


class Unproved(OperatorError):
    """Something was done and its result could not be proved."""

    exit_code = UNKNOWN
