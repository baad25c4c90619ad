"""What every verb of ``mmctl backtest`` begins with: the configuration of a simulation, and how it is refused."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mmctl.fleet.errors import OperatorError

if TYPE_CHECKING:
    from engine.backtest.settings import Simulation
    from engine.config.schema import Config


class BacktestRefused(OperatorError):
    """The data, the strategy or a setting cannot be used."""


class BadConfig(OperatorError):
    """The configuration has errors, or the strategy it names."""

    exit_code = 10


def _environment(config: Path) -> dict[str, str]:
    """The environment, with a filler for what the file reads and nobody set: a backtest needs no credentials."""
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""  # load says what is wrong with the file
    return dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "unset") | dict(os.environ)


def load_config(config: Path) -> "Config":
    """The configuration of a simulation. Raises BadConfig with every error at once."""
    from engine.config.errors import ConfigErrors
    from engine.config.load import load

    try:
        return load(config, _environment(config))
    except ConfigErrors as error:
        raise BadConfig(str(error)) from None


def simulation_of(
    config: "Config",
    *,
    queue: str = "power_prob",
    queue_n: float = 2.0,
    partial_fills: bool = False,
    latency: str = "constant",
    entry_ms: float = 10.0,
    response_ms: float = 10.0,
    seed: int = 0,
    maker_fee: float | None = None,
    taker_fee: float | None = None,
) -> "Simulation":
    """What the options assume; a fee that is not given is the market's. Raises BacktestRefused."""
    from engine.backtest.settings import FEES, MS, LatencySpec, Simulation

    maker, taker = FEES[config.exchange.market]
    return Simulation(
        queue_model=queue,
        n=queue_n,
        partial_fills=partial_fills,
        latency=LatencySpec(latency, int(entry_ms * MS), int(response_ms * MS), seed=seed),
        maker_fee=maker if maker_fee is None else maker_fee,
        taker_fee=taker if taker_fee is None else taker_fee,
    )
