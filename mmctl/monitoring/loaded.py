"""What a running Prometheus says it has loaded, compared with files; and what it reads."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.transport import Transport
from mmctl.monitoring import alerting, scrape
from mmctl.monitoring.hosting import ALERTMANAGER_FILE, ALERTMANAGER_UNIT, DROP_IN, UNITS
from mmctl.monitoring.plan import ALERTMANAGER_PORT
from mmctl.monitoring.send.ask import ask, on_host

ASK_SECONDS: Final = 10.0


class PrometheusRefuses(OperatorError):
    """Prometheus answered with an error, or with what is no answer of its API."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The Prometheus on the host of ``transport``, on ``port`` there."""

    transport: Transport
    port: int

    def ask(self, path: str) -> Any:
        """``data`` of ``/api/v1/PATH``. Raises PrometheusRefuses naming what was asked."""
        answer = self.transport.http("GET", self.port, f"/api/v1/{path}", ASK_SECONDS)
        where = f"{self.transport.name}: Prometheus on port {self.port}, asked for {path.partition('?')[0]},"
        try:
            body = json.loads(answer.body)
        except ValueError:
            raise PrometheusRefuses(
                f"{where} answers {answer.status} and no JSON", "is something else on that port?"
            ) from None
        if answer.status != 200 or not isinstance(body, dict) or body.get("status") != "success":
            said = body.get("error") if isinstance(body, dict) else ""
            raise PrometheusRefuses(f"{where} answers {answer.status}: {said or 'without a reason'}")
        return body.get("data")

    def ready(self) -> bool:
        """Whether it is up and has read its files."""
        try:
            return self.transport.http("GET", self.port, "/-/ready", ASK_SECONDS).status == 200
        except OperatorError:
            return False

    def difference(self, files: Mapping[str, str]) -> str:
        """In what the loaded configuration is not that of ``files``, for people; empty where it is."""
        if not self.ready():
            return f"it is not ready on port {self.port}"
        try:
            running = yaml.safe_load(self.ask("status/config")["yaml"])
            groups = {group["name"]: [_rule(rule) for rule in group["rules"]] for group in self.ask("rules")["groups"]}
        except (OperatorError, KeyError, TypeError, yaml.YAMLError) as error:
            return str(error)
        wanted = yaml.safe_load(files[scrape.FILE])
        if _jobs(running) != _jobs(wanted):
            return "its scrape jobs are not those of the files"
        rules = yaml.safe_load(files[alerting.FILE])
        if groups != {group["name"]: [_rule(rule) for rule in group["rules"]] for group in rules["groups"]}:
            return "its rules are not those of the files"
        page = self.transport.http("GET", self.port, "/metrics", ASK_SECONDS).body.decode("utf-8", "replace")
        return "" if "\nprometheus_config_last_reload_successful 1" in page else "its last reload failed"


def _rule(rule: Mapping[str, Any]) -> tuple[str, Mapping[str, str], Mapping[str, str]]:
    """Name, labels and annotations, as the file and the API have them alike."""
    name = rule.get("alert") or rule.get("record") or rule.get("name") or ""
    return name, rule.get("labels") or {}, rule.get("annotations") or {}


def _jobs(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Of each job what a reader would see differ: interval, parameters, and every target with its labels."""
    return {
        job["job_name"]: (
            job.get("scrape_interval"),
            job.get("params"),
            sorted(
                (tuple(one["targets"]), tuple(sorted(one.get("labels", {}).items()))) for one in job["static_configs"]
            ),
        )
        for job in configuration.get("scrape_configs") or ()
    }


def routes_differ(transport: Transport, files: Mapping[str, str]) -> str:
    """In what the Alertmanager of the host is not that of ``files``, for people; empty where it is.

    Its own page tells who is told of what, in a form of its own and without secrets: the ways are compared by name.
    """
    port = _listens(files[f"{UNITS}/{ALERTMANAGER_UNIT}.d/{DROP_IN}"])
    there = on_host(transport, port)
    try:
        taken = ask(there, "/metrics", ASK_SECONDS)
        running = yaml.safe_load(ask(there, "/api/v2/status", ASK_SECONDS)["config"]["original"])
    except (OperatorError, KeyError, TypeError, yaml.YAMLError) as error:
        return f"it does not answer on port {port}: {error}"
    if "alertmanager_config_last_reload_successful 1" not in str(taken).splitlines():
        return "it refused them when it read them"
    wanted = yaml.safe_load(files[ALERTMANAGER_FILE])
    names = [one["name"] for one in running.get("receivers") or ()]
    if names != [one["name"] for one in wanted["receivers"]]:
        return f"it tells {', '.join(names) or 'nobody'}"
    ways = [len((one.get("route") or {}).get("routes") or ()) for one in (running, wanted)]
    return "" if ways[0] == ways[1] else f"it has {ways[0]} routes of {ways[1]}"


def _listens(drop_in: str) -> int:
    found = re.search(r"--web\.listen-address=127\.0\.0\.1:(\d+)", drop_in)
    return int(found[1]) if found else ALERTMANAGER_PORT
