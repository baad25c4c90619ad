"""A source tree to deploy: the real project, its daemon replaced by one that is up in a moment and can be made to fail.

What is deployed, how, and by which code is real; only ``python -m engine`` is a stand-in, so that a test of the way
of a release does not wait for compilers and exchanges. ``test_engine_on_a_host.py`` deploys the real engine.
"""

import shutil
from pathlib import Path

from tests.needs import ROOT

#: Files of the wheel that lie elsewhere.
MORE_ASSETS = ("docs/runbooks.md", "deployments/grafana/preview/bundle.xz")
COPIED = ("pyproject.toml", "README.md", "requirements.lock", "configs", "systemd", "mmctl", *MORE_ASSETS)
ENGINE_PARTS = ("__init__.py", "config", "catalogue", "metric.py")

DAEMON = '''"""A daemon with the engine's command line, listener and manners, and none of its work."""

import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.behaviour import MODE
from engine.config.diff import apply_reload
from engine.config.errors import ConfigErrors
from engine.config.load import load

verb, config = sys.argv[1], sys.argv[sys.argv.index("--config") + 1]
try:
    settings = load(config)
except ConfigErrors as errors:
    print(errors, file=sys.stderr)
    sys.exit(10)
if verb == "check":
    if MODE == "refuses":
        print(f"{config}:1: this release does not know this config", file=sys.stderr)
    sys.exit(10 if MODE == "refuses" else 0)
if verb == "warm":
    if MODE == "cold":
        sys.exit("the kernels do not compile")
    while os.path.exists("/run/slow"):
        time.sleep(0.05)
    with open(os.path.join(os.environ["NUMBA_CACHE_DIR"], "compiled"), "a") as mark:
        mark.write(os.environ["MM_RELEASE"] + "\\n")
    sys.exit(0)


def tell(text):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(text.encode(), "\\0" + address[1:] if address[0] == "@" else address)


if MODE in ("dies", "dies on " + socket.gethostname()):
    print("engine: the symbol table is broken", file=sys.stderr, flush=True)
    sys.exit(3)
if MODE == "silent":
    os._exit(3)
if MODE == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if MODE == "second":  # the account is led by another engine: told as an error, and then it ends in order
    print(json.dumps({"level": "critical", "message": "another engine leads this account (order mm7-1)"}))
    print(json.dumps({"level": "info", "message": "zero open orders, proved by the exchange"}), flush=True)
    sys.exit(1)
if MODE == "locked out":
    print(json.dumps({"level": "error", "message": "the engine does not start: the key is refused"}), flush=True)
    sys.exit(12)
token = settings.monitoring.control_token.reveal() if settings.monitoring.control_token else ""
if token == "bad on " + socket.gethostname():
    print(json.dumps({"level": "error", "message": "the engine does not start: the key is refused"}), flush=True)
    sys.exit(12)
secret = settings.exchange.api_key.reveal() if settings.exchange.api_key else ""


def digest():
    with open(config, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


runs_with, reloads, last = digest(), 0, None


def reload(*_):
    global settings, runs_with, reloads, last
    (settings.data_dir / "reloaded").write_text("yes")
    if MODE == "deaf":
        return
    seen, reloads = digest(), reloads + 1
    try:
        if MODE == "stubborn on " + socket.gethostname():
            raise ValueError("not here")
        settings, runs_with = apply_reload(settings, load(config)), seen
        last = {"count": reloads, "file_sha256": seen, "applied": True, "message": "taken"}
    except (ConfigErrors, ValueError) as error:
        last = {"count": reloads, "file_sha256": seen, "applied": False, "message": str(error)}


started, halt_mark = time.monotonic(), settings.data_dir / "halted"
trips = [MODE[6:]] if MODE.startswith("halts ") else []


def ill():
    """Some seconds after its start, when it has proved good."""
    return time.monotonic() - started > 4


def measures(cause):
    """A metrics page: twenty orders a second, slow ones from a release that slows."""
    orders = int((time.monotonic() - started) * 20)
    fast = 0 if MODE == "slows" else orders
    ack = 'mm_order_latency_seconds_bucket{stage="ack",le="%s"} %d\\n'
    page = ack % ("0.1", fast) + ack % ("0.4", orders) + ack % ("+Inf", orders)
    return page + "mm_memory_bytes 1e8\\nmm_circuit_breaker_state %d\\n" % (3 if cause else 0)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        if trips and ill():
            halt_mark.write_text(trips.pop())
        cause = halt_mark.read_text() if halt_mark.exists() else ""
        if self.path == "/metrics":
            return self.answer(200, measures(cause).encode())
        if self.path == "/api/risk/status":
            return self.answer(200, json.dumps({"breaker": {"code": 3 if cause else 0, "cause": cause}}).encode())
        if self.path == "/health" and MODE == "sickens" and ill():
            return self.answer(503, b'{"status": "failed"}')
        ready = MODE != "unready"
        engine = {"release": os.environ["MM_RELEASE"], "pid": os.getpid(), "quoting": ready, "key_ends": secret[-4:]}
        engine["spread"] = settings.strategy.base_spread
        engine |= {"config_sha256": runs_with, "reload": last}
        body = json.dumps({"engine": engine, "reason": "" if ready else "books are not synced"}).encode()
        self.answer(200 if ready or self.path == "/api/state" else 503, body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = b'{"error": "control is off: no token is configured"}'
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def end(*_):
    tell("STOPPING=1")
    print(json.dumps({"level": "info", "message": "the last words of " + os.environ["MM_RELEASE"]}), flush=True)
    with open(settings.data_dir / "ended", "a") as mark:
        mark.write(os.environ["MM_RELEASE"] + "\\n")
    os._exit(5 if MODE == "orders_left" else 0)


def leads():
    """Whether this one is named, and the lease is its own now."""
    link = os.environ.get("MM_INSTANCE_LINK")
    try:
        if link and os.path.basename(os.readlink(link)) != os.environ["MM_INSTANCE"]:
            return False
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def stand_by():
    """Until it leads: warm, as the engine is beside another one."""
    if leads():
        return
    tell("READY=1\\nSTATUS=warm: another engine of this host is named to lead")
    while not leads():
        tell("WATCHDOG=1")
        time.sleep(0.02)


handing_over = threading.Event()
lease = open(settings.data_dir / "lease", "a")
signal.signal(signal.SIGUSR1, lambda *_: handing_over.set())
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, reload)
with open(settings.data_dir / "starts", "a") as mark:
    mark.write(os.environ["MM_RELEASE"] + "\\n")
while True:
    stand_by()
    handing_over.clear()
    server = ThreadingHTTPServer((settings.monitoring.host, settings.monitoring.port), Answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    tell("READY=1\\nSTATUS=quoting")
    while not handing_over.wait(0.2):
        tell("WATCHDOG=1")
    server.shutdown()
    server.server_close()
    fcntl.flock(lease, fcntl.LOCK_UN)
    tell("STATUS=warm: handed over")
'''


