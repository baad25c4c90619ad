"""``mutants`` and ``killed``: rules broken on purpose, one small change at a time, and how many a test notices."""

import argparse
from typing import Any


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """``mutants``, ``killed`` (counts) and ``survivors``, the changes that no test noticed, in words."""
    from tests.monitoring.mutants import all_mutants, survivors

    changed = all_mutants()
    left = survivors(changed)
    count = sum(map(len, changed.values()))
    return {"mutants": count, "killed": count - len(left), "survivors": left}
