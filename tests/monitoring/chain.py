"""The whole chain as it is rendered, only faster: engine, Prometheus, Alertmanager, relay, and channels on loopback.

The far ends of the channels are mocks (see ``listeners``); everything before them is the real program.
"""

import contextlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from mmctl.fleet.channels import Channel, SecretPlace
from mmctl.monitoring.files import files
from mmctl.monitoring.folder import write
from mmctl.monitoring.plan import Plan, Scraped
from mmctl.monitoring.proof import Chain
from mmctl.monitoring.relay import program
from mmctl.monitoring.relay.files import CHANNELS
from mmctl.monitoring.send.ask import at_url
from tests.monitoring import listeners
from tests.monitoring.listeners import Got, HttpMock, http_mock, mail_mock
from tests.ports import free_port

SECRET = "SEC42"


@dataclass
class Running:
    """The parts that run, and the mocks at their ends. ``pager`` gets Alertmanager's own webhook, the rest by kind."""

    chain: Chain
    channels: tuple[Channel, ...]
    pager: HttpMock
    robot: HttpMock
    prometheus: "subprocess.Popen[bytes]"
    alertmanager: "subprocess.Popen[bytes]"

    def pages(self, since: float = 0.0) -> list[tuple[str, str, float]]:
        """What the pager was called for since ``since`` (monotonic seconds): alert, instance, when."""
        return [
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""), got.at)
            for got in self.pager.got
            if got.at >= since and got.json["status"] == "firing"
            for alert in got.json["alerts"]
            if alert["status"] == "firing"
        ]

    def resolved(self, alert: str, since: float) -> bool:
        """Whether the pager was told after ``since`` that the alert has ended."""
        return any(
            one["labels"]["alertname"] == alert and one["status"] == "resolved"
            for got in self.pager.got
            if got.at >= since
            for one in got.json["alerts"]
        )

    def paged(self, alert: str, since: float, seconds: float) -> float:
        """When the pager was called for ``alert``, monotonic seconds."""
        end = time.monotonic() + seconds
        while True:
            found = [at for name, _, at in self.pages(since) if name == alert]
            if found:
                return found[0]
            assert time.monotonic() < end, f"{alert} was not paged within {seconds:g} s: {self.pages()}"
            time.sleep(0.02)


def channels_of(folder: Path, pager: HttpMock, robot: HttpMock, slack: HttpMock, mail: int) -> tuple[Channel, ...]:
    """One channel of each way: by Alertmanager itself (webhook, mail, Slack) and by the relay (DingTalk)."""

    def place(name: str, text: str) -> SecretPlace:
        (folder / name).write_text(text)
        return SecretPlace(str(folder / name))

    smarthost = f"127.0.0.1:{mail}"
    return (
        Channel("pager", "webhook", ("P0", "P1"), address=f"{pager.url}/page"),
        Channel("robot", "dingtalk", ("P0",), "zh", address_place=place("robot", f"{robot.url}/send?access_token=t"),
                secret=place("sign", SECRET)),
        Channel("desk", "slack", ("P2",), address_place=place("slack", f"{slack.url}/services/T/B/x")),
        Channel("mail", "email", ("P2",), to=("a@desk.example",), sender="mm@desk.example", smarthost=smarthost,
                tls=False),
    )  # fmt: skip


@contextlib.contextmanager
def chain(folder: Path, engines: tuple[Scraped, ...], hold: str = "1s") -> Iterator[Running]:
    """Everything rendered and started: scraped and evaluated every second; ``hold`` is what one minute becomes."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        pager = stack.enter_context(http_mock())
        robot = stack.enter_context(http_mock(judge=listeners.dingtalk(SECRET)))
        slack = stack.enter_context(http_mock())
        mail = stack.enter_context(mail_mock())
        channels = channels_of(folder, pager, robot, slack, mail.port)
        ports = [free_port() for _ in range(3)]
        write(folder, files(Plan(engines, prometheus_port=ports[0], alertmanager_port=ports[1], channels=channels)))
        _faster(folder, hold, ports[2])
        at = Chain(*(at_url(f"http://127.0.0.1:{port}") for port in ports))
        write(folder, program.files())
        # As its unit starts it: with Python's own library and the pushed sources alone.
        _started(stack, folder, "relay", [
            sys.executable, "-S", "-P", "-m", "mmctl.monitoring.relay", "--channels", f"{folder}/{CHANNELS}",
            "--port", str(ports[2]), "--prometheus", f"http://127.0.0.1:{ports[0]}",
        ], f"http://127.0.0.1:{ports[2]}/health?always=200", {"PYTHONPATH": f"{folder}/{program.FOLDER}"})  # fmt: skip
        # Alertmanager first: what Prometheus sends before it listens comes again only later.
        alertmanager = _started(stack, folder, "alertmanager", [
            "prometheus-alertmanager", f"--config.file={folder}/alertmanager/alertmanager.yml",
            f"--storage.path={folder}/am", f"--web.listen-address=127.0.0.1:{ports[1]}", "--cluster.listen-address=",
        ], f"http://127.0.0.1:{ports[1]}/-/ready")  # fmt: skip
        prometheus = _started(stack, folder, "prometheus", [
            "prometheus", f"--config.file={folder}/prometheus/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{ports[0]}", "--rules.alert.resend-delay=1s",
        ], f"http://127.0.0.1:{ports[0]}/-/ready")  # fmt: skip
        yield Running(at, channels, pager, robot, prometheus, alertmanager)


def _faster(folder: Path, hold: str, relay_port: int) -> None:
    file = folder / "prometheus/prometheus.yml"
    made = yaml.safe_load(file.read_text())
    made["global"]["scrape_interval"] = "1s"
    for job in made["scrape_configs"]:
        job |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    file.write_text(yaml.safe_dump(made))
    rules = folder / "grafana/alerting/rules.yml"
    text = re.sub(r"interval: (?:5|15|30)s$", "interval: 1s", rules.read_text(), flags=re.MULTILINE)
    rules.write_text(re.sub(r"for: 1m$", f"for: {hold}", text, flags=re.MULTILINE))
    routes = folder / "alertmanager/alertmanager.yml"
    text = routes.read_text().replace("127.0.0.1:9097", f"127.0.0.1:{relay_port}")
    routes.write_text(re.sub(r"group_wait: (?:5|30)s", "group_wait: 0s", text))


def _started(
    stack: contextlib.ExitStack,
    folder: Path,
    name: str,
    command: list[str],
    url: str,
    environment: dict[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    with open(folder / f"{name}.log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    stack.callback(_ended, process)
    end = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return process
        assert time.monotonic() < end, (folder / f"{name}.log").read_text()[-2000:]
        time.sleep(0.05)


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


__all__ = ["Got", "Running", "chain"]
