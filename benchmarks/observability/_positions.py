"""An engine of many positions that all move ten times a second: ``python -m`` this with their number."""

import json
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Different answers, given by turns: every look finds every position moved.
ANSWERS = 16


def state(count: int, seed: int) -> dict[str, Any]:
    """A state document of ``count`` symbols."""
    chance = random.Random(seed)
    symbols: dict[str, Any] = {}
    for number in range(count):
        mid = round(100 + number + chance.uniform(-0.5, 0.5), 2)
        symbols[f"S{number:03}USDT"] = {
            "tick_size": "0.01",
            "lot_size": "0.001",
            "book": {"state": "live", "bid": mid - 0.01, "ask": mid + 0.01, "age_s": chance.random() / 10},
            "quote": {
                "bid": round(mid - 0.2, 2),
                "bid_size": 0.1,
                "ask": round(mid + 0.2, 2),
                "ask_size": 0.1,
                "spread": 0.4,
                "age_s": chance.random(),
            },
            "position": {
                "base": round(chance.uniform(-1, 1), 3),
                "limit_base": 1.5,
                "notional_quote": chance.uniform(-200, 200),
                "avg_price": mid,
            },
            "markouts_bps": {"0.1": chance.gauss(0, 1), "1": chance.gauss(0, 1)},
            "not_quoting_reason": None,
            "open_orders": 2,
            "unknown_orders": 0,
        }
    return {
        "engine": {"version": "0", "release": "r", "account": "bench", "role": "primary", "quoting": True, "epoch": 1},
        "as_of_ns": time.time_ns(),
        "symbols": symbols,
        "pnl": {"total": chance.uniform(-9, 9), "realized": 1.0, "unrealized": chance.random(), "currency": "USDT"},
        "risk": {
            "breaker": {"state": "CLOSED", "code": 0, "reason": "", "since_ns": 1, "evidence": {}},
            "limits": [{"name": "daily_loss", "use": 1.0, "limit": 50.0, "headroom": 49.0, "ratio": 0.02}],
            "level": 0,
            "level_name": "low",
            "halted": False,
        },
        "orders": {"placed": 9, "accepted": 9, "rejected": 0, "cancelled": 5, "filled": 4, "unknown": 0},
        "latency": {"ack": {"p50": 0.001, "p95": 0.002, "p99": chance.random() / 100}},
        "feeds": [{"name": "market", "connected": True, "age_s": 0.05}],
        "reconciliation": {"last_ns": 1, "state": "clean", "discrepancies": {}},
    }


def main(count: int) -> None:
    bodies = [json.dumps(state(count, seed)).encode() for seed in range(ANSWERS)]
    metrics = "".join(
        f'mm_quote_uptime_ratio{{symbol="S{number:03}USDT"}} 0.98\nmm_volatility_bps{{symbol="S{number:03}USDT"}} 3\n'
        for number in range(count)
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            route = self.path.partition("?")[0]
            other = {"/metrics": metrics, "/api/orders": b'{"orders":[]}', "/api/events": b'{"events":[]}'}
            other["/api/why"] = b'{"why":[]}'
            body = bodies[int(time.monotonic() * 10) % ANSWERS] if route == "/api/state" else other.get(route)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
