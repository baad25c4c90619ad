"""Whether an engine runs with what lies on its host: the configuration's file and the current release. Pure, but for
the one look that the caller carries out with :func:`script`."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmctl.remote.layout import Layout


@dataclass(frozen=True, slots=True)
class OnHost:
    """What lies on the host: SHA-256 of the live configuration (hex), id of the current release, its engine's port."""

    config_sha256: str = ""
    release: str = ""
    port: int = 0


def script(layout: Layout) -> str:
    """Prints ``config=``, ``current=`` and ``port=`` lines; leaves out what cannot be read."""
    config, current = shlex.quote(layout.config), shlex.quote(layout.current)
    about = shlex.quote(f"{layout.current}/RELEASE.json")
    port = r's/^ *"api_port": *\([0-9]*\).*/port=\1/p'
    return (
        f"sha256sum < {config} 2>/dev/null | sed -n 's/^\\([0-9a-f]*\\).*/config=\\1/p'\n"
        f'echo "current=$(basename "$(readlink {current} 2>/dev/null)" 2>/dev/null)"\n'
        f"sed -n '{port}' {about} 2>/dev/null || true\n"
    )


def read(text: str) -> OnHost:
    """What the host said of its configuration, its current release and its port (0: not said)."""
    fields = dict(line.partition("=")[::2] for line in text.splitlines())
    port = fields.get("port", "")
    return OnHost(fields.get("config", ""), fields.get("current", ""), int(port) if port.isdigit() else 0)


def drift(state: Mapping[str, Any], there: OnHost) -> str:
    """In what the running engine differs from what lies on its host; empty where it does not, or does not say."""
    engine = state.get("engine")
    if not isinstance(engine, Mapping):
        return ""
    found = []
    runs, lies = str(engine.get("config_sha256") or ""), there.config_sha256
    if runs and not lies:
        found.append("the configuration file is gone from the host: the next start fails")
    elif runs and runs != lies:
        found.append(
            f"the configuration file on the host ({lies[:12]}) is not the one the engine runs with ({runs[:12]}): "
            "the next start takes it; `mmctl reload` makes both what the fleet says"
        )
    release = str(engine.get("release") or "")
    if there.release and release not in ("", "dev", there.release):
        found.append(
            f"release {release} runs, but {there.release} is current: the next start takes that one; "
            "`mmctl restart` switches now"
        )
    return "; ".join(found)
