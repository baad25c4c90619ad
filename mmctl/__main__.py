"""The ``mmctl`` program: answers help at once, and hands every verb to the command line frame."""

import io
import os
import sys


def main() -> None:
    """Entry point of the console script; ends the process with the documented exit code."""
    args = sys.argv[1:]
    _steady_streams()
    asks = not args or (args[0] in {"-h", "--help", "help"} and len(args) == 1)
    if asks and "_MMCTL_COMPLETE" not in os.environ:
        from mmctl.cli.verbs import render_help

        sys.stdout.write(render_help() + "\n")
        # No arguments is a question, not a command: the same text, but scripts see that nothing was done.
        raise SystemExit(0 if args else 2)
    from mmctl.cli.app import run

    raise SystemExit(run(args))


def _steady_streams() -> None:
    """What a stream's encoding does not hold is written out; no word in a reason or a path ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
