"""A relay from its channels and from what it watches: of the verb, and of the unit on the monitoring host."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmctl.fleet.channels import Channel, Path_, read_channels
from mmctl.fleet.errors import ConfigRefused
from mmctl.monitoring.relay.deadman import DeadMan
from mmctl.monitoring.relay.server import Relay
from mmctl.monitoring.send.ask import at_url


def relay_of(
    channels: Sequence[Channel], prometheus: str, alertmanager: str, patience_s: float, say: Callable[[str], None]
) -> Relay:
    """A relay that is ready to serve. Raises Refused where a secret of a channel is missing: now, not at an alert."""
    for channel in channels:
        if channel.secret:
            channel.secret.read()
        if channel.address_place:
            channel.url()
    watched = [at_url(url.rstrip("/")) if url else None for url in (prometheus, alertmanager)]
    dead_man = DeadMan(time.monotonic(), patience_s, bool(prometheus))
    return Relay({channel.name: channel for channel in channels}, dead_man, say, *watched)


def channels_of(file: Path) -> tuple[Channel, ...]:
    """The channels of a rendered file. Raises ConfigRefused that names the file and each fault in it."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigRefused(f"{file}: cannot be read: {error}", "`mmctl monitoring push` writes it") from None
    notes = _Notes(file)
    section = document.get("channels") if isinstance(document, dict) else None
    found = read_channels(notes, section, ("channels",))
    if notes.faults:
        raise ConfigRefused("\n".join(notes.faults), "`mmctl monitoring push` writes it")
    return found


class _Notes:
    """Where a fault is, in a file that was made from a fleet file whose faults were told already."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.faults: list[str] = []

    def section(self, value: Any, path: Path_, keys: Mapping[str, type]) -> dict[str, Any]:
        """The known, rightly typed keys."""
        for key, item in value.items():
            if key not in keys or not isinstance(item, keys[key]):
                self.fault((*path, key), "is not known here, or of another type")
        return {key: item for key, item in value.items() if key in keys and isinstance(item, keys[key])}

    def fault(self, path: Path_, message: str, suggestion: str = "") -> None:
        """Keep it."""
        self.faults.append(f"{self.place(path)}: {message}" + (f" ({suggestion})" if suggestion else ""))

    def place(self, path: Path_) -> str:
        """The file and the key."""
        return f"{self._file}: {'.'.join(map(str, path))}"
