"""Documents as an engine serves them, for tests of everything that reads an engine."""

import copy
from typing import Any

STATE: dict[str, Any] = {
    "engine": {
        "version": "0.1.0",
        "release": "20240808T120000-abc1234",
        "pid": 4242,
        "started_ns": 1_723_118_400_000_000_000,
        "epoch": 7,
        "role": "primary",
        "quoting": True,
        "not_quoting_reason": None,
        "account": "sandbox",
        "environment": "sandbox",
        "exchange": "binance",
        "market": "usdm",
    },
    "symbols": {
        "ETHUSDT": {
            "book": {"state": "live", "bid": 2450.1, "ask": 2450.2, "age_s": 0.04},
            "quote": {
                "bid": 2449.8,
                "bid_size": 0.1,
                "ask": 2450.5,
                "ask_size": 0.1,
                "spread": 0.7,
                "age_s": 0.4,
            },
            "position": {"base": 0.3, "limit_base": 1.0, "notional_quote": 735.05, "avg_price": 2449.9},
            "open_orders": 2,
            "unknown_orders": 0,
        }
    },
    "pnl": {
        "total": 12.3456,
        "realized": 10.0,
        "unrealized": 2.9,
        "fees": -0.5544,
        "funding": 0.0,
        "hedge": 0.0,
        "spread": 14.1,
        "inventory": -1.2,
        "currency": "USDT",
    },
    "risk": {
        "breaker": {"state": "closed", "code": 0, "reason": None, "since_ns": 0, "evidence": {}},
        "limits": [
            {"name": "daily_loss", "use": 10.0, "limit": 500.0, "headroom": 490.0, "ratio": 0.02},
            {"name": "position ETHUSDT", "use": 0.3, "limit": 1.0, "headroom": 0.7, "ratio": 0.3},
            {"name": "order_rate", "use": 4.0, "limit": 20.0, "headroom": 16.0, "ratio": 0.2},
        ],
        "level": 0,
        "level_name": "low",
        "halted": False,
    },
    "orders": {"placed": 1200, "accepted": 1198, "rejected": 2, "cancelled": 1100, "filled": 96, "unknown": 0},
    "latency": {
        "decision": {"p50": 0.000031, "p95": 0.000062, "p99": 0.00012},
        "ack": {"p50": 0.0009, "p95": 0.0014, "p99": 0.0031},
    },
    "feeds": [
        {"name": "market:ETHUSDT", "connected": True, "age_s": 0.04},
        {"name": "user", "connected": True, "age_s": 31.0},
    ],
    "reconciliation": {"last_ns": 1_723_118_490_000_000_000, "state": "ok", "discrepancies": {"missing_order": 0}},
    "as_of_ns": 1_723_118_500_000_000_000,
}

HEALTH: dict[str, Any] = {
    "status": "ok",
    "components": {
        "feed": {"ok": True, "message": "live", "age_s": 0.04},
        "journal": {"ok": True, "message": "writable", "age_s": 0.2},
    },
}

ORDERS: list[dict[str, Any]] = [
    {
        "client_id": "mm-7-a",
        "symbol": "ETHUSDT",
        "side": "buy",
        "price": 2449.8,
        "quantity": 0.1,
        "filled": 0.0,
        "state": "ACCEPTED",
        "age_s": 3.2,
    },
    {
        "client_id": "mm-7-b",
        "symbol": "ETHUSDT",
        "side": "sell",
        "price": 2450.5,
        "quantity": 0.1,
        "filled": 0.04,
        "state": "PARTIALLY_FILLED",
        "age_s": 1.0,
    },
]

EVENTS: list[dict[str, Any]] = [
    {
        "seq": 1,
        "ns": 1_723_118_410_000_000_000,
        "kind": "breaker",
        "severity": "warning",
        "message": "half open",
        "evidence": {},
    },
    {
        "seq": 2,
        "ns": 1_723_118_470_000_000_000,
        "kind": "breaker",
        "severity": "info",
        "message": "closed",
        "evidence": {},
    },
]

WHY: list[dict[str, Any]] = [
    {"ns": 1_723_118_480_000_000_000, "symbol": "ETHUSDT", "side": "buy", "reason": "POSITION_LIMIT", "detail": "0.95"}
]

METRICS = """# HELP mm_position_base Position.
# TYPE mm_position_base gauge
mm_position_base{venue="binance",symbol="ETHUSDT"} 0.3
mm_position_limit_base{venue="binance",symbol="ETHUSDT"} 1.0
mm_pnl_quote{component="realized"} 10.0
mm_pnl_quote{component="unrealized"} 2.9
mm_pnl_quote{component="fees"} -0.5544
mm_pnl_quote{component="funding"} 0.0
mm_pnl_quote{component="hedge"} 0.0
mm_circuit_breaker_state 0.0
mm_risk_level 0.0
# TYPE mm_order_latency_seconds histogram
mm_order_latency_seconds_bucket{venue="binance",stage="ack",le="0.001"} 50.0
mm_order_latency_seconds_bucket{venue="binance",stage="ack",le="0.005"} 99.0
mm_order_latency_seconds_bucket{venue="binance",stage="ack",le="+Inf"} 100.0
mm_order_latency_seconds_sum{venue="binance",stage="ack"} 0.2
mm_order_latency_seconds_count{venue="binance",stage="ack"} 100.0
"""


def state(**changes: Any) -> dict[str, Any]:
    """A deep copy of STATE; ``changes`` are dotted with ``__`` (``engine__quoting=False``)."""
    document = copy.deepcopy(STATE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for key in parents:
            place = place[key]
        place[last] = value
    return document
