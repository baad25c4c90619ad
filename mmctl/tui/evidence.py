"""What stands behind a row of a table or a breach, as text: its fields, what led to it, what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from mmctl.client.engine import section
from mmctl.formats import utc
from mmctl.tui.breaches import Breach
from mmctl.tui.panels import limits_of, short
from mmctl.tui.picture import Picture

#: Of the events that led to a breach so many are shown.
MOST_EVENTS = 12


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing looked at closely. ``runbook`` is Markdown, empty where nothing is to be done."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...] = ()
    runbook: str = ""

    def as_text(self) -> str:
        """All of it as plain text."""
        lines = [self.title, *(f"{label}: {value}" for label, value in self.facts)]
        for one in self.sections:
            lines += ["", one.title, *one.lines]
        return "\n".join([*lines, *(["", self.runbook] if self.runbook else [])])


def facts_of(row: Any) -> tuple[tuple[str, str], ...]:
    """Every field of a row, nested names joined with dots."""
    if is_dataclass(row) and not isinstance(row, type):
        row = {one.name: getattr(row, one.name) for one in fields(row)}
    if not isinstance(row, Mapping):
        return (("", str(row)),)
    found: list[tuple[str, str]] = []
    for key, value in row.items():
        if isinstance(value, Mapping):
            found += [(f"{key}.{name}" if name else str(key), text) for name, text in facts_of(value)]
        elif isinstance(value, int) and not isinstance(value, bool) and str(key).endswith("ns") and value > 10**17:
            found.append((str(key), utc(value)))
        else:
            found.append((str(key), _plain(value)))
    return tuple(found)


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return short(value) if abs(value) >= 0.001 or value == 0 else f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(one) for one in value) or "-"
    return str(value)


def of_breach(breach: Breach, picture: Picture | None, runbook: str) -> Evidence:
    """What the engine said when the breach was found: the limit, the breaker, the symbol, the last events."""
    facts = [("engine", breach.engine), ("level", breach.level), ("subject", breach.subject or "-")]
    if breach.alert:
        facts.append(("alert", breach.alert))
    if picture is None:
        return Evidence(breach.text, tuple(facts), (), runbook)
    sections: list[Section] = []
    risk = section(picture.state, "risk")
    if breach.kind == "breaker":
        sections.append(_section("The breaker", facts_of(section(risk, "breaker"))))
    if breach.kind == "limit":
        found = next((limit for limit in limits_of(picture) if limit.get("name") == breach.subject), None)
        if found:
            sections.append(_section("The limit", facts_of(found)))
    if breach.subject in picture.symbols:
        sections.append(_section(breach.subject, facts_of(picture.symbols[breach.subject])))
    if breach.kind == "quoting":
        sections.append(_section("Why", facts_of(section(picture.state, "engine"))))
    if breach.kind == "feed":
        feeds = [feed for feed in picture.state.get("feeds") or () if isinstance(feed, Mapping)]
        sections += [_section("Feeds", facts_of(feed)) for feed in feeds if feed.get("name") == breach.subject]
    if breach.kind == "metric" and picture.metrics:
        samples = picture.metrics.samples.get(breach.subject, ())
        shown = [(", ".join(f"{k}={v}" for k, v in s.labels.items()) or "value", _plain(s.value)) for s in samples[:40]]
        sections.append(_section(breach.subject, tuple(shown)))
    events = [event for event in picture.events if event.get("severity") != "info"] or list(picture.events)
    lines = tuple(_event(event) for event in reversed(events[-MOST_EVENTS:]))
    sections.append(Section("The last events", lines or ("none",)))
    return Evidence(breach.text, tuple(facts), tuple(sections), runbook)


def _section(title: str, facts: Sequence[tuple[str, str]]) -> Section:
    width = max((len(label) for label, _ in facts), default=0)
    return Section(title, tuple(f"{label:<{width}}  {value}" for label, value in facts))


def _event(event: Mapping[str, Any]) -> str:
    ns = event.get("ns")
    when = utc(ns) if isinstance(ns, int) else "-"
    return f"{when}  {event.get('severity', '')}  {event.get('kind', '')}  {event.get('message', '')}"
