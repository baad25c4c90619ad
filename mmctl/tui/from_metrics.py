"""The state document as far as the metrics page knows it: what the screens show of an engine that serves only /metrics.

Metric names are the canonical ones of the catalogue. Only what the state document leaves out is taken from here.
"""

import math
from collections.abc import Mapping
from typing import Any

from mmctl.client.metrics import Metrics

_PNL = ("realized", "unrealized", "fees", "funding", "hedge")
_CAUSES = ("spread", "inventory")  # another cut of the same money


def complete(state: Mapping[str, Any], metrics: Metrics) -> dict[str, Any]:
    """``state`` with every gap that ``metrics`` can fill; nested objects are completed key by key."""
    return _merge(state, document(metrics))


def _merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(second) | dict(first)
    for key, value in first.items():
        other = second.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            merged[key] = _merge(value, other)
        elif value is None and other is not None:
            merged[key] = other
    return merged


def document(metrics: Metrics) -> dict[str, Any]:
    """Profit, position, quotes, breaker, limits and latency in the shape of /api/state; absent where not exported."""
    found: dict[str, Any] = {}
    pnl = {part: metrics.value("mm_pnl_quote", component=part) for part in _PNL}
    if any(value is not None for value in pnl.values()):
        found["pnl"] = {k: v for k, v in pnl.items() if v is not None}
        found["pnl"]["total"] = sum(value or 0.0 for value in pnl.values())
        causes = {cause: metrics.value("mm_pnl_attribution_quote", cause=cause) for cause in _CAUSES}
        found["pnl"] |= {k: v for k, v in causes.items() if v is not None}
    symbols = {name: _symbol(metrics, name) for name in metrics.by("mm_position_base", "symbol")}
    if symbols:
        found["symbols"] = symbols
    risk: dict[str, Any] = {}
    code = metrics.value("mm_circuit_breaker_state")
    if code is not None and math.isfinite(code):
        risk["breaker"] = {"code": int(code)}
    level = metrics.value("mm_risk_level")
    if level is not None and math.isfinite(level):
        names = ("low", "medium", "high", "critical")
        risk |= {"level": int(level), "level_name": names[int(level)] if 0 <= level < 4 else "unknown"}
    limits = [{"name": _limit(s.labels), "ratio": s.value} for s in metrics.samples.get("mm_limit_use_ratio", ())]
    if limits:
        risk["limits"] = limits
    if risk:
        found["risk"] = risk
    latency = _latency(metrics)
    if latency:
        found["latency"] = latency
    quoting = metrics.value("mm_quoting")
    if quoting is not None:
        found["engine"] = {"quoting": bool(quoting)}
    return found


def _limit(labels: Mapping[str, str]) -> str:
    """The state document's name of a limit: with its symbol behind it, where it is of one."""
    name, symbol = labels.get("limit", "?"), labels.get("symbol", "")
    return f"{name}:{symbol}" if symbol else name


def _symbol(metrics: Metrics, name: str) -> dict[str, Any]:
    limit = metrics.value("mm_position_limit_base", symbol=name)
    notional = metrics.value("mm_position_notional_quote", symbol=name)
    return {
        "position": {
            "base": metrics.value("mm_position_base", symbol=name),
            "limit_base": limit,
            "notional_quote": notional if notional is not None else metrics.value("mm_position_notional_quote"),
        }
    }


def _latency(metrics: Metrics) -> dict[str, dict[str, float]]:
    stages = {s.labels.get("stage", "") for s in metrics.samples.get("mm_order_latency_seconds_bucket", ())}
    found: dict[str, dict[str, float]] = {}
    for stage in sorted(stages - {""}):
        values = {
            name: value
            for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            if (value := metrics.quantile("mm_order_latency_seconds", q, stage=stage)) is not None
        }
        if values:
            found[stage] = values
    return found
