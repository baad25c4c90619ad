"""The relay's own files on the monitoring host: its unit, and the channels it carries to (places of secrets alone)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.monitoring.plan import RELAY_PORT, Plan
from mmctl.monitoring.provisioning import CURRENT
from mmctl.monitoring.relay.program import FOLDER

UNIT: Final = "market-maker-alert-relay.service"
CHANNELS: Final = "relay/channels.json"
_SERVICE: Final = """\
# Beside Alertmanager: carries alerts to channels that it cannot speak to, and says so itself when Prometheus or
# Alertmanager is dead. `mmctl monitoring push` installs it where the fleet has a channel; secrets that are variables
# stand in relay.env.
[Unit]
Description=Market maker's alert relay
After=network-online.target
Wants=network-online.target

[Service]
Environment=PYTHONPATH={current}/{program} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -P -m mmctl.monitoring.relay --channels {current}/{channels} --port {relay} \\
  --prometheus http://127.0.0.1:{prometheus} --alertmanager http://127.0.0.1:{alertmanager}
EnvironmentFile=-/etc/market-maker-monitoring/relay.env
User=prometheus
Restart=always
RestartSec=1
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
MemoryMax=256M

[Install]
WantedBy=multi-user.target
"""


def files(plan: Plan) -> dict[str, str]:
    """The unit and the channels of ``plan``."""
    ports = {"prometheus": plan.prometheus_port, "alertmanager": plan.alertmanager_port, "relay": RELAY_PORT}
    unit = _SERVICE.format(current=CURRENT, channels=CHANNELS, program=FOLDER, **ports)
    section = {"channels": {channel.name: described(channel) for channel in plan.channels}}
    return {f"relay/{UNIT}": unit, CHANNELS: json.dumps(section, indent=2, ensure_ascii=False) + "\n"}


def wanted(files: Mapping[str, str]) -> bool:
    """Whether there is anything to carry: without a channel the relay would only stand there."""
    return bool(json.loads(files[CHANNELS])["channels"])


def described(channel: Channel) -> dict[str, Any]:
    """A channel as the fleet file has it."""
    plain: dict[str, Any] = {"kind": channel.kind, "priorities": list(channel.priorities), "language": channel.language}
    if channel.address and channel.kind in ("webhook", "telegram"):
        plain["url"] = channel.address
    if channel.kind == "telegram":
        plain["chat"] = channel.chat
    if channel.kind == "email":
        plain |= {"to": list(channel.to), "from": channel.sender, "smarthost": channel.smarthost, "tls": channel.tls}
        plain |= {"username": channel.username} if channel.username else {}
    if channel.mentions:
        plain["mentions"] = list(channel.mentions)
    return plain | _place("url", channel.address_place) | _place("secret", channel.secret)


def _place(key: str, place: SecretPlace | None) -> dict[str, str]:
    if place is None:
        return {}
    return {f"{key}_file": place.file} if place.file else {f"{key}_env": place.variable}
