"""What the dashboards and rules ask for, and Prometheus does not have: a metric that vanished with a release."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mmctl.fleet.errors import OperatorError
from mmctl.monitoring.boards.expressions import PROMETHEUS
from mmctl.monitoring.folder import Fault
from mmctl.monitoring.lint.targets import asked
from mmctl.monitoring.loaded import Loaded
from mmctl.monitoring.plan import JOB
from mmctl.monitoring.promql import PromqlError, names

#: Absent until there is something to say: no fill, no backup, no refusal yet is no fault of the engine's.
UNTIL_SEEN: Final = (
    *("mm_fill_ratio", "mm_reject_ratio", "mm_markout_bps", "mm_last_fill_timestamp_seconds", "mm_clock_skew_seconds"),
    *("mm_quote_price", "mm_quote_size_base", "mm_quote_spread_bps", "mm_quote_timestamp_seconds", "mm_equity_quote"),
    *("mm_backup_timestamp_seconds", "mm_orders_rejected_total", "mm_volatility_bps", "mm_rate_budget_ratio"),
    *("mm_market_spread_bps", "mm_feed_age_seconds", "mm_reconciled_timestamp_seconds", "mm_lease_age_seconds"),
    *("mm_equity_peak_quote", "mm_quotes_refused_total", "mm_disk_free_bytes", "mm_disk_free_ratio"),
)


def vanished(folder: Path, running: Loaded) -> Iterator[Fault]:
    """A fault for each engine that is down, and for each name a dashboard asks for that no engine up has."""
    try:
        targets = running.ask("targets?state=active")["activeTargets"]
        there = {
            row["metric"]["__name__"]
            for row in running.ask("query?query=" + quote(f'count by (__name__) ({{job="{JOB}"}})'))["result"]
        }
    except OperatorError as error:
        yield Fault("prometheus", error.what, error.hint)
        return
    except (KeyError, TypeError):
        yield Fault("prometheus", "its answer is not what its API promises", "is it a Prometheus?")
        return
    mine = [one for one in targets if one.get("scrapePool", "").startswith(JOB)]
    if not mine:
        yield Fault("prometheus", "it reads no engine", "`mmctl monitoring push` gives it the fleet's")
    for one in mine:
        if one.get("health") != "up":
            instance = one.get("labels", {}).get("instance", "?")
            yield Fault(
                "prometheus",
                f"{instance} cannot be read at {one.get('scrapeUrl')}: {one.get('lastError')}",
                f"`mmctl status {instance}` asks the engine itself",
            )
    if any(one.get("health") == "up" for one in mine):
        yield from _missing(folder, there)


def _missing(folder: Path, there: set[str]) -> Iterator[Fault]:
    told: set[str] = set()
    for file in sorted((folder / "grafana/dashboards").glob("*.json")):
        for place, target in asked(_read(file)):
            try:
                wanted = names(str(target.get("expr") or ""))
            except PromqlError:
                continue  # the linter says it
            for name in sorted(wanted - there - set(PROMETHEUS) - set(UNTIL_SEEN) - told):
                told.add(name)
                yield Fault(
                    str(file.relative_to(folder)),
                    f"{place}: no engine has {name}",
                    "engines of another version? `mmctl releases` shows what each runs; render with the same version",
                )


def _read(file: Path) -> dict[str, Any]:
    try:
        board = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # the linter says it
    return board if isinstance(board, dict) else {}
