"""What it costs to see, and whether all of it is seen: one part after the other, their figures in one object.

Each part is a module of this package with ``measure(arguments) -> dict[str, Any]``; ``--only PART`` takes one of them.
"""

import argparse
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any


def parts() -> list[str]:
    """The names of what is measured, in their order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Measures every part, or those named by ``--only``; the figures of all in one object.

    Raises ValueError when two parts give one figure.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks observability", allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=parts(), help="one part; again for more")
    parser.add_argument("--runs", type=int, help="how often a part repeats what it times; each has its own default")
    arguments = parser.parse_args(argv)
    result: dict[str, Any] = {"name": "observability"}
    for part in arguments.only or parts():
        figures: dict[str, Any] = importlib.import_module(f"{__name__}.{part}").measure(arguments)
        if twice := figures.keys() & result.keys():
            raise ValueError(f"{part} gives {', '.join(sorted(twice))}, which another part gave")
        result.update(figures)
    return result
