"""Exceptions to exit codes and to sentences: the one place where a failure becomes what an operator reads."""

import contextlib
import json
import sys
import time
import traceback

from mmctl.fleet.errors import AUTHENTICATION, DEADLINE, FAILED, UNREACHABLE, OperatorError

#: Exception class names of libraries that must not be imported here, and the exit code each one means.
_BY_NAME: dict[str, tuple[int, str]] = {
    "AuthenticationException": (AUTHENTICATION, "Check the user and the key in the fleet file."),
    "BadHostKeyException": (AUTHENTICATION, "The host key changed. Find out why before you pin the new one."),
    "NoValidConnectionsError": (UNREACHABLE, "Check that the host is up and its address is right."),
    "SSHException": (UNREACHABLE, "Check the host with -v."),
}


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: unwinds like Ctrl-C so that everything started is stopped."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def describe(error: BaseException) -> tuple[int, str, str]:
    """``(exit code, what happened, what next)`` for any exception a verb can end with."""
    match error:
        case OperatorError():
            return error.exit_code, error.what, error.hint
        case Terminated():
            return 128 + error.signum, f"stopped by signal {error.signum}", ""
        case KeyboardInterrupt():
            return 130, "interrupted", ""
        case BrokenPipeError():
            return 141, "", ""
        case TimeoutError():
            return DEADLINE, f"no answer in time: {_text(error)}", "Try again, or raise --deadline."
        case ConnectionError():
            return UNREACHABLE, f"cannot connect: {_text(error)}", "Check that it is running."
    for cls in type(error).__mro__:
        if cls.__name__ in _BY_NAME:
            code, step = _BY_NAME[cls.__name__]
            return code, _text(error), step
    own_code = getattr(error, "exit_code", None)
    if isinstance(own_code, int) and not isinstance(own_code, bool):
        return own_code, _text(error), str(getattr(error, "next_step", "") or getattr(error, "hint", ""))
    if isinstance(error, OSError):
        return FAILED, _text(error), ""
    return FAILED, f"{type(error).__name__}: {_text(error)}", "Run again with -v for the traceback."


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def report(error: BaseException, *, verb: str, run_id: str, json_mode: bool, verbose: int) -> int:
    """Tell the operator on stderr (and the script, as an ``error`` event, on stdout); returns the exit code."""
    code, what, step = describe(error)
    if isinstance(error, BrokenPipeError):
        return code
    if verbose and not isinstance(error, Terminated | KeyboardInterrupt):
        traceback.print_exception(error, file=sys.stderr)
    prefix = f"mmctl {verb}: " if verb else "mmctl: "
    with contextlib.suppress(OSError, ValueError):  # nobody listens; the code still says it
        if sys.stderr is not None:
            print(prefix + what + (f"\n{step}" if step else ""), file=sys.stderr)
    if json_mode:
        record = {"event": "error", "run_id": run_id, "ts": round(time.time(), 3), "exit_code": code}
        record |= {"message": what, "next_step": step}
        with contextlib.suppress(OSError, ValueError):
            print(json.dumps(record, separators=(",", ":")), flush=True)
    return code
