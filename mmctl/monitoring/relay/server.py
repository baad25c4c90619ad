"""The relay's HTTP side and its watch: stdlib alone, loopback by default, every step with a deadline."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable
from mmctl.monitoring.relay.deadman import DeadMan, Turn
from mmctl.monitoring.relay.record import Delivery, Record, now
from mmctl.monitoring.relay.words import ALIVE, DEAD, Told, told
from mmctl.monitoring.send.ask import Service, prometheus_evaluates, ready
from mmctl.monitoring.send.deliver import NotTaken, send

LARGEST: Final = 1 << 20
READ_S: Final = 10.0
SEND_S: Final = 8.0  # Alertmanager gives a webhook up after ten or more
LOOK_EVERY_S: Final = 2.0


class Relay:
    """Delivers what Alertmanager posts, and says itself when alerting is dead.

    ``prometheus`` and ``alertmanager`` are None where they are not to be asked. ``say`` gets one line for the log:
    never a secret.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        dead_man: DeadMan,
        say: Callable[[str], None],
        prometheus: Service | None = None,
        alertmanager: Service | None = None,
    ) -> None:
        self.channels, self.dead_man, self.say = channels, dead_man, say
        self.prometheus, self.alertmanager = prometheus, alertmanager
        self.record = Record()
        self.posts_taken = 0  # answered with 200: what Alertmanager counts as taken, once it has the answer
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    def deliver(self, name: str, document: Any) -> tuple[int, str]:
        """HTTP status and text: 200 when the channel took it, 502 when it may be tried again, 400 when it may not."""
        channel = self.channels.get(name)
        if channel is None:
            known = ", ".join(self.channels) or "none: nobody is told of any alert"
            self.say(f"an alert for the channel {name!r}, which is not there; known: {known}")
            return 503, f"no channel {name}"
        try:
            message = told(document, channel.language)
        except ValueError as error:
            return 400, str(error)
        return self._send(channel, message)

    def _send(self, channel: Channel, message: Told) -> tuple[int, str]:
        start = time.monotonic()
        status, answer = 200, ""
        try:
            answer = send(channel, message.title, message.text, deadline_s=SEND_S).answer
        except (DeadlineExceeded, Unreachable) as error:
            status, answer = 502, str(error)
        except NotTaken as error:
            status, answer = 502 if error.again else 400, str(error)
        except OperatorError as error:
            status, answer = 400, str(error)
        spent = round(time.monotonic() - start, 3)
        kept = Delivery(now(), channel.name, channel.kind, status == 200, answer, spent, message.alerts)
        self.record.add(kept)
        self.say(f"{channel.name}: {'delivered' if status == 200 else 'NOT delivered'}: {message.title}: {answer}")
        return status, answer

    def watchdog(self, document: Any) -> tuple[int, str]:
        """The Watchdog came, or ended."""
        firing = isinstance(document, dict) and document.get("status") == "firing"
        with self._lock:
            self.dead_man.watchdog(time.monotonic(), firing)
        return 200, "noted"

    def health(self) -> dict[str, Any]:
        """For ``GET /health``: whether alerting is alive, ages in seconds, and what each channel took."""
        at = time.monotonic()
        with self._lock:
            dead, silent, blind = self.dead_man.dead(at), self.dead_man.silent_s(at), self.dead_man.blind_s(at)
            came = self.dead_man.watchdog_at is not None
        return {
            "posts_taken": self.posts_taken,
            "alive": not dead, "watchdog_came": came, "watchdog_age_s": round(silent, 1),
            "prometheus_age_s": round(blind, 1), "channels": list(self.channels), "deliveries": self.record.counts(),
        }  # fmt: skip

    def counted(self, status: int, text: str) -> tuple[int, str]:
        """The answer to a post, counted before it is given."""
        with self._lock:
            self.posts_taken += status == 200
        return status, text

    def look(self) -> None:
        """One round of the watch: ask Prometheus, and tell the channels what has to be told."""
        if self.prometheus and prometheus_evaluates(self.prometheus, LOOK_EVERY_S):
            with self._lock:
                self.dead_man.prometheus(time.monotonic())
        with self._lock:
            turn = self.dead_man.turn(time.monotonic())
        if turn is not Turn.NOTHING:
            self._tell_everyone(turn)

    def _tell_everyone(self, turn: Turn) -> None:
        """Every channel that is told of P0, at once: one that hangs must not hold up the others."""
        why = self._diagnosis() if turn is Turn.DEAD else ""
        urgent = [channel for channel in self.channels.values() if "P0" in channel.priorities]
        about = (("Watchdog", {"alertname": "Watchdog", "relay": turn.value}, turn is Turn.DEAD),)
        if not urgent:
            self.say(f"alerting is {turn.value}, and no channel takes P0: {why}")
        with ThreadPoolExecutor(max(1, len(urgent))) as pool:
            for channel in urgent:
                title, text = (DEAD if turn is Turn.DEAD else ALIVE)[channel.language]
                pool.submit(self._send, channel, Told(title, f"{text}\n{why}".strip(), about))

    def _diagnosis(self) -> str:
        asked = {"Prometheus": self.prometheus, "Alertmanager": self.alertmanager}
        states = [
            f"{name} {'answers' if ready(one, LOOK_EVERY_S) else 'does not answer'} at {one.name}"
            for name, one in asked.items()
            if one is not None
        ]
        silent = self.dead_man.silent_s(time.monotonic())
        return "\n".join([f"The Watchdog has not come for {silent:.0f} s.", *states])

    def serve(self, address: str, port: int) -> None:
        """Answers until ``stop``. Raises OperatorError where the port is taken."""
        try:
            self._server = ThreadingHTTPServer((address, port), _handler(self))
        except OSError as error:
            raise OperatorError(f"cannot listen on {address}:{port}: {error.strerror}", "is a relay running?") from None
        self._server.daemon_threads = True
        watch = threading.Thread(target=self._watch, daemon=True, name="watch")
        watch.start()
        self.say(f"relay on {address}:{port}, channels: {', '.join(self.channels) or 'none'}")
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._over.set()
            self._server.server_close()

    def stop(self) -> None:
        """Ends ``serve``; from another thread."""
        self._over.set()
        if self._server is not None:
            self._server.shutdown()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a watch that has ended would say nothing ever after
                self.say(f"the watch stumbled: {type(error).__name__}: {error}")


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_S

        def do_POST(self) -> None:
            said = self.headers.get("Content-Length") or ""
            length = int(said) if said.isdecimal() else 0
            if not 0 < length <= LARGEST:
                self._answer(413 if length else 400, "a body of 1 byte to 1 MiB is wanted")
                return
            try:
                document = json.loads(self.rfile.read(length))
            except ValueError:
                self._answer(400, "the body is no JSON")
                return
            path = urlsplit(self.path).path
            if path == "/watchdog":
                self._answer(*relay.counted(*relay.watchdog(document)))
            elif path.startswith("/alert/"):
                self._answer(*relay.counted(*relay.deliver(path.removeprefix("/alert/"), document)))
            else:
                self._answer(404, "POST /alert/CHANNEL or /watchdog")

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/health":
                health = relay.health()
                self._answer(
                    200 if health["alive"] or parts.query == "always=200" else 503,
                    json.dumps(health),
                    "application/json",
                )
            elif parts.path == "/deliveries":
                query = parse_qs(parts.query)
                found = relay.record.about(query.get("label", [""])[0], query.get("value", [""])[0])
                self._answer(200, json.dumps(found, ensure_ascii=False), "application/json")
            else:
                self._answer(404, "GET /health or /deliveries")

        def _answer(self, status: int, text: str, kind: str = "text/plain") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """What matters is said by the relay itself."""

    return Handler
