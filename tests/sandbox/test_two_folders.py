"""One account, two data folders (two hosts, a copied disk): the leases know nothing of each other, the orders do."""

import subprocess
import sys

import pytest

from tests.needs import ROOT
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, until

__all__ = ["engine_on"]

WIDE = 0.004
MARKET = ("--symbols", "spot:ETHUSDT", "--seed", "6", "--speed", "4", "--no-limits", "--quiet")


def halted(engine: Engine) -> bool:
    state = engine.engine()
    return state.get("quoting") is False and "two engines quote this account" in str(state.get("not_quoting_reason"))


def restarted(engine: Engine) -> None:
    """One epoch more than the other's."""
    engine.start().quoting()
    assert engine.stop() == 0


@pytest.mark.parametrize("epochs", ["equal", "the second's is later"])
def test_two_engines_that_both_quote_one_account_both_stop(
    epochs: str, start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    first, second = (engine_on(venue.port, name, spread=WIDE) for name in ("first", "second"))
    if epochs != "equal":
        restarted(second)
    first.start().quoting()
    assert first.control("cancel")[0] == 200  # it leads, and nothing of it stands at the exchange to warn the second
    second.start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "the second quotes")
    until(lambda: halted(first), "the first, which did not send them, halts")
    if epochs == "equal":
        assert first.control("resume")[0] == 409
    assert second.control("halt", confirm="sandbox")[0] == 200
    assert venue.open_orders() == []


def test_an_engine_that_starts_beside_the_orders_of_another_lease_never_quotes(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    first = engine_on(venue.port, "first", spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "the first quotes")
    before = {order["clientOrderId"] for order in venue.orders()}
    second = engine_on(venue.port, "second", spread=WIDE).start()
    until(lambda: halted(second), "the second halts before its first order")
    assert first.engine()["quoting"] is True
    heads = {name.rsplit("-", 1)[0] for name in before}
    assert {order["clientOrderId"].rsplit("-", 1)[0] for order in venue.orders()} == heads
    assert second.stop() in (0, 5)
    assert second.start().wait() == 70, "after a restart, or a reboot, it stays halted"
    assert "two engines quote this account" in second.log


def test_the_sentinel_halts_on_orders_of_another_lease(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    here = engine_on(venue.port, "here", spread=WIDE).start().quoting()
    assert here.stop() == 0
    other = engine_on(venue.port, "other", spread=WIDE).start().quoting()
    until(lambda: len(venue.open_orders()) == 2, "the other host's engine quotes")
    mark = here.data / "halt-sandbox.json"
    with subprocess.Popen([sys.executable, "-m", "engine.sentinel", "--config", str(here.config)], cwd=ROOT) as watch:
        try:
            until(mark.exists, "the sentinel of this host halts")
        finally:
            watch.terminate()
            watch.wait(20)
    assert "two engines are quoting" in mark.read_text()
    assert other.stop() in (0, 5)
