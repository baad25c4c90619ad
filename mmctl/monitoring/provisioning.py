"""What Grafana finds when it starts: the data source, and the folder of dashboards."""

from typing import Any, Final

import yaml

from engine.metric import ScrapeGroup
from mmctl.monitoring.plan import Plan

DATASOURCES: Final = "grafana/provisioning/datasources.yml"
DASHBOARDS: Final = "grafana/provisioning/dashboards.yml"
#: Where a monitoring host has the files: the folder that `mmctl monitoring push` switches, and the containers mount.
ROOT: Final = "/opt/market-maker-monitoring"
CURRENT: Final = f"{ROOT}/current"
SOURCE_UID: Final = "market-maker-prometheus"
HEADER: Final = "# Made by `mmctl monitoring render`; what is changed here by hand is overwritten.\n"


def files(plan: Plan) -> dict[str, str]:
    """Grafana's provisioning files."""
    return {
        DATASOURCES: HEADER + yaml.safe_dump(datasources(plan), sort_keys=False, allow_unicode=True),
        DASHBOARDS: HEADER + yaml.safe_dump(providers(), sort_keys=False, allow_unicode=True),
    }


def datasources(plan: Plan) -> dict[str, Any]:
    """The one data source. Its interval is that of the scrape: ``$__rate_interval`` is four of them at least."""
    source = {
        "name": "Prometheus",
        "uid": SOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "orgId": 1,
        "url": plan.prometheus,
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": f"{ScrapeGroup.KEY.every_s}s",
            "manageAlerts": False,
            "prometheusType": "Prometheus",
        },
    }
    return {"apiVersion": 1, "prune": True, "datasources": [source]}


def providers() -> dict[str, Any]:
    """Where the dashboards are read from; nobody edits them in Grafana, for the next push would undo it."""
    provider = {
        "name": "market-maker",
        "orgId": 1,
        "folder": "Market Maker",
        "folderUid": "market-maker",
        "type": "file",
        "disableDeletion": True,
        "updateIntervalSeconds": 30,
        "allowUiUpdates": False,
        "options": {"path": f"{CURRENT}/grafana/dashboards"},
    }
    return {"apiVersion": 1, "providers": [provider]}
