"""``mmctl backtest calibrate``: A, k and sigma of recordings, and whether market orders decay as the models say."""

from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.run import current
from mmctl.cli.simulation import BacktestRefused


def calibrate(
    data: Annotated[list[Path], typer.Option("--data", help="Recording or column file; once a symbol.")],
    floor_ticks: Annotated[
        float, typer.Option("--floor-ticks", min=0.0, help="Orders that stayed nearer to the mid are left out.")
    ] = 0.5,
    gamma: Annotated[float, typer.Option(min=1e-9, help="Risk aversion, 1/tick: for the quotes shown.")] = 0.05,
) -> None:
    """Estimate a recording's arrival rate A, decay k and volatility sigma, and the quotes glft would make of them."""
    from engine.backtest.calibration import calibrate as estimate
    from engine.backtest.tape import TapeError, read_columns
    from engine.models.intensity import CalibrationError

    run = current()
    found = []
    for file in data:
        run.out.progress(f"{file.name}: reading ...")
        try:
            found.append(estimate(read_columns(file), floor_ticks).as_dict(gamma))
        except TapeError as error:
            raise BacktestRefused(str(error)) from None
        except CalibrationError as error:
            raise BacktestRefused(f"{file}: {error}") from None
    run.out.result(calibrations=found)
    rows = [
        (
            one["symbol"],
            f"{one['a']:.4g}",
            f"{one['k']:.4g}",
            f"{one['relative_error']:.1%}",
            f"{one['sigma']:.4g}",
            str(one["orders"]),
            f"{one['glft']['half_spread']:.2f}",
            f"{one['glft']['skew']:.2f}",
            "shown" if one["decay_shown"] else "not shown",
        )
        for one in found
    ]
    heads = ("symbol", "A, 1/s", "k, 1/tick", "error", "sigma", "orders", "half spread", "skew", "exponential decay")
    run.out.table(heads, rows, right=heads[1:-1])
