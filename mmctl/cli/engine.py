"""``mmctl engine run|check`` and ``mmctl sandbox run``: the daemon and the local exchange in the foreground, here.

Both pass their options through: the daemon's own command line is the specification.
"""

import runpy
import signal
import sys

import typer

from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.run import current

app = typer.Typer(help="Run or check the daemon in the foreground.")
sandbox_app = typer.Typer(help="A local exchange that speaks Binance's protocol.")
_PASS = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}


def _hand_over(module: str, args: list[str]) -> None:
    """Becomes ``python -m module args`` inside this process; its exit code is ours.

    SIGTERM ends it in good order, and so does the loss of its terminal: SIGHUP means reload to an engine that runs.
    """
    sys.argv = [module, *args]
    signal.signal(signal.SIGHUP, lambda signum, frame: signal.raise_signal(signal.SIGTERM))
    with ending_with_the_terminal(signal.SIGTERM):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _common() -> list[str]:
    """The options that the daemon understands as well and that the frame has taken off the line."""
    run = current()
    return ["--json"] * run.json + ["-v"] * bool(run.verbose)


@app.command("run", context_settings=_PASS)
def engine_run(context: typer.Context) -> None:
    """Run the engine in the foreground: mmctl engine run --config FILE."""
    _hand_over("engine", ["run", *_common(), *context.args])


@app.command("check", context_settings=_PASS)
def engine_check(context: typer.Context) -> None:
    """Check a configuration the way the engine does at start: mmctl engine check --config FILE."""
    _hand_over("engine", ["check", *_common(), *context.args])


@sandbox_app.command("run", context_settings=_PASS)
def sandbox_run(context: typer.Context) -> None:
    """Run the local exchange: [--data F...] [--speed X] [--host A] [--port P] [--faults F] [--seed N] and more.

    --host ADDRESS is where it listens: 127.0.0.1 if left out, 0.0.0.0 for engines on other hosts. Every option with its
    meaning: python -m engine.sandbox --help.
    """
    _hand_over("engine.sandbox", list(context.args))
