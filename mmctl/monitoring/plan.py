"""What the files of a monitoring host are made from: the engines it watches, and where its own parts listen."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mmctl.fleet.channels import Channel
from mmctl.monitoring.rules.anomaly import Usual

if TYPE_CHECKING:
    from mmctl.monitoring.boards.model import Language

#: The engine's metrics are on 9090, as the desk asked; so Prometheus itself is moved.
ENGINE_PORT: Final = 9090
PROMETHEUS_PORT: Final = 9091
ALERTMANAGER_PORT: Final = 9093
RELAY_PORT: Final = 9097
GRAFANA_PORT: Final = 3000
RUNBOOKS: Final = "docs/runbooks.md"
JOB: Final = "market-maker"


@dataclass(frozen=True, slots=True)
class Scraped:
    """One engine's metrics: what it is called (``target:host``, as every verb takes it), where they are, and whose
    they are. ``listens`` is the address its listener is bound to."""

    instance: str
    address: str
    port: int
    target: str
    environment: str
    listens: str = "127.0.0.1"
    account: str = ""

    @property
    def place(self) -> str:
        """``address:port`` in one form for one place; an IPv6 address in brackets."""
        address = canonical(self.address)
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"

    @property
    def unreachable(self) -> bool:
        """Whether its listener cannot be reached at its address: it listens on its own host alone."""
        return loopback(self.listens) and not loopback(self.address)


def canonical(address: str) -> str:
    """``address`` in the one form in which it can be compared: of IPv6 the short one, of a name small letters."""
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        return address.lower()


def loopback(address: str) -> bool:
    """Whether only the host itself can reach ``address``."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the files depend on beside the catalogue.

    ``runbooks`` is the address of the page of runbooks, ``grafana`` that of Grafana, without a slash at its end.
    """

    engines: tuple[Scraped, ...] = ()
    language: "Language" = "en"
    runbooks: str = RUNBOOKS
    grafana: str = f"http://localhost:{GRAFANA_PORT}"
    prometheus_port: int = PROMETHEUS_PORT
    alertmanager_port: int = ALERTMANAGER_PORT
    channels: tuple[Channel, ...] = ()
    baseline: Mapping[str, Usual] = field(default_factory=dict)

    @property
    def prometheus(self) -> str:
        """Where Grafana finds Prometheus: on its own host."""
        return f"http://127.0.0.1:{self.prometheus_port}"


#: What the committed files are made from: one engine on the same host, as `mmctl demo` and a first server have it.
COMMITTED: Final = Plan((Scraped("local:local", "127.0.0.1", ENGINE_PORT, "local", "sandbox"),))
