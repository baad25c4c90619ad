"""``mmctl monitoring preview``: what a Prometheus, a dashboard or a command line that is wrong is told.

The Prometheus here is a stand-in that answers as it is told: a real one refuses nothing without being broken first.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mmctl.monitoring.preview.bundle import Bundle
from mmctl.monitoring.preview.page import page
from mmctl.monitoring.preview.prometheus import Prometheus
from tests.unit.conftest import Mmctl

VERSION = {"status": "success", "data": {"version": "2.42.0"}}
NOTHING = {"status": "success", "data": {"resultType": "matrix", "result": []}}
SERIES = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}}
REFUSED = {"status": "error", "errorType": "execution", "error": "query timed out"}


class StandIn(ThreadingHTTPServer):
    """Answers the version, and every question with ``answer``; keeps what was asked."""

    def __init__(self) -> None:
        self.version: Any = VERSION
        self.answer: Any = SERIES
        self.labels: list[str] = []
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found = self.server.version if "buildinfo" in self.path else self.server.answer
        if "/label/" in self.path:
            found = {"status": "success", "data": self.server.labels}
        body = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the screen of the tests."""


@pytest.fixture
def prometheus() -> Iterator[StandIn]:
    with StandIn() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def drawn(path: Path) -> Any:
    return drawn_from(path.read_text())