class Project:
    """A copy of the source tree under ``folder``; ``behave`` changes what its daemon does, and so its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)
        (folder / "engine").mkdir()
        for name in ENGINE_PARTS:
            source = ROOT / "engine" / name
            if source.is_dir():
                shutil.copytree(source, folder / "engine" / name, ignore=ignore)
            else:
                shutil.copy2(source, folder / "engine" / name)
        (folder / "engine/store").mkdir()
        (folder / "engine/store/__init__.py").write_text('"""The journal\'s tables, and no journal."""\n')
        shutil.copy2(ROOT / "engine/store/tables.py", folder / "engine/store/tables.py")
        (folder / "engine" / "__main__.py").write_text(DAEMON)
        self.behave("good")

    def behave(self, mode: str, note: str = "") -> None:
        """``good``, ``dies``, ``dies on HOST``, ``silent``, ``killed``, ``second``, ``locked out``, ``unready``,
        ``refuses``, ``cold``, ``deaf`` and ``stubborn on HOST`` (to a reload), ``orders_left``, or some seconds after
        it proved good ``sickens``, ``slows`` and ``halts CAUSE``.

        ``note`` alone is a change too.
        """
        (self.folder / "engine" / "behaviour.py").write_text(f'"""{note}"""\n\nMODE = "{mode}"\n')
