"""Every file of a monitoring host, as text: each part gives its own, and no two parts give one."""

from collections.abc import Callable, Mapping
from typing import Final

from mmctl.monitoring import alerting, alertmanager, boards, hosting, provisioning, scrape
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.relay import files as relay

Part = Callable[[Plan], Mapping[str, str]]
#: Paths are those of ``deployments/``.
PARTS: Final[tuple[Part, ...]] = (
    boards.files,
    alerting.files,
    alertmanager.files,
    relay.files,
    provisioning.files,
    scrape.files,
    hosting.files,
)


def files(plan: Plan) -> dict[str, str]:
    """Path below ``deployments/`` -> text, in the order of the paths. Raises ValueError where two parts give one."""
    made: dict[str, str] = {}
    for part in PARTS:
        own = part(plan)
        if twice := made.keys() & own.keys():
            raise ValueError(f"two parts make {', '.join(sorted(twice))}")
        made.update(own)
    return dict(sorted(made.items()))
