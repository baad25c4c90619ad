"""Verbs that become another program of the project inside this process; its command line is the specification."""

import runpy
import signal
import sys

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.run import current

SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}


def become(module: str, args: list[str]) -> None:
    """Becomes ``python -m module args`` inside this process; its exit code is ours.

    SIGTERM ends it in good order, and so does the loss of its terminal: SIGHUP means reload to an engine that runs.
    """
    sys.argv = [module, *args]
    signal.signal(signal.SIGHUP, lambda signum, frame: signal.raise_signal(signal.SIGTERM))
    with ending_with_the_terminal(signal.SIGTERM):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def common() -> list[str]:
    """The options that the program understands as well and that the frame has taken off the line."""
    run = current()
    return ["--json"] * run.json + ["-v"] * bool(run.verbose)
