"""How Prometheus reads the engines: the key figures every 5 seconds, the rest every 30, under one job's name."""

from typing import Any, Final

import yaml

from engine.metric import ScrapeGroup
from mmctl.monitoring.plan import JOB, Plan, Scraped

FILE: Final = "prometheus/prometheus.yml"
#: As seen from the folder of ``FILE``: Prometheus takes relative paths from there.
RULES: Final = "../grafana/alerting/*.yml"
HEADER: Final = "# Made by `mmctl monitoring render` from the fleet; what is changed here by hand is overwritten.\n"


def files(plan: Plan) -> dict[str, str]:
    """``prometheus.yml`` of ``plan``."""
    return {FILE: HEADER + yaml.safe_dump(configuration(plan), sort_keys=False, allow_unicode=True, width=120)}


def configuration(plan: Plan) -> dict[str, Any]:
    """Prometheus' configuration. ``up{job="market-maker"}`` is one series an engine: what is scraped slowly has a job
    of its own, and only its samples are renamed, so that every selector finds them."""
    return {
        "global": {"scrape_interval": f"{ScrapeGroup.KEY.every_s}s", "evaluation_interval": "30s"},
        "rule_files": [RULES],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{plan.alertmanager_port}"]}]}],
        },
        "scrape_configs": [
            _job(JOB, ScrapeGroup.KEY, plan.engines),
            _job(f"{JOB}-slow", ScrapeGroup.SLOW, plan.engines)
            | {"metric_relabel_configs": [{"target_label": "job", "replacement": JOB}]},
            {
                "job_name": "prometheus",
                "scrape_interval": "30s",
                "static_configs": [{"targets": [f"127.0.0.1:{plan.prometheus_port}"]}],
            },
        ],
    }


def _job(name: str, group: ScrapeGroup, engines: tuple[Scraped, ...]) -> dict[str, Any]:
    return {
        "job_name": name,
        "scrape_interval": f"{group.every_s}s",
        "scrape_timeout": "4s",
        "metrics_path": "/metrics",
        "params": {"group": [group.query]},
        "static_configs": [_target(engine) for engine in engines],
    }


def _target(engine: Scraped) -> dict[str, Any]:
    """The instance is what the engine is called on the command line: an alert names what to type."""
    labels = {"instance": engine.instance, "target": engine.target, "environment": engine.environment}
    labels |= {"account": engine.account} if engine.account else {}
    return {"targets": [engine.place], "labels": labels}
