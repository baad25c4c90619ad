"""A bug on the path of a tick: the orders are cancelled, proved gone, and the process ends; it is told once."""

from pathlib import Path

from tests.sandbox.conftest import StartProcess, start_sandbox_process
from tests.sandbox.engines import StartEngine, Venue, engine_on, until
from tests.sandbox.test_engine_life import MARKET

__all__ = ["engine_on", "start_sandbox_process"]
STRATEGY = """
from engine.kernel.layout import V_BID_TICKS, V_ASK_TICKS, V_POSITION_LOTS
from engine.kernel.layout import O_BID_TICKS, O_BID_LOTS, O_ASK_TICKS, O_ASK_LOTS, P_BASE_SIZE_LOTS


def quote(now_ns, view, signals, params, out):
    if view[V_POSITION_LOTS] != 0:
        raise ValueError("a position was never thought of")
    out[O_BID_TICKS], out[O_ASK_TICKS] = view[V_BID_TICKS], view[V_ASK_TICKS]
    out[O_BID_LOTS] = out[O_ASK_LOTS] = int(params[P_BASE_SIZE_LOTS])
    return 0
"""


def test_a_strategy_that_raises_ends_the_engine_with_no_order_left(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path
) -> None:
    venue = Venue(start_sandbox_process(*MARKET))
    engine = engine_on(venue.port)
    mine = tmp_path / "mine.py"
    mine.write_text(STRATEGY)
    engine.config.write_text(engine.config.read_text().replace("{name: basic,", f"{{name: mine, file: {mine},"))
    process = engine.start().process
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
