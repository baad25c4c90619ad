"""``python -m benchmarks NAME [...]``: run one benchmark and print its one object, as JSON or as a table.

A benchmark is a module ``benchmarks.NAME`` with ``main(argv) -> dict``; ``--json`` is taken here, everything else is
the benchmark's own. Exit code: 0, 2 for a wrong call, 1 when what it needs is missing.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

import benchmarks
from benchmarks.side_by_side import NoRecording
from engine.compiled import use_cache

NOT_A_BENCHMARK = {"flood", "__main__", "forge", "processes", "side_by_side"}


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in NOT_A_BENCHMARK
    )


def table(result: dict[str, Any]) -> str:
    """The result for people: one line a figure, nested objects indented."""
    width = max(len(key) for key in result)
    return "\n".join(f"{key:<{width}}  {_cell(value)}" for key, value in result.items())


def _cell(value: Any) -> str:
    match value:
        case float():
            return f"{value:,.6g}"
        case list():
            return ", ".join(_cell(item) for item in value)
        case dict():
            return "; ".join(f"{key} {_cell(item)}" for key, item in value.items())
        case _:
            return str(value)


def main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: python -m benchmarks NAME [--data FILE...] [--json]\n\nNAME is one of: {', '.join(names())}")
        return 0 if argv else 2
    name, rest = argv[0], list(argv[1:])
    if name not in names():
        print(f"no benchmark {name!r}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    use_cache()
    as_json = "--json" in rest
    rest = [argument for argument in rest if argument != "--json"]
    try:
        result: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").main(rest)
    except (NoRecording, ImportError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result) if as_json else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
