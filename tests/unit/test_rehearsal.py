"""The rehearsal walks the path of a tick and leaves no trace: no order, no decision, no change of the real book."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.live.tick.rehearsal import Rehearsal
from engine.trade import Market
from engine.venue.binance.endpoints import Endpoints
from engine.venue.binance.market_stream import BinanceMarketStream
from engine.venue.live_gateway import OnFrame
from tests.unit.live_session import SYMBOL, Rig
from tests.unit.test_fast_path import BufferExchange

PLACES = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1", "http://127.0.0.1:1")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made.live()
    await made.feed.close()
    made.close()


async def test_it_walks_to_the_order_buffer_and_nothing_of_it_reaches_session_or_exchange(tmp_path: Path) -> None:
    exchange = BufferExchange()
    rig = Rig(tmp_path, exchange=exchange).live()
    exchange.answer()
    rig.tick()
    exchange.read()
    rig.session.paths[SYMBOL].touch()  # the order buffer is told what it may write whenever it is looked at
    buffer: Any = rig.session.buffers[SYMBOL]
    quoter, view, numbers = rig.pair.quoter, rig.feed.view.copy(), buffer.numbers.copy()

    def trace() -> tuple[object, ...]:
        counts = (quoter.decisions, quoter.placed, quoter.cancelled, rig.feed.frames, rig.markets.feeds)
        return (*counts, exchange.line.took, exchange.line.upcoming, exchange.throttle.room, exchange.placed[:])

    before = trace()
    rehearsal = Rehearsal(rig.pair, rig.session.paths[SYMBOL], buffer, 0.001)
    rehearsal.play = played(rig.markets.rehearsed(rehearsal.feed).on_frame)
    for _ in range(50):
        rehearsal.walk()
    assert trace() == before
    assert (rig.feed.view == view).all()
    assert (buffer.numbers == numbers).all()
    assert rehearsal.rounds == 50
    assert rehearsal.written == 50, "every round quotes on the made-up book, and its requests reach the order buffer"
    await rig.feed.close()
    rig.close()


def played(on_frame: OnFrame) -> Callable[[bytes], None]:
    stream = BinanceMarketStream(Market.SPOT, PLACES, [SYMBOL], on_frame, lambda state: None)
    return stream.rehearsed(on_frame)


async def test_it_goes_on_by_itself_until_it_is_stopped(rig: Rig) -> None:
    rehearsal = Rehearsal(rig.pair, rig.session.paths[SYMBOL], None, 0.001)
    rehearsal.start()
    async with asyncio.timeout(10):
        while rehearsal.rounds < 3:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    rehearsal.stop()
    walked = rehearsal.rounds
    await asyncio.sleep(0.02)
    assert rehearsal.rounds == walked


def test_a_streams_rehearsal_counts_nothing() -> None:
    heard: list[tuple[str, bytes]] = []

    def on_frame(symbol: str, payload: memoryview | bytes, recv_ns: int, more: bool = False) -> None:
        heard.append((symbol, bytes(payload)))

    stream = BinanceMarketStream(Market.SPOT, PLACES, [SYMBOL], lambda *_: None, lambda state: None)
    frame = b'{"stream":"%s@depth@0ms","data":{}}' % SYMBOL.lower().encode()
    stream.rehearsed(on_frame)(frame)
    assert heard == [(SYMBOL, frame)]
    assert (stream.link.last_data, stream.link.connected) == (0.0, False)
