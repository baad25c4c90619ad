"""``python -m tests.hosts.walk``: DEPLOYMENT.md walked through on one host and on three; prints the transcripts.

What is typed is what the document says; what stands between (a second configuration, the fleet of three) is shown too.
"""

import json
from collections.abc import Sequence

from tests.hosts.machines import Machine

KEY, SECRET = "sandbox-key", "sandbox-secret"  # the sandbox's own first account


def files(machines: Sequence[Machine], exchange: str) -> dict[str, str]:
    """What a person writes into ``fleet.yaml`` and ``staging.env`` for these hosts and this exchange."""
    hosts = [{"name": each.name, "address": each.address, "key": str(each.lan.key)} for each in machines]
    staging = {
        "environment": "sandbox", "account": "sandbox", "config": "config.yaml", "env_file": "staging.env",
        "hosts": hosts,
    }  # fmt: skip
    fleet = {"default": "staging", "defaults": {"known_hosts": "known_hosts"}, "targets": {"staging": staging}}
    secrets = (
        f"BINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n"
        f"MM_SANDBOX_REST=http://{exchange}\nMM_SANDBOX_STREAM=ws://{exchange}\nMM_SANDBOX_WS_API=ws://{exchange}\n"
        "MM_CONTROL_TOKEN=a-control-token-of-some-length\n"
    )
    return {"fleet.yaml": json.dumps(fleet, indent=1), "staging.env": secrets}


def tuned(spread: float) -> str:
    """The line with which a person gives ``config.yaml`` another spread."""
    return f"sed -i 's/^  base_spread: .*/  base_spread: {spread}/' config.yaml"