def test_every_dashboard_is_in_the_page_with_its_answers(mmctl: Mmctl, prometheus: StandIn, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--out", str(out), "--json")
    assert said.code == 0, said.err
    result = said.events[-1]
    assert (result["failed"], result["empty"], result["version"]) == (0, 0, "2.42.0")
    given = drawn(out)
    assert [board["json"]["uid"] for board in given["dashboards"]] == [
        *("trading_overview", "performance_metrics", "risk_monitoring", "system_health", "pnl_analysis")
    ]
    asked = [target for board in given["dashboards"] for one in board["panels"].values() for target in one["targets"]]
    assert len(asked) == result["targets"]
    assert all(target["result"] == SERIES["data"] for target in asked)
    assert not any("$" in target["expr"] for target in asked)


def test_what_prometheus_refuses_is_in_the_page_and_fails(mmctl: Mmctl, prometheus: StandIn, tmp_path: Path) -> None:
    prometheus.answer = REFUSED
    out = tmp_path / "page.html"
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--out", str(out))
    assert said.code == 1
    assert "trading_overview: Live PnL: A: execution: query timed out" in said.err
    panels = drawn(out)["dashboards"][0]["panels"]
    assert {target["error"] for one in panels.values() for target in one["targets"]} == {"execution: query timed out"}


def test_a_prometheus_without_an_engine_is_no_success(mmctl: Mmctl, prometheus: StandIn, tmp_path: Path) -> None:
    prometheus.answer = NOTHING
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--out", str(tmp_path / "page.html"))
    assert said.code == 1
    assert "does it scrape an engine?" in said.err


@pytest.mark.parametrize("version", ["<html>Welcome</html>", [], {"status": "success"}])
def test_what_is_no_prometheus_is_named(version: Any, mmctl: Mmctl, prometheus: StandIn, tmp_path: Path) -> None:
    prometheus.version = version
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--out", str(tmp_path / "page.html"))
    assert said.code == 1
    assert f"what answers at {prometheus.url} is not Prometheus" in said.err
    assert not (tmp_path / "page.html").exists()


def test_a_password_in_the_address_is_shown_nowhere(mmctl: Mmctl, prometheus: StandIn, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    url = prometheus.url.replace("//", "//desk:hunter2@")
    said = mmctl("monitoring", "preview", "--prometheus", url, "--out", str(out))
    assert said.code == 0
    gone = mmctl("monitoring", "preview", "--prometheus", "http://desk:hunter2@127.0.0.1:1", "--out", str(out))
    assert gone.code == 13
    assert "hunter2" not in said.out + said.err + gone.out + gone.err + out.read_text()


def test_a_value_that_does_not_exist_is_refused_with_those_that_do(
    mmctl: Mmctl, prometheus: StandIn, tmp_path: Path
) -> None:
    prometheus.labels = ["ETHUSDT", "BTCUSDT"]
    options = ("--prometheus", prometheus.url, "--out", str(tmp_path / "page.html"))
    said = mmctl("monitoring", "preview", *options, "--symbol", "ETHUSD")
    assert said.code == 7
    assert "no symbol ETHUSD\n" in said.err
    assert "It knows BTCUSDT, ETHUSDT." in said.err
    board = ("--dashboards", "deployments/grafana/dashboards/trading_overview.json")
    assert mmctl("monitoring", "preview", *options, *board, "--symbol", "ETHUSDT").code == 0
    assert any("symbol%3D~%22ETHUSDT%22" in path for path in prometheus.asked)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is no dashboard"),
        ('{"title": "x"}', "is no dashboard"),
        (None, "cannot read"),
        ('{"panels": [1]}', "one that is no object"),
        ('{"panels": [], "time": "now-1h"}', "time is no object"),
        ('{"panels": [], "templating": []}', "templating has no list"),
        ('{"panels": [{"type": "row", "panels": [1]}]}', "a panel in it is no object"),
        ('{"panels": [{"id": 1, "title": "Bid", "targets": [{"expr": "up"}]}]}', "the panel Bid: its gridPos has no"),
        ('{"panels": [{"title": "Bid", "gridPos": {"x": 0, "y": 0, "w": 4, "h": 4}}]}', "the panel Bid: it has no id"),
        ('{"panels": [{"id": 1, "targets": "up"}]}', "the panel 1: targets is no list"),
    ],
)
def test_a_dashboard_that_is_none_is_named(
    text: str | None, told: str, mmctl: Mmctl, prometheus: StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "edited.json"
    if text is not None:
        path.write_text(text)
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--dashboards", str(path))
    assert said.code == 1
    assert str(path) in said.err
    assert told in said.err


@pytest.mark.parametrize(
    "options",
    [
        ("--prometheus", "nowhere"),
        ("--prometheus", "http://127.0.0.1:9", "--language", "fr"),
        ("--prometheus", "http://127.0.0.1:99999"),
        ("--prometheus", "http://[::1:9091"),
        (),
    ],
)
def test_a_wrong_command_line_exits_2(options: tuple[str, ...], mmctl: Mmctl) -> None:
    assert mmctl("monitoring", "preview", *options).code == 2


def test_a_time_that_is_none_exits_2(mmctl: Mmctl, prometheus: StandIn) -> None:
    said = mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--since", "yesterday")
    assert said.code == 2
    assert "'yesterday' is not a duration" in said.err
    assert mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--since", "0s").code == 2
    assert mmctl("monitoring", "preview", "--prometheus", prometheus.url, "--scrape-interval", "0s").code == 2


def test_what_is_not_asked_in_the_given_time_is_said_in_its_panel() -> None:
    asked: list[str] = []

    def fetch(path: str, seconds: float) -> tuple[int, bytes]:
        asked.append(path)
        return 200, json.dumps(NOTHING).encode()

    source = Prometheus(fetch, "p", until=time.monotonic() - 1)
    assert source.instant("up", 0).error == "not asked: the time for all questions is over"
    assert asked == []
    assert Prometheus(fetch, "p").instant("up", 0).error == ""


def test_no_word_of_a_dashboard_ends_the_pages_script() -> None:
    board = {"json": {"title": "</script><script>alert(1)</script><!--"}}
    text = page([board], "http://p", 1, Bundle("let a = '</script><!--'", "p { content: '</style>' }", ""))
    assert text.count("</script>") == 2
    assert text.count("</style>") == 1
    assert "<!--" not in text.replace("<!doctype", "")
    assert drawn_from(text)["dashboards"] == [board]


def drawn_from(text: str) -> Any:
    return json.loads(text.split('id="given">')[1].split("</script>")[0])
