"""Alertmanager's webhook in words: a title, and one fact a line. Texts of alerts stay as they are, Chinese ones too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 20  # alerts told one by one; what is beyond is counted

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {"firing": "FIRING", "resolved": "RESOLVED", "more": "and {} more", "since": "since"},
    "zh": {"firing": "告警", "resolved": "已恢复", "more": "另有 {} 条", "since": "开始于"},
}
DEAD: Final[dict[str, tuple[str, str]]] = {
    "en": ("[P0] Alerting is dead", "Engines are watched by nobody until this is mended."),
    "zh": ("[P0] 监控告警已失效", "恢复之前没有任何告警会发出。"),
}
ALIVE: Final[dict[str, tuple[str, str]]] = {
    "en": ("[P0] Alerting works again", "The Watchdog arrives."),
    "zh": ("[P0] 监控告警已恢复", "Watchdog 已恢复。"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one webhook, and which alerts it was about: name, labels and whether it fires."""

    title: str
    text: str
    alerts: tuple[tuple[str, Mapping[str, str], bool], ...]


def told(document: Any, language: str) -> Told:
    """Alertmanager's document (version 4) in words. Raises ValueError where it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("alerts"), list) or not document["alerts"]:
        raise ValueError("no alerts in it: this is not Alertmanager's webhook")
    words, alerts = WORDS[language], document["alerts"]
    if not all(isinstance(alert, dict) and isinstance(alert.get("labels"), dict) for alert in alerts):
        raise ValueError("an alert without labels: this is not Alertmanager's webhook")
    first = alerts[0]["labels"]
    names = list(dict.fromkeys(str(alert["labels"].get("alertname", "?")) for alert in alerts))
    state = "firing" if document.get("status") != "resolved" else "resolved"
    title = " ".join(
        part
        for part in (f"[{first.get('priority', 'P?')} {words[state]}]", ", ".join(names), first.get("instance"))
        if part
    )
    lines = [line for alert in alerts[:MOST] for line in _lines(alert, words)]
    if len(alerts) > MOST:
        lines.append(words["more"].format(len(alerts) - MOST))
    about = tuple(
        (str(alert["labels"].get("alertname", "?")), alert["labels"], alert.get("status") != "resolved")
        for alert in alerts
    )
    return Told(title, "\n".join(lines), about)


def _lines(alert: dict[str, Any], words: Mapping[str, str]) -> list[str]:
    notes = alert.get("annotations") or {}
    said = [str(notes.get(key) or "") for key in ("summary", "description")]
    started = str(alert.get("startsAt") or "").partition(".")[0].removesuffix("Z")
    said += [f"{words['since']} {started}Z" if started else ""]
    said += [str(notes.get(key) or "") for key in ("runbook_url", "dashboard_url")]
    return [line for line in said if line]
