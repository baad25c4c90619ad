"""How much a recording may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_DAY_NS: Final = 86_400_000_000_000
#: A metrics page is the longest answer, and the state has prices, positions and profit every second. Forty levels of a
#: book that all change every second would be half of a recording. Quantiles of the last quarter of an hour hardly
#: change within a minute. A list of the last hundred fills says again with each what it said before.
SLOW: Final[Mapping[str, float]] = {"metrics": 2.0, "fills": 5.0, "book": 10.0, "latency": 60.0}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is older or beyond goes, the oldest first. ``pace_s``: seconds between two frames of an engine, at least.

    ``slow``: parts of which a new answer is kept at most so often, seconds; until then the last one stands, aging.
    """

    keep_ns: int = 7 * _DAY_NS
    most_bytes: int = 1_000_000_000
    pace_s: float = 1.0
    slow: Mapping[str, float] = field(default_factory=lambda: SLOW)
