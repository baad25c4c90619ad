"""A bug on the path of a tick: the orders are cancelled, proved gone, and the process ends; it is told once."""

from pathlib import Path

from tests.sandbox.conftest import StartProcess, start_sandbox_process
from tests.sandbox.engines import StartEngine, Venue, engine_on, until
from tests.sandbox.test_engine_life import MARKET

__all__ = ["engine_on", "start_sandbox_process"]
#: The engine, with a bug on the path of a tick that shows at the first position. A strategy's own errors end elsewhere.
BUG = """
import sys
from engine.compiled import use_cache
use_cache()
from engine.live.tick.fast_path import TAKE_AND_DECIDE, FastPath
usual = FastPath.take

def take(self, payload, recv_ns, what=TAKE_AND_DECIDE):
    if what == TAKE_AND_DECIDE and self._orders.ledger.whole_lots:
        raise ValueError("a position was never thought of")
    return usual(self, payload, recv_ns, what)

FastPath.take = take
from engine.__main__ import main
sys.exit(main())
"""


def test_a_bug_ends_the_engine_with_no_order_left(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    process = engine.start("-c", BUG).process
    assert process is not None
    until(lambda: process.poll() is not None, "the engine ends by itself at its first position", 120)
    assert process.returncode == 1, engine.log
    assert venue.account()["fills"] >= 1, engine.log
    assert venue.open_orders() == []
    told = [
        line for line in engine.log.splitlines() if "a position was never thought of" in line and "CRITICAL" in line
    ]
    assert len(told) == 1, engine.log
    assert "the path of a tick failed" in told[0]
    assert "zero open orders, proved by the exchange" in engine.log
