"""What is out of bounds right now, over every engine of a target: the banner and view 0. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from engine.catalogue import BY_NAME
from engine.metric import Unit
from mmctl.client.age import Freshness, Reading
from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import number
from mmctl.tui.bounds import BAD, BAD_RATIO, FEED_BAD_S, WARN, WARN_RATIO, level_of, threshold_of
from mmctl.tui.panels import breaker_of, limits_of, short
from mmctl.tui.picture import Picture
from mmctl.watch.health import always_talks

#: Metrics that are judged by their own threshold, with the alert whose runbook says what to do. What the state
#: document says in words (breaker, limits, books, feeds) is judged by it.
JUDGED: Final[dict[str, str]] = {
    "mm_clock_skew_seconds": "ClockSkew",
    "mm_reject_ratio": "RejectRatioHigh",
    "mm_quote_uptime_ratio": "QuoteUptimeLow",
    "mm_portfolio_drawdown_ratio": "HighDrawdown",
    "mm_risk_level": "RiskLevelHigh",
    "mm_lease_age_seconds": "LeaseLost",
    "mm_journal_lag_seconds": "JournalLag",
    "mm_journal_queue": "JournalLag",
    "mm_journal_healthy": "JournalFailed",
    "mm_memory_bytes": "MemoryHigh",
}
#: Their first threshold is passed in the ordinary course of a day.
ONLY_BAD: Final = ("mm_risk_level",)
#: A share of time says nothing before some of it has passed.
SETTLED_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing an operator must know of. ``level`` is ``bad`` or ``warn``; ``alert`` names the runbook's section.

    ``kind`` and ``subject`` say what it is about: a limit's name, a symbol, a feed, a metric.
    """

    engine: str
    level: str
    text: str
    kind: str = ""
    subject: str = ""
    alert: str = ""


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
        present = {_same(breach): breach for breach in found}
        kept = {key: seen for key, seen in self._seen.items() if key in present or now - seen[1] < self._seconds}
        for key, breach in present.items():
            kept[key] = (breach, now)
        self._seen = kept
        # Marked at its front: a narrow line is cut at its end.
        over = [
            breach if key in present else replace(breach, text=f"(over) {breach.text}")
            for key, (breach, _) in kept.items()
        ]
        return sorted(over, key=_weight)


def _weight(breach: Breach) -> int:
    """What comes first: that nothing is known any more, then what is bad, then the rest."""
    return 0 if breach.kind == "stale" else 1 if breach.level == BAD else 2


def _same(breach: Breach) -> tuple[str, str, str]:
    return breach.engine, breach.level, _FIGURE.sub("", breach.text)[:24]


def breaches(readings: Mapping[str, Reading[Picture]], now: float, interval: float) -> list[Breach]:
    """Every breach, the worst first."""
    found: list[Breach] = []
    primaries: dict[str, list[str]] = {}
    for name, reading in readings.items():
        freshness = reading.freshness(now, interval)
        if freshness in (Freshness.STALE, Freshness.NEVER) and (reading.failures or freshness is Freshness.STALE):
            since = f"no answer for {age_text(reading.age(now))}" if reading.at is not None else "no answer yet"
            found.append(Breach(name, BAD, f"STALE: {since}: {reading.error or 'silent'}", "stale", name, "SystemDown"))
        if reading.value is None:
            continue
        found += of_one(name, reading.value)
        if pick(reading.value.state, "engine", "role") == "primary" and freshness is not Freshness.STALE:
            account = str(pick(reading.value.state, "engine", "account") or "")
            primaries.setdefault(account, []).append(name)
    for names in primaries.values():
        if len(names) > 1:
            text = "two engines call themselves primary"
            found.append(Breach(" and ".join(names), BAD, text, "primaries", "", "TwoPrimaries"))
    return sorted(found, key=_weight)


def of_one(name: str, picture: Picture) -> list[Breach]:
    """The breaches of one engine's picture, whatever its age."""
    try:
        return list(_of_picture(name, picture))
    except Exception as error:  # noqa: BLE001 - what cannot be judged is not within its bounds
        return [Breach(name, BAD, f"the engine's answer cannot be judged ({type(error).__name__})", "answer")]


