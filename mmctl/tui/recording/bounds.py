"""How much a recording may hold."""

from dataclasses import dataclass

_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is older or beyond goes, the oldest first. ``pace_s``: seconds between two frames of an engine, at least."""

    keep_ns: int = 7 * _DAY_NS
    most_bytes: int = 1_000_000_000
    pace_s: float = 1.0
