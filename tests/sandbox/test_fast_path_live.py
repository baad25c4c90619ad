"""The fast path over real sockets: a logged-on engine's orders are written by the kernel, and none is lost."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.app import App
from engine.config.load import load
from engine.orders.states import OrderState
from engine.venue.binance.socket_buffer import SocketBuffer
from tests.ports import free_port
from tests.sandbox.conftest import StartProcess, start_sandbox_process
from tests.sandbox.engines import CONFIG, TOKEN, Venue
from tests.sandbox.test_parity import ed25519_key

__all__ = ["start_sandbox_process"]
MARKET = ("--seed", "5", "--speed", "4", "--no-limits", "--quiet")


async def until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_orders_leave_over_the_order_buffer_and_books_and_exchange_agree(
    start_sandbox_process: StartProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, market: str
) -> None:
    port = start_sandbox_process("--symbols", f"{market}:ETHUSDT", *MARKET)
    venue, sent = Venue(port), list[int]()
    send = SocketBuffer.send

    def spy(buffer: SocketBuffer, size: int) -> bool:
        sent.append(size)
        return send(buffer, size)

    monkeypatch.setattr(SocketBuffer, "send", spy)
    path = tmp_path / "config.yaml"
    values = {"market": market, "sentinel": "false", "spread": 0.0001, "data": tmp_path / "data", "venue": port}
    path.write_text(CONFIG.format(**values, port=free_port(), token=TOKEN, **ed25519_key(port)))
    app = App(load(path), path, None)
    running = asyncio.ensure_future(app.run())
    session = (await asyncio.wait_for(asyncio.shield(app.leading), 120)).session
    await until(lambda: running.done() or session.quoting, "it quotes", 120)
    tally = session.parts.clerk.tally
    await until(lambda: tally.fills >= 5 and tally.accepted >= 20, "orders are placed and filled")
    assert len(sent) >= 10
    assert session.pairs["ETHUSDT"].quoter.decisions > len(sent)
    app.stop()
    assert await running == 0, "zero open orders were proved"
    assert venue.open_orders() == []
    orders = venue.orders()
    assert len(orders) == len({order["clientOrderId"] for order in orders}) == tally.placed - tally.rejected
    assert tally.incidents == {}
    assert venue.account()["fills"] == tally.fills
    known = list(session.parts.desk.manager.live())
    assert [order.state for order in known if order.state is not OrderState.UNKNOWN] == []
    assert_unwritten(json.loads(ed25519_key(port)["secret"]).splitlines()[1], tmp_path / "data")


def assert_unwritten(secret: str, folder: Path) -> None:
    written = [file for file in folder.rglob("*") if file.is_file()]
    assert written
    assert not any(secret.encode() in file.read_bytes() for file in written)
