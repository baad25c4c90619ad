"""What is out of bounds right now, over every engine of a target: the banner and view 0. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmctl.client.age import Freshness, Reading
from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import number
from mmctl.tui.panels import (
    BAD,
    BAD_RATIO,
    FEED_BAD_S,
    WARN,
    WARN_RATIO,
    breaker_of,
    limits_of,
    short,
    symbols,
)
from mmctl.tui.picture import Picture
from mmctl.watch.health import always_talks


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing an operator must know of. ``level`` is ``bad`` or ``warn``."""

    engine: str
    level: str
    text: str


_FIGURE = re.compile(r"[\d.,]+(?:[smhd%]\d*)*")


class Held:
    """Keeps what was out of bounds for a while after it came back, in the place where it first stood."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[tuple[str, str, str], tuple[Breach, float]] = {}

    def held(self, found: list[Breach], now: float) -> list[Breach]:
        """``found``, and what was found until a moment ago, marked as over; the worst first, then in a fixed order.

        Figures of a text do not make it another breach: they move with every look.
        """
        present = {_kind(breach): breach for breach in found}
        kept = {key: seen for key, seen in self._seen.items() if key in present or now - seen[1] < self._seconds}
        for key, breach in present.items():
            kept[key] = (breach, now)
        self._seen = kept
        over = [
            breach if key in present else replace(breach, text=f"{breach.text} (over)")
            for key, (breach, _) in kept.items()
        ]
        return sorted(over, key=lambda breach: breach.level != BAD)


def _kind(breach: Breach) -> tuple[str, str, str]:
    return breach.engine, breach.level, _FIGURE.sub("", breach.text)[:24]


def breaches(readings: Mapping[str, Reading[Picture]], now: float, interval: float) -> list[Breach]:
    """Every breach, the worst first."""
    found: list[Breach] = []
    primaries: list[str] = []
    for name, reading in readings.items():
        freshness = reading.freshness(now, interval)
        if freshness in (Freshness.STALE, Freshness.NEVER) and (reading.failures or freshness is Freshness.STALE):
            since = f"no answer for {age_text(reading.age(now))}" if reading.at is not None else "no answer yet"
            found.append(Breach(name, BAD, f"STALE: {since}: {reading.error or 'silent'}"))
        if reading.value is None:
            continue
        found += [Breach(name, level, text) for level, text in _of_picture(reading.value)]
        if pick(reading.value.state, "engine", "role") == "primary" and freshness is not Freshness.STALE:
            primaries.append(name)
    if len(primaries) > 1:
        found.append(Breach(" and ".join(primaries), BAD, "two engines call themselves primary"))
    return sorted(found, key=lambda breach: breach.level != BAD)


def _of_picture(picture: Picture) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    code, name = breaker_of(picture)
    if code != 0:
        reason = pick(picture.state, "risk", "breaker", "reason")
        found.append((WARN if code == 1 else BAD, f"breaker {name}" + (f": {reason}" if reason else "")))
    engine = section(picture.state, "engine")
    if engine.get("role") != "standby" and not engine.get("quoting"):
        found.append((WARN, f"not quoting: {engine.get('not_quoting_reason') or 'no reason given'}"))
    for limit in limits_of(picture):
        ratio = limit.get("ratio")
        if isinstance(ratio, int | float) and ratio >= WARN_RATIO:
            of = f"({short(limit.get('use'))} of {short(limit.get('limit'))})"
            found.append((BAD if ratio >= BAD_RATIO else WARN, f"{limit.get('name')} at {ratio * 100:.0f}% {of}"))
    for symbol, values in symbols(picture).items():
        state = str(pick(values, "book", "state") or "unknown").lower()
        if state != "live":
            found.append((BAD, f"{symbol} book is {state}"))
        if values.get("unknown_orders"):
            found.append((BAD, f"{symbol}: {number(values.get('unknown_orders'))} orders of unknown fate"))
    feeds = picture.state.get("feeds")
    for feed in feeds if isinstance(feeds, list) else []:
        if not isinstance(feed, Mapping):
            continue
        age = feed.get("age_s")
        if not feed.get("connected"):
            found.append((BAD, f"feed {feed.get('name')} is disconnected"))
        elif isinstance(age, int | float) and age >= FEED_BAD_S and always_talks(str(feed.get("name"))):
            found.append((BAD, f"feed {feed.get('name')} is silent for {age_text(age)}"))
    return found
