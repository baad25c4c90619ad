"""``mmctl engine run|check`` and ``mmctl sandbox run``: the daemon and the local exchange in the foreground, here.

Both pass their options through: the daemon's own command line is the specification.
"""

import typer

from mmctl.cli import pass_on

app = typer.Typer(help="Run or check the daemon in the foreground.")
sandbox_app = typer.Typer(help="A local exchange that speaks Binance's protocol.")


@app.command("run", context_settings=pass_on.SETTINGS)
def engine_run(context: typer.Context) -> None:
    """Run the engine in the foreground: mmctl engine run --config FILE."""
    pass_on.become("engine", ["run", *pass_on.common(), *context.args])


@app.command("check", context_settings=pass_on.SETTINGS)
def engine_check(context: typer.Context) -> None:
    """Check a configuration the way the engine does at start: mmctl engine check --config FILE."""
    pass_on.become("engine", ["check", *pass_on.common(), *context.args])


@sandbox_app.command("run", context_settings=pass_on.SETTINGS)
def sandbox_run(context: typer.Context) -> None:
    """Run the local exchange: [--data F...] [--speed X] [--host A] [--port P] [--faults F] [--seed N] and more.

    --host ADDRESS is where it listens: 127.0.0.1 if left out, 0.0.0.0 for engines on other hosts. Every option with its
    meaning: python -m engine.sandbox --help.
    """
    pass_on.become("engine.sandbox", list(context.args))
