"""Every metric of the catalogue moves in one live run, on a futures account, in which everything is provoked once.

A counter has counted, a histogram has observed, and a gauge has had a value other than the one it is declared with.
"""

import contextlib
import http.client
import json
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.catalogue import HORIZONS, METRICS, STAGES
from engine.metric import Metric, Type
from mmctl.client.metrics import Metrics, parse
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

#: Quotes at the next half unit of money: it is filled often, and stands between. Once its parameter says so it fails at
#: one tick in ten: what failed at every tick would be refused by the reload, which looks at what would be quoted.
STRATEGY = """from engine.strategy.parameters import Parameter
PARAMETERS = [Parameter("bad", 0.0, 0.0, 2.0, "", "")]


def quote(now_ns, view, signals, params, out):
    if params[8] == 2.0 and now_ns // 1000 % 10 == 3:
        raise ValueError("bad")
    out[0], out[1], out[2], out[3] = view[0] // 50 * 50, 20, (view[2] + 49) // 50 * 50, 20
    return 0
"""


class Watch:
    """Every value that every series has had."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seen: dict[tuple[str, tuple[tuple[str, str], ...]], set[float]] = {}

    def look(self) -> Metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.engine.port}/metrics", timeout=5) as answer:
            page = parse(answer.read().decode())
        for name, samples in page.samples.items():
            for sample in samples:
                self.seen.setdefault((name, tuple(sorted(sample.labels.items()))), set()).add(sample.value)
        return page

    def until(self, what: str, seen: Callable[[Metrics], object], seconds: float = 90.0) -> None:
        """Look four times a second, as often as a fresh page is made, until it is so."""
        end = time.monotonic() + seconds
        while not seen(self.look()):
            assert time.monotonic() < end, f"within {seconds:g} s: {what}\n{self.engine.log[-3000:]}"
            time.sleep(0.25)

    def moved(self, metric: Metric, **labels: str) -> bool:
        name = metric.name + ("_count" if metric.type is Type.HISTOGRAM else "")
        still = (metric.initial or 0.0) if metric.type is Type.GAUGE else 0.0
        return any(
            value != still
            for (seen, its), values in self.seen.items()
            for value in values
            if seen == name and labels.items() <= dict(its).items()
        )


@contextlib.contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Nobody else can write to the database."""
    with contextlib.closing(sqlite3.connect(journal, isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def asked_as(engine: Engine, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5)
    connection.request("GET", "/health", headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def engine(start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path) -> Engine:
    strategy = tmp_path / "mine.py"
    strategy.write_text(STRATEGY)
    port = start_sandbox_process("--symbols", "usdm:ETHUSDT", "--speed", "4", "--no-limits")
    engine = engine_on(port, market="usdm")
    text = engine.config.read_text()
    for old, new in (
        ("name: basic", f"name: mine, file: {strategy}, params: {{bad: 0}}"),
        ("format: text", "format: text, outputs: [stdout, file], file_path: /dev/full"),
        ("control_rate: 100", "control_rate: 100, metrics_interval: 100ms"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    engine.config.write_text(text)
    return engine.start().quoting()


def test_every_metric_of_the_catalogue_moves_in_a_live_run(engine: Engine) -> None:
    venue = Venue(int(engine.config.read_text().split('rest: "http://127.0.0.1:')[1].split('"')[0]))
    watch = Watch(engine)

    def counted(name: str, **labels: str) -> Callable[[Metrics], object]:
        return lambda page: page.total(name, **labels)

    watch.until("it is filled", counted("mm_fills_total"))
    watch.until("a markout is due", lambda page: page.total("mm_markout_bps", horizon="1s"))
    watch.until("volatility is known", counted("mm_volatility_bps"))
    (engine.data / "backup-sandbox.json").write_text(json.dumps({"made_ns": time.time_ns()}))
    watch.until("both sides stand", counted("mm_quote_uptime_ratio"))
    assert asked_as(engine, "evil.example") == 421

    venue.fault(kind="gap", count=1)
    watch.until("a gap is seen", counted("mm_feed_gaps_total"))
    venue.fault(kind="disconnect", stream="depth", count=1)
    watch.until("the market stream came back", counted("mm_feed_reconnects_total", feed="market"))
    venue.fault(kind="error", operation="order.place", code=-2010, msg="refused", executed=False, count=3)
    watch.until("orders are refused", counted("mm_orders_rejected_total"))
    venue.fault(kind="drop", stream="user", count=0)
    venue.fault(kind="ack_lost", operation="order.place", count=10)
    watch.until("an order is unknown", counted("mm_unknown_orders"))
    watch.until("the comparison finds what was not told", counted("mm_reconciliation_discrepancies_total"))
    venue.mend()

    with locked(engine.data / "journal.db"):
        watch.until("the journal is in trouble", lambda page: page.value("mm_journal_healthy") == 0)
    watch.until("and takes records again", lambda page: page.value("mm_journal_healthy") == 1)

    engine.config.write_text(engine.config.read_text().replace("{bad: 0}", "{bad: 2}"))
    until(lambda: engine.control("reload")[0] == 200, "the strategy did not fail while it was looked at")
    watch.until("the strategy failed", counted("mm_strategy_failures_total"))
    assert engine.control("halt", reason="the last thing to see")[0] == 200
    watch.until("it is halted", counted("mm_halted"))

    assert [metric.name for metric in METRICS if not watch.moved(metric)] == []
    by_name = {metric.name: metric for metric in METRICS}
    assert [stage for stage in STAGES if not watch.moved(by_name["mm_order_latency_seconds"], stage=stage)] == []
    assert all(watch.moved(by_name["mm_markout_bps"], horizon=horizon) for horizon in HORIZONS[:2])
    until(lambda: engine.stop() == 0, "it stops, with proof")
