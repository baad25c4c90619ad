"""Over which time a panel asks and at which steps, as Grafana's Prometheus data source works it out. Pure.

Grafana's rules: the step is the range divided by the panel's points, rounded to one of its own; ``$__rate_interval`` is
the step and one scrape, and four scrapes at least; a range query begins and ends at whole steps.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
#: Prometheus answers at most so many steps.
MOST_STEPS: Final = 11_000
#: Pixels of a dashboard of 24 columns on a usual screen: a panel has as many points as it is wide.
SCREEN: Final = 1600
COLUMNS: Final = 24
#: What Grafana rounds a step to: (below, becomes), milliseconds.
ROUNDED: Final = (
    *((10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000)),
    *((7500, 5000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000)),
    *((210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000)),
    *((2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000)),
    *((32_400_000, 21_600_000), (64_800_000, 43_200_000), (604_800_000, 86_400_000)),
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_SINCE = re.compile(r"now-(\d+(?:\.\d+)?(?:ms|[smhdwy]))")


class NotATime(ValueError):
    """A time or duration that is written in no way Grafana knows, or in one that is not used here."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, milliseconds since the epoch."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is, milliseconds."""
        return self.end_ms - self.start_ms

    def aligned(self, step_ms: int) -> "Span":
        """Beginning and ending at whole steps."""
        return Span(self.start_ms // step_ms * step_ms, self.end_ms // step_ms * step_ms)


def duration_ms(text: str) -> int:
    """``30s``, ``24h``, ``1m30s`` in milliseconds; also ``>5s``, as a least interval is written. Raises NotATime."""
    rest = text.strip().removeprefix(">")
    parts = _DURATION.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise NotATime(f"'{text}' is not a duration such as 30s, 5m or 24h")
    return math.floor(sum(float(number) * UNITS[unit] for number, unit in parts))


def span_of(since: str, end_ms: int) -> Span:
    """The span that ends at ``end_ms`` and begins at ``now-1h`` or lasts ``1h``. Raises NotATime."""
    match = _SINCE.fullmatch(since.strip())
    return Span(end_ms - duration_ms(match[1] if match else since), end_ms)


def rounded(step_ms: float) -> int:
    """The step that Grafana takes for one worked out, milliseconds."""
    return next((becomes for below, becomes in ROUNDED if step_ms < below), 86_400_000 * round(step_ms / 86_400_000))


@dataclass(frozen=True, slots=True)
class Steps:
    """The step of a query and the interval its rates are taken over, milliseconds."""

    step_ms: int
    rate_ms: int


def steps_of(span: Span, width: int, scrape_ms: int, least_ms: int | None, points: int | None = None) -> Steps:
    """The steps for a panel ``width`` columns wide.

    ``scrape_ms`` is the data source's interval; ``least_ms`` the query's or panel's own, which stands for it.
    """
    floor = least_ms or scrape_ms
    wanted = rounded(span.length_ms / (points or max(1, SCREEN * width // COLUMNS)))
    step = max(wanted, floor, math.ceil(span.length_ms / MOST_STEPS))
    return Steps(step, max(step + floor, 4 * floor))


def written(milliseconds: int) -> str:
    """A duration as PromQL reads it: ``5s``, ``250ms``, ``1h``."""
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % UNITS[unit] == 0:
            return f"{milliseconds // UNITS[unit]}{unit}"
    return f"{milliseconds}ms"
