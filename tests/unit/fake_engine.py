"""A small HTTP server that answers as an engine does, or as one that is broken in a chosen way."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from engine.telemetry.moments import readable
from tests.ui import samples


class FakeEngine:
    """``mode``: good, older (no times as text), refuse (401), garbage, html, slow, hang_up.

    Documents can be replaced between requests.
    """

    def __init__(self, port: int = 0) -> None:
        self.mode = "good"
        self.state: dict[str, Any] = samples.state(as_of_ns=time.time_ns())
        self.health: dict[str, Any] = samples.HEALTH
        self.events = samples.EVENTS
        self.why = samples.WHY
        self.latency: dict[str, Any] | None = None  # None: an engine of a version that has none
        self.asked: list[str] = []
        self.metrics = samples.METRICS
        self.token = "let-me-in"
        self.control_answer: tuple[int, dict[str, Any]] = (
            200,
            {"message": "halted", "proof": {"proved": True, "open_orders": 0, "positions": {"ETHUSDT": {"base": "0"}}}},
        )
        self.controls: list[tuple[str, dict[str, Any]]] = []
        self.actors: list[str] = []
        self.let_go = threading.Event()  # ends the wait of a slow answer
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    def _document(self, path: str) -> tuple[int, str]:
        route = path.split("?")[0]
        self.asked.append(path)
        if route == "/metrics":
            return 200, self.metrics
        if route == "/health":
            return (200 if self.health["status"] == "ok" else 503), json.dumps(self.health)
        found = {
            "/api/state": self.state,
            "/api/risk/status": self.state.get("risk"),
            "/api/orders": {"orders": samples.ORDERS},
            "/api/events": {"events": self.events},
            "/api/why": {"why": self.why},
            "/api/latency": self.latency,
            "/readiness": {"ready": True},
        }.get(route)
        if found is None:
            return 404, '{"error": "no such path"}'
        return 200, json.dumps(found if self.mode == "older" else readable(found))

    def _handler(engine) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Quiet."""

            def answer(self, status: int, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def broken(self) -> bool:
                match engine.mode:
                    case "refuse":
                        self.answer(401, '{"error": "unauthorised"}')
                    case "garbage":
                        self.answer(200, '{"engine": {"quoting": tr')
                    case "html":
                        self.answer(200, "<html><body>It works!</body></html>")
                    case "list":
                        self.answer(200, "[1, 2]")
                    case "hang_up":
                        self.connection.close()
                    case "slow":
                        engine.let_go.wait(30)
                    case _:
                        return False
                return True

            def do_GET(self) -> None:
                if not self.broken():
                    self.answer(*engine._document(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                if self.broken():
                    return
                if self.headers.get("Authorization") != f"Bearer {engine.token}":
                    self.answer(401, '{"error": "a bearer token is needed"}')
                    return
                engine.actors.append(self.headers.get("X-Actor", ""))
                engine.controls.append((self.path.rsplit("/", 1)[1], body))
                status, document = engine.control_answer
                self.answer(status, json.dumps(document))

        return Handler


@contextmanager
def running() -> Iterator[FakeEngine]:
    engine = FakeEngine()
    try:
        yield engine
    finally:
        engine.close()


CONFIG = """
environment: sandbox
exchange: {{name: binance, account: sandbox, api_key: k, api_secret: s}}
venue: {{rest: "http://127.0.0.1:1", stream: "ws://127.0.0.1:1", ws_api: "ws://127.0.0.1:1"}}
strategy: {{symbol: ETHUSDT, base_size: 0.1, max_inventory: 1}}
risk: {{daily_loss_limit: 100, max_drawdown_limit: 0.05, max_position: 2}}
monitoring: {{port: {port}, control_token: "${{MM_CONTROL_TOKEN:-let-me-in}}"}}
logging: {{outputs: [file], file_path: log/engine.log}}
"""


def write_fleet(folder: Path, port: int) -> Path:
    """A fleet with one local target ``here`` whose root, config and log folder exist; returns the fleet file."""
    root = folder / "root"
    for part in ("shared/configs", "shared/data", "shared/log", ".mmctl", "log", "etc", "run"):
        (root / part).mkdir(parents=True)
    config = CONFIG.format(port=port)
    (folder / "config.yaml").write_text(config)
    (root / "shared/configs/config.yaml").write_text(config)
    fleet = folder / "fleet.yaml"
    fleet.write_text(
        f"default: here\ntargets:\n  here:\n    transport: local\n    root: {root}\n    account: sandbox\n"
        f"    config: config.yaml\n"
    )
    return fleet
