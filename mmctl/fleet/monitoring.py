"""The fleet file's section ``monitoring``: the host with Prometheus and Grafana, and what its files are made with."""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mmctl.fleet.channels import LANGUAGES, Channel, read_channels, web_address
from mmctl.fleet.host import Host

KEYS: Final[dict[str, type]] = {
    "host": dict, "language": str, "runbooks": str, "grafana": str, "prometheus_port": int, "alertmanager_port": int,
    "channels": dict,
}  # fmt: skip
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Monitoring:
    """``host`` None: none is named, so nothing can be pushed. Ports None and texts "" mean the usual ones.

    ``at`` is file:line of the section.
    """

    host: Host | None = None
    language: str = "en"
    runbooks: str = ""
    grafana: str = ""
    prometheus_port: int | None = None
    alertmanager_port: int | None = None
    channels: tuple[Channel, ...] = ()
    at: str = field(default="", compare=False)


class SectionReader(Protocol):
    """What reads the fleet file, as far as a section needs it: each notes its faults with file:line."""

    def section(self, value: Any, path: Path_, keys: dict[str, type]) -> dict[str, Any]:
        """The known, rightly typed keys of a mapping."""
        ...

    def fault(self, path: Path_, message: str, suggestion: str = "") -> None:
        """Note a fault."""

    def host(self, value: Any, path: Path_, inherited: dict[str, Any], fallback: str) -> Host | None:
        """A host, as in a target."""

    def port(self, values: dict[str, Any], key: str, path: Path_, otherwise: int | None) -> int | None:
        """A port."""

    def place(self, path: Path_) -> str:
        """file:line."""
        ...


def read_monitoring(reader: SectionReader, value: Any, shared: dict[str, Any]) -> Monitoring:
    """The section ``value``; ``shared`` is what every host of the fleet inherits."""
    path: Path_ = ("monitoring",)
    values = reader.section(value, path, KEYS)
    language = values.get("language", "en")
    if language not in LANGUAGES:
        reader.fault((*path, "language"), f"unknown language {language!r}", f"one of {', '.join(LANGUAGES)}")
    for key in ("runbooks", "grafana"):
        if key in values and not web_address(values[key]):
            reader.fault((*path, key), "expected an address that begins with http:// or https://")
    return Monitoring(
        host=reader.host(values["host"], (*path, "host"), shared, "monitoring") if "host" in values else None,
        language=language,
        runbooks=values.get("runbooks", ""),
        grafana=values.get("grafana", "").rstrip("/"),
        prometheus_port=reader.port(values, "prometheus_port", path, None),
        alertmanager_port=reader.port(values, "alertmanager_port", path, None),
        channels=read_channels(reader, values.get("channels", {}), (*path, "channels")),
        at=reader.place(path),
    )
