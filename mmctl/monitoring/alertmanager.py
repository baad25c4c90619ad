"""Alertmanager's configuration from the fleet's channels: who is told of which priority, how often, and what is muted.

No secret is in it: what its version takes from a file is named as a file, everything else goes through the relay.
Alertmanager 0.25 (Debian 12) has no file for a Telegram token or a webhook's address, and shapes no webhook's body.
"""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from mmctl.fleet.channels import TAKEN, Channel
from mmctl.monitoring.plan import RELAY_PORT, Plan
from mmctl.monitoring.relay.words import WORDS
from mmctl.monitoring.rules.rule import Priority

FILE: Final = "alertmanager/alertmanager.yml"
EVERYONE, WATCHDOG = TAKEN
HEADER: Final = "# Made by `mmctl monitoring render` from the fleet; what is changed here by hand is overwritten.\n"
#: By priority: how long alerts of one kind are gathered, and how soon what joins them is told. It is said again as
#: often as somebody should have answered.
#: What fires again while its group is still known waits for the second of the two, so that of P0 is short.
GATHER: Final = {"P0": ("0s", "500ms"), "P1": ("5s", "30s"), "P2": ("30s", "1m"), "P3": ("1m", "5m")}
#: What tells two alerts of one name apart: a critical one mutes the warning about the same thing only.
THE_SAME: Final = ["alertname", "instance", "symbol", "limit", "feed", "component", "class", "stage", "scope", "kind"]
#: By language, in the relay's own words.
STATUS: Final = {
    language: f'{{{{ if eq .Status "firing" }}}}{words["firing"]}{{{{ else }}}}{words["resolved"]}{{{{ end }}}}'
    for language, words in WORDS.items()
}
TITLE: Final = "[{{{{ .CommonLabels.priority }}}} {}] {{{{ .GroupLabels.alertname }}}} {{{{ .GroupLabels.instance }}}}"
TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook_url }}\n{{ .Annotations.dashboard_url }}\n{{ end }}"
)


def files(plan: Plan) -> dict[str, str]:
    """``alertmanager.yml`` of ``plan``."""
    made = configuration(plan.channels)
    return {FILE: HEADER + yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=120)}


def configuration(channels: Sequence[Channel]) -> dict[str, Any]:
    """The whole configuration. An alert that no route knows goes to everyone; without a channel, to the relay, which
    refuses it loudly."""
    return {
        "route": _routes(channels),
        "receivers": [
            _receiver(EVERYONE, channels) if channels else {"name": EVERYONE, **_relayed("nobody")},
            {"name": WATCHDOG, "webhook_configs": [_webhook(f"{_relay()}/watchdog")]},
            *(_receiver(channel.name, [channel]) for channel in channels),
        ],
        "inhibit_rules": [
            _mutes('alertname="SystemDown"', 'alertname!~"SystemDown|Watchdog"', ["instance"]),
            _mutes('severity="critical"', 'severity=~"warning|info"', THE_SAME),
            _mutes(
                'alertname="EngineHalted"',
                'alertname=~"BreakerOpened|CircuitBreakerTriggered|RiskLevelHigh|QuotingStopped|QuoteUptimeLow"',
                ["instance"],
            ),
            _mutes('alertname="BreakerOpened"', 'alertname="CircuitBreakerTriggered"', ["instance"]),
        ],
    }


def gathered_s(priority: str) -> float:
    """How long a first alert of ``priority`` waits for others of its kind before it is told, seconds."""
    wait = GATHER[priority][0]
    unit = wait.lstrip("0123456789")
    return int(wait.removesuffix(unit)) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit]


def natively(channel: Channel) -> bool:
    """Whether Alertmanager 0.25 itself can speak to ``channel`` without a secret in its configuration."""
    in_file = channel.secret is None or bool(channel.secret.file)
    match channel.kind:
        case "email":
            return in_file
        case "slack":
            return channel.address_place is not None and bool(channel.address_place.file)
        case "webhook":
            return bool(channel.address) and in_file
    return False


def _routes(channels: Sequence[Channel]) -> dict[str, Any]:
    watchdog: dict[str, Any] = {"receiver": WATCHDOG, "matchers": ['alertname="Watchdog"'], "group_by": ["alertname"]}
    watchdog |= {"group_wait": "0s", "group_interval": "5s", "repeat_interval": "10s"}
    routes = [watchdog]
    for priority in Priority:
        for channel in channels:
            if priority.name in channel.priorities:
                own: dict[str, Any] = {
                    "receiver": channel.name,
                    "matchers": [f'priority="{priority.name}"'],
                    "continue": True,
                }
                routes.append(own | _clock(priority))
    # What has no priority is told as if it were the worst.
    return {"receiver": EVERYONE, "group_by": ["alertname", "instance"], **_clock(Priority.P0), "routes": routes}


def _clock(priority: Priority) -> dict[str, str]:
    wait, interval = GATHER[priority.name]
    return {"group_wait": wait, "group_interval": interval, "repeat_interval": f"{priority.answer_s}s"}


def _mutes(source: str, target: str, equal: list[str]) -> dict[str, Any]:
    return {"source_matchers": [source], "target_matchers": [target], "equal": list(equal)}


def _receiver(name: str, channels: Sequence[Channel]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    for channel in channels:
        for key, configs in _configs(channel).items():
            found.setdefault(key, []).extend(configs)
    return found


def _configs(channel: Channel) -> dict[str, list[dict[str, Any]]]:
    if not natively(channel):
        return _relayed(channel.name)
    title = TITLE.format(STATUS[channel.language])
    if channel.kind == "email":
        mail: dict[str, Any] = {"to": ", ".join(channel.to), "from": channel.sender, "smarthost": channel.smarthost}
        mail |= {"require_tls": channel.tls, "send_resolved": True, "headers": {"Subject": title}, "text": TEXT}
        if channel.secret:
            mail |= {"auth_username": channel.username, "auth_password_file": channel.secret.file}
        return {"email_configs": [mail]}
    if channel.kind == "slack":
        assert channel.address_place is not None
        slack = {"api_url_file": channel.address_place.file, "send_resolved": True, "title": title, "text": TEXT}
        return {"slack_configs": [slack]}
    hook = _webhook(channel.address)
    if channel.secret:
        hook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": channel.secret.file}}
    return {"webhook_configs": [hook]}


def _relay() -> str:
    return f"http://127.0.0.1:{RELAY_PORT}"


def _relayed(name: str) -> dict[str, list[dict[str, Any]]]:
    return {"webhook_configs": [_webhook(f"{_relay()}/alert/{name}")]}


def _webhook(url: str) -> dict[str, Any]:
    return {"url": url, "send_resolved": True}
