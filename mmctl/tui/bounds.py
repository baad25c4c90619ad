"""From a metric's value to good, warn or bad: the thresholds are the catalogue's, as of dashboards and alerts. Pure."""

import math

from engine.catalogue import BY_NAME
from engine.metric import Threshold

#: No price, size or time in ns is as large: what is, is no figure.
BEYOND = 1e19
GOOD, PLAIN, WARN, BAD, DIM = "good", "", "warn", "bad", "dim"


def threshold_of(metric: str) -> Threshold:
    """The catalogue's threshold of ``metric``. Raises KeyError where it has none: a rename is seen."""
    found = BY_NAME[metric].threshold
    if found is None:
        raise KeyError(f"{metric} has no threshold")
    return found


def level_of(metric: str, value: float | None, good: str = PLAIN) -> str:
    """``bad`` beyond the critical bound, ``warn`` beyond the first one, else ``good``; ``dim`` without a value."""
    if value is None or math.isnan(value):
        return DIM
    bound = threshold_of(metric)
    if bound.below:
        return BAD if value < bound.crit else WARN if value < bound.warn else good
    return BAD if value >= bound.crit else WARN if value >= bound.warn else good


LIMIT_USE = threshold_of("mm_limit_use_ratio")
FEED_AGE = threshold_of("mm_feed_age_seconds")
#: Shares of a limit above which it is marked.
WARN_RATIO, BAD_RATIO = LIMIT_USE.warn, LIMIT_USE.crit
#: A feed silent for longer is marked, seconds.
FEED_WARN_S, FEED_BAD_S = FEED_AGE.warn, FEED_AGE.crit
