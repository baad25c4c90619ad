"""Where a rule differs from what the desk wrote, and why. A test compares everything else word for word."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deviation:
    """``matter`` is the alert, or "every alert"; ``asked`` and ``done`` are the two readings; ``reason`` says why."""

    matter: str
    asked: str
    done: str
    reason: str


DEVIATIONS: Final = (
    Deviation(
        "HighLatency",
        "two alerts of one name in one group",
        "a group each, and a label: `stage` is quote or order",
        "one is about making a quote, the other about the exchange's answer; without a label nobody could tell which",
    ),
    Deviation(
        "HighLatency, stage order",
        "the 95th percentile of `order_latency_histogram`, without a rate",
        "kept as it is, with priority P2; `OrderLatencyHigh` is the same figure over five minutes, and calls people",
        "a histogram without a rate counts since the start: after a day of good answers it no longer moves",
    ),
    Deviation(
        "rule interval",
        "one text says 30 s, the other nothing; a webhook is wanted within 2 s of the event",
        "30 s for these alerts; the group `urgent` is evaluated every half second",
        "what is evaluated every 30 s cannot be told within 2 s",
    ),
    Deviation(
        "CircuitBreakerTriggered",
        "open for 1 minute before it is told",
        "kept; `BreakerOpened` and `EngineHalted` tell the same at once, and mute this one on the same engine",
        "a minute is long while quotes are gone, and two pages for one event are one too many",
    ),
    Deviation(
        "HighDrawdown",
        "15 % of the equity",
        "kept; `LimitUseHigh` speaks at 75 % and 90 % of every configured limit",
        "the limits of the same desk are 3 % and 2 %: the breaker halts long before 15 %",
    ),
    Deviation(
        "SmallLoss",
        "any loss above 10",
        "the day's loss, and the largest of a single fill; engines labelled `environment=production` are left out",
        "10 is 1 % of the 1,000 of the stage that asks for it; in production the limits' own alerts take its place",
    ),
    Deviation(
        "every alert",
        "a gauge as it is",
        "kept in these; our own look at a window (`min_over_time`, `max_over_time`)",
        "one scrape that fails would otherwise end the alert or start its minute anew",
    ),
    Deviation(
        "every alert",
        "severity alone; some without a description",
        "with `priority`, `description`, `runbook_url` and `dashboard_url`",
        "the escalation table routes by P0 to P3, and who is called at night needs to know where to look",
    ),
)
