"""A backtest of a user's strategy in a process of its own; a built-in one runs here, where it is faster begun."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.backtest import driver
from engine.backtest.driver import Result
from engine.backtest.settings import Simulation
from engine.config.schema import Config
from engine.config.secret import Secret
from engine.market.recording import ReadReport, frames

if TYPE_CHECKING:
    from engine.backtest.relive import Relived


def run(paths: Sequence[Path], config: Config, simulation: Simulation) -> Result:
    """As ``driver.run``; a strategy that crashes or never returns is a StrategyError with its line."""
    file = config.strategy.file
    if file is None:
        return driver.run(paths, config, simulation)
    from engine.isolation.process import apart

    return apart(driver.run, tuple(paths), without_secrets(config), simulation, file=Path(file))


def relive(path: Path, strategy_file: Path | None = None) -> "Relived":
    """As ``relive.relive``, apart where the run that is taken again was a user's strategy's."""
    from engine.backtest import relive as reliving

    file = _own_file(path, strategy_file)
    if file is None:
        return reliving.relive(path, strategy_file)
    from engine.isolation.process import apart

    return apart(reliving.relive, path, strategy_file, file=file)


def _own_file(path: Path, strategy_file: Path | None) -> Path | None:
    """The user's file of the run recorded in ``path``; None where it had none, or none can be read."""
    with contextlib.suppress(Exception):
        for _, payload in frames(path, ReadReport()):
            head = json.loads(payload)
            return (strategy_file or Path(head["strategy_file"])) if head["strategy_sha256"] else None
    return None


def without_secrets(config: Config) -> Config:
    """``config`` as a simulation may have it: every secret taken out, nothing checked anew."""
    sections = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        fields = getattr(type(section), "model_fields", None)
        if fields is not None:
            found = {field: getattr(section, field) for field in fields}
            section = section.model_copy(
                update={field: None for field, value in found.items() if isinstance(value, Secret)}
            )
        sections[name] = section
    return Config.model_construct(**sections)
