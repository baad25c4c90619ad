"""What runs the programs of a monitoring host: drop-ins for Debian's own services, and the same as containers."""

from typing import Any, Final

import yaml

from mmctl.monitoring.plan import Plan
from mmctl.monitoring.provisioning import CURRENT, DASHBOARDS, DATASOURCES

#: Services of Debian's packages, and the drop-in that points each to our files. Paths are below ``deployments/``.
PROMETHEUS_UNIT: Final = "prometheus.service"
ALERTMANAGER_UNIT: Final = "prometheus-alertmanager.service"
DROP_IN: Final = "market-maker.conf"
UNITS: Final = "monitoring/systemd"
COMPOSE: Final = "monitoring/compose.yml"
ALERTMANAGER_FILE: Final = "alertmanager/alertmanager.yml"
#: How long Prometheus keeps what it read.
RETENTION: Final = "30d"
#: Without it an alert that Alertmanager missed once is sent again only after a minute.
RESEND: Final = "1s"
HEADER: Final = "# Made by `mmctl monitoring render`; what is changed here by hand is overwritten.\n"
IMAGES: Final = {
    "prometheus": "prom/prometheus:v2.55.1",
    "alertmanager": "prom/alertmanager:v0.27.0",
    "grafana": "grafana/grafana:11.6.1",
}


def files(plan: Plan) -> dict[str, str]:
    """The drop-ins and the compose file of ``plan``."""
    return {
        f"{UNITS}/{PROMETHEUS_UNIT}.d/{DROP_IN}": _drop_in("/usr/bin/prometheus", prometheus(plan)),
        f"{UNITS}/{ALERTMANAGER_UNIT}.d/{DROP_IN}": _drop_in("/usr/bin/prometheus-alertmanager", alertmanager(plan)),
        COMPOSE: HEADER + yaml.safe_dump(compose(plan), sort_keys=False, width=120),
    }


def prometheus(plan: Plan, data: str = "/var/lib/prometheus/metrics2") -> list[str]:
    """The options of Prometheus. It listens on its own host alone, and not on 9090: that is the engine's."""
    return [
        f"--config.file={CURRENT}/prometheus/prometheus.yml",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{plan.prometheus_port}",
        f"--rules.alert.resend-delay={RESEND}",
    ]


def alertmanager(plan: Plan, data: str = "/var/lib/prometheus/alertmanager") -> list[str]:
    """The options of Alertmanager: one of it, on its own host alone."""
    return [
        f"--config.file={CURRENT}/{ALERTMANAGER_FILE}",
        f"--storage.path={data}",
        f"--web.listen-address=127.0.0.1:{plan.alertmanager_port}",
        "--cluster.listen-address=",
    ]


def _drop_in(program: str, options: list[str]) -> str:
    lines = " \\\n  ".join([program, *options])
    return f"{HEADER}[Service]\nExecStart=\nExecStart={lines}\n"


def compose(plan: Plan) -> dict[str, Any]:
    """The same three programs as containers on the host's own network, so that every address is the same."""
    tree = f"..:{CURRENT}:ro"
    grafana = "/etc/grafana/provisioning"
    return {
        "services": {
            "prometheus": _service("prometheus", prometheus(plan, "/prometheus"), [tree, "prometheus:/prometheus"]),
            "alertmanager": _service(
                "alertmanager", alertmanager(plan, "/alertmanager"), [tree, "alertmanager:/alertmanager"]
            ),
            "grafana": _service(
                "grafana",
                [],
                [
                    tree,
                    f"../{DATASOURCES}:{grafana}/datasources/market-maker.yml:ro",
                    f"../{DASHBOARDS}:{grafana}/dashboards/market-maker.yml:ro",
                    "grafana:/var/lib/grafana",
                ],
            )
            | {"environment": {"GF_SERVER_HTTP_ADDR": "127.0.0.1", "GF_USERS_ALLOW_SIGN_UP": "false"}},
        },
        "volumes": {"prometheus": {}, "alertmanager": {}, "grafana": {}},
    }


def _service(name: str, command: list[str], volumes: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"image": IMAGES[name], "network_mode": "host", "restart": "unless-stopped"}
    return made | ({"command": command} if command else {}) | {"volumes": volumes}
