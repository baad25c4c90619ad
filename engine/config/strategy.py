"""The named strategy's own parameters, checked against the strategies themselves (imported only when asked)."""

import difflib
from pathlib import Path as FilePath

from engine.config.document import Path
from engine.config.schema import Config

Complaints = list[tuple[Path, str, str]]


def strategy_complaints(config: Config) -> Complaints:
    """Unknown strategies, a strategy file that cannot be used, and unknown or out-of-bounds parameters."""
    from engine.isolation.process import described
    from engine.strategy.parameters import StrategyError
    from engine.strategy.registry import strategy as find

    chosen = config.strategy
    try:
        if chosen.file is not None:  # a file that loops or crashes must not take us with it
            parameters = described(FilePath(chosen.file), chosen.name)
        else:
            parameters = find(chosen.name).parameters
    except (StrategyError, OSError) as error:
        return [(("strategy", "file" if chosen.file is not None else "name"), str(error), "")]
    known = {parameter.name: parameter for parameter in parameters}
    given: dict[Path, tuple[str, float]] = {
        ("strategy", "params", name): (name, value) for name, value in chosen.params.items()
    }
    for name in ("base_spread", "skew_factor"):  # keys of the file that fill a parameter of the same name
        if name in known and name not in chosen.params:
            given["strategy", name] = (name, float(getattr(chosen, name)))
    complaints: Complaints = []
    for path, (name, value) in given.items():
        if name not in known:
            close = difflib.get_close_matches(name, list(known), 1)
            hint = f"did you mean {close[0]}?" if close else "known: " + (", ".join(known) or "none")
            complaints.append((path, f"the strategy {chosen.name} has no such parameter", hint))
        elif not known[name].low <= value <= known[name].high:
            low, high = known[name].low, known[name].high
            complaints.append((path, f"must be from {low:g} to {high:g}, found {value:g}", known[name].doc))
    return complaints