def _of_picture(name: str, picture: Picture) -> Iterator[Breach]:
    yield from _of_engine(name, picture)
    for limit in limits_of(picture):
        ratio = limit.get("ratio")
        if isinstance(ratio, int | float) and ratio >= WARN_RATIO:
            of = f"({short(limit.get('use'))} of {short(limit.get('limit'))})"
            text, level = f"{limit.get('name')} at {ratio * 100:.0f}% {of}", BAD if ratio >= BAD_RATIO else WARN
            yield Breach(name, level, text, "limit", str(limit.get("name")), "LimitUseHigh")
    for symbol, values in picture.symbols.items():
        state = str(pick(values, "book", "state") or "unknown").lower()
        if state != "live":
            yield Breach(name, BAD, f"{symbol} book is {state}", "symbol", symbol, "BookNotLive")
        if values.get("unknown_orders"):
            text = f"{symbol}: {number(values.get('unknown_orders'))} orders of unknown fate"
            yield Breach(name, BAD, text, "symbol", symbol, "UnknownOrders")
    yield from _of_feeds(name, picture)
    yield from _of_metrics(name, picture)


def _of_engine(name: str, picture: Picture) -> Iterator[Breach]:
    code, state = breaker_of(picture)
    if code != 0:
        reason = pick(picture.state, "risk", "breaker", "reason")
        alert = {1: "CircuitBreakerTriggered", 3: "EngineHalted"}.get(-1 if code is None else code, "BreakerOpened")
        text = f"breaker {state}" + (f": {reason}" if reason else "")
        yield Breach(name, WARN if code == 1 else BAD, text, "breaker", state, alert)
    engine = section(picture.state, "engine")
    if engine.get("role") != "standby" and not engine.get("quoting"):
        text = f"not quoting: {engine.get('not_quoting_reason') or 'no reason given'}"
        yield Breach(name, WARN, text, "quoting", "", "QuotingStopped")


def _of_feeds(name: str, picture: Picture) -> Iterator[Breach]:
    feeds = picture.state.get("feeds")
    for feed in feeds if isinstance(feeds, list) else []:
        if not isinstance(feed, Mapping):
            continue
        age, subject = feed.get("age_s"), str(feed.get("name"))
        if not feed.get("connected"):
            yield Breach(name, BAD, f"feed {subject} is disconnected", "feed", subject, "FeedDisconnected")
        elif isinstance(age, int | float) and age >= FEED_BAD_S and always_talks(subject):
            yield Breach(name, BAD, f"feed {subject} is silent for {age_text(age)}", "feed", subject, "StaleFeed")


def _of_metrics(name: str, picture: Picture) -> Iterator[Breach]:
    """What is beyond its threshold in the catalogue; of several symbols the worst one stands for all."""
    metrics = picture.metrics
    if metrics is None or pick(picture.state, "engine", "role") == "standby":
        return
    started = metrics.value("mm_start_timestamp_seconds")
    young = started is not None and picture.received_ns / 1e9 - started < SETTLED_SECONDS
    for metric, alert in JUDGED.items():
        bound = threshold_of(metric)
        values = [sample.value for sample in metrics.samples.get(metric, ()) if sample.value == sample.value]
        if not values or (young and bound.below and metric == "mm_quote_uptime_ratio"):
            continue
        worst = min(values) if bound.below else max(values)
        if metric == "mm_clock_skew_seconds":
            worst = max(values, key=abs)
        level = level_of(metric, abs(worst) if metric == "mm_clock_skew_seconds" else worst)
        if level == BAD or (level == WARN and metric not in ONLY_BAD):
            what = metric.removeprefix("mm_").replace("_", " ")
            edge = bound.crit if level == BAD else bound.warn
            side = "below" if bound.below else "at or above"
            text = f"{_named(what)} {_said(metric, worst)} ({side} {_said(metric, edge)})"
            yield Breach(name, level, text, "metric", metric, alert)


def _named(what: str) -> str:
    for unit in (" seconds", " ratio", " bytes"):
        what = what.removesuffix(unit)
    return what


def _said(metric: str, value: float) -> str:
    match BY_NAME[metric].unit:
        case Unit.SECONDS:
            return f"{value:.3g} s"
        case Unit.RATIO:
            return f"{value * 100:.3g}%"
        case Unit.BYTES:
            return f"{value / (1 << 20):,.0f} MiB"
        case _:
            return short(value)
