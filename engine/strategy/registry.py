"""Every strategy by name, and a user's own from a file. A new strategy is one file and one line of ``STRATEGIES``."""

import importlib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.strategy.parameters import Strategy, StrategyError

I64 = npt.NDArray[np.int64]


class _Strategies(Mapping[str, Strategy]):
    """Strategies by name, each imported when it is asked for: importing one compiles it, or loads what was compiled."""

    def __init__(self, **modules: str) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> Strategy:
        found: Strategy = importlib.import_module(self._modules[name]).STRATEGY
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


STRATEGIES: Final = _Strategies(
    basic="engine.strategy.basic",
    glft="engine.strategy.glft",
    adaptive="engine.strategy.adaptive",
)
#: Names older configurations use.
ALIASES: Final = {"basic_mm": "basic"}


def strategy(name: str, file: Path | None = None, cells: I64 | None = None) -> Strategy:
    """The strategy called ``name``, or the one in ``file``, which tells in ``cells`` where it is
    (``kernel.quoting.fence``).

    Raises StrategyError naming what is wrong and where.
    """
    if file is not None:
        from engine.strategy.own import from_file

        return from_file(Path(file), name, cells)
    found = STRATEGIES.get(ALIASES.get(name, name))
    if found is None:
        near = get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(STRATEGIES)}"
        raise StrategyError(f"no strategy is called {name}; {hint}")
    return found
