"""Replay of recordings: loops without a seam, at any speed, in lock-step, and whatever state the file is in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.market.recording import frames
from engine.sandbox import RateLimits, SandboxError, SandboxExchange, Settings
from engine.sandbox.market.tracks import load_track
from engine.trade import Market
from tests.needs import data_file
from tests.sandbox import recordings
from tests.sandbox.clients import Rest
from tests.sandbox.sockets import Socket
from tests.sandbox.test_streams import LocalBook

STREAM = {Market.SPOT: "/ws", Market.USDM: "/fstream/ws"}
DIFFS = {Market.SPOT: "ethusdt@depth@100ms", Market.USDM: "ethusdt@depth@0ms"}
REST = {Market.SPOT: "/api/v3", Market.USDM: "/fapi/v1"}
BOTH = pytest.mark.parametrize("market", [Market.SPOT, Market.USDM], ids=["spot", "usdm"])


def settings(path: Path, **change: Any) -> Settings:
    return Settings(data=(path,), limits=RateLimits(enabled=False), **({"paused": True} | change))


@pytest.fixture
def recorded(tmp_path: Path, market: Market) -> Path:
    return recordings.write(tmp_path / "rec.gz", recordings.lines(market, "ETHUSDT", 40))


@BOTH
async def test_ids_only_grow_and_the_book_holds_across_three_passes(recorded: Path, market: Market) -> None:
    async with SandboxExchange(settings(recorded)) as sandbox, Rest(sandbox) as rest:
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        frames = sandbox.reports[0]["frames"]
        async with Socket(f"ws://127.0.0.1:{sandbox.port}{STREAM[market]}/{DIFFS[market]}/ethusdt@trade") as stream:
            sandbox.pump.step(3 * frames)
            await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            book, trade_ids, times = LocalBook(snapshot), [0], [0]
            while (message := await stream.next()).get("id") != 1:
                times.append(message["E"])
                if message["e"] == "trade":
                    trade_ids.append(message["t"])
                else:
                    book.apply(message)
            assert not book.broken
            assert trade_ids == sorted(set(trade_ids))
            assert len(trade_ids) > 10
            assert times == sorted(times)
            state = sandbox.core.exchange.markets[(market, "ETHUSDT")]
            assert abs(times[-1] - sandbox.core.clock.now_ms()) < 60_000
            assert book.sides["b"] == {
                state.spec.price_text(t): state.spec.quantity_text(q) for t, q in state.book.bids.lots.items()
            }


@pytest.mark.parametrize("name", ["spot-ethusdt", "usdm-ethusdt"])
async def test_a_real_recording_gives_a_book_that_agrees_with_its_best_quotes(name: str) -> None:
    path = data_file(f"binance/recordings-2024-08-08/{name}.gz")
    async with SandboxExchange(settings(path)) as sandbox, Rest(sandbox) as rest:
        market = next(iter(sandbox.core.exchange.markets))[0]
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        streams = f"{DIFFS[market]}/ethusdt@bookTicker"
        async with Socket(f"ws://127.0.0.1:{sandbox.port}{STREAM[market]}/{streams}") as stream:
            sandbox.pump.step(6000)
            await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            book, quotes, agreed = LocalBook(snapshot), {}, 0
            while (message := await stream.next()).get("id") != 1:
                if message.get("e") != "depthUpdate":
                    quotes[message["u"]] = (float(message["b"]), float(message["a"]))
                    continue
                book.apply(message)
                if message["u"] in quotes:
                    assert quotes[message["u"]] == book.best()
                    agreed += 1
            assert not book.broken
            assert agreed >= 1


@BOTH
async def test_a_price_jump_moves_book_quotes_and_trades_together(recorded: Path, market: Market) -> None:
    async with SandboxExchange(settings(recorded)) as sandbox, Rest(sandbox) as rest:
        _, snapshot, _ = await rest.public(f"{REST[market]}/depth", symbol="ETHUSDT", limit=1000)
        async with Socket(f"ws://127.0.0.1:{sandbox.port}{STREAM[market]}/{DIFFS[market]}") as stream:
            sandbox.pump.step(20)
            await rest.admin("POST", "faults", {"kind": "price_jump", "bps": -200})
            sandbox.pump.step(3 * sandbox.reports[0]["frames"])
            await stream.send({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            book = LocalBook(snapshot)
            before = book.best()[0]
            while (message := await stream.next()).get("id") != 1:
                book.apply(message)
            assert not book.broken
            assert book.best()[0] / before == pytest.approx(0.98, abs=0.002)


@BOTH
async def test_lockstep_sends_each_frame_as_recorded_and_waits(recorded: Path, market: Market) -> None:
    wanted = list(frames(recorded))[1:]
    async with SandboxExchange(settings(recorded, lockstep=True, paused=False)) as sandbox, Rest(sandbox) as rest:
        names = "/".join(f"ethusdt@{kind}" for kind in ("depth@100ms", "trade", "bookTicker"))
        path = STREAM[market].replace("/ws", f"/stream?streams={names}")
        async with Socket(f"ws://127.0.0.1:{sandbox.port}{path}") as stream:
            for number, (stamp, frame) in enumerate(wanted, 1):
                notice = await stream.next()
                assert notice == {"lockstep": {"n": number, "local_ns": stamp}}
                assert (await stream.text()).encode() == frame
                assert sandbox.pump.frames == number
                if number % 2:
                    await stream.send({"method": "ACK", "params": [number]})
                else:
                    await rest.admin("POST", "ack", {"n": number})
            async with asyncio.timeout(20):
                await sandbox.pump.ended.wait()


async def test_speed_zero_plays_as_fast_as_it_is_read(tmp_path: Path) -> None:
    path = recordings.write(tmp_path / "rec.gz", recordings.lines(Market.USDM, "ETHUSDT", 400))
    async with SandboxExchange(settings(path, speed=0.0, loop=False, paused=False)) as sandbox:
        async with asyncio.timeout(20):
            await sandbox.pump.ended.wait()
        assert sandbox.pump.frames == sandbox.reports[0]["frames"]


async def test_recordings_and_synthetic_markets_stand_side_by_side(tmp_path: Path) -> None:
    spot = recordings.write(tmp_path / "spot.gz", recordings.lines(Market.SPOT, "ETHUSDT", 20))
    futures = recordings.write(tmp_path / "usdm.gz", recordings.lines(Market.USDM, "ETHUSDT", 20))
    both = Settings(data=(spot, futures), symbols=("spot:BTCUSDT",), paused=True)
    async with SandboxExchange(both) as sandbox:
        names = {f"{m.value}:{s}" for m, s in sandbox.core.exchange.markets}
        assert names == {"spot:ETHUSDT", "usdm:ETHUSDT", "spot:BTCUSDT"}
        sandbox.pump.step(200)
        assert all(state.trades for state in sandbox.core.exchange.markets.values())


def test_a_cut_recording_is_used_up_to_the_cut(tmp_path: Path) -> None:
    rows = recordings.lines(Market.USDM, "ETHUSDT", 200)
    whole = load_track(recordings.write(tmp_path / "whole.gz", rows))
    cut = tmp_path / "cut.gz"
    data = (tmp_path / "whole.gz").read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    track = load_track(cut)
    assert 0 < len(track.rows) < len(whole.rows)
    assert track.rows == whole.rows[: len(track.rows)]
    assert any("cut" in note for note in track.notes)


def test_garbage_lines_are_left_out_and_named(tmp_path: Path) -> None:
    rows = recordings.lines(Market.USDM, "ETHUSDT", 50)
    rows.insert(10, b"\x00\xffrubbish")
    track = load_track(recordings.write(tmp_path / "rec.gz", rows))
    assert len(track.rows) == len(rows) - 2
    assert any(":11:" in note for note in track.notes)


def test_a_lost_depth_frame_ends_the_recording_there(tmp_path: Path) -> None:
    rows = recordings.lines(Market.USDM, "ETHUSDT", 50)
    depths = [i for i, row in enumerate(rows) if b"depthUpdate" in row]
    del rows[depths[20]]
    track = load_track(recordings.write(tmp_path / "rec.gz", rows))
    assert track.last_update_id < 10**9
    assert sum(kind == "depth" for _, kind, _ in track.rows) == 20
    assert any("update ids jump" in note for note in track.notes)


BAD = {
    "empty": (b"", "empty"),
    "no-recording": (b"hello\nworld\n", "not a recording"),
    "no-snapshot": (b"\n".join(recordings.lines(Market.SPOT, "ETHUSDT", 5)[1:]), "no depth snapshot"),
    "no-depth": (b"\n".join(recordings.lines(Market.SPOT, "ETHUSDT", 5)[:1]), "no depth frame"),
    "unlisted": (
        b"\n".join(recordings.lines(Market.SPOT, "ETHUSDT", 5)).replace(b"ETHUSDT", b"DOGEUSDT"),
        "DOGEUSDT is not listed",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_an_unusable_recording_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(SandboxError, match=words) as refused:
        SandboxExchange(Settings(data=(path,)))
    assert str(path) in str(refused.value) or "not listed" in str(refused.value)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"nowhere\.gz: No such file"):
        SandboxExchange(Settings(data=(tmp_path / "nowhere.gz",)))


def test_a_coin_margined_recording_is_refused() -> None:
    path = data_file("binance/recordings-2024-08-08/cm-ethusd_perp.gz")
    with pytest.raises(SandboxError, match="COIN-M"):
        SandboxExchange(Settings(data=(path,)))


def test_the_same_market_cannot_be_recorded_twice(tmp_path: Path) -> None:
    rows = recordings.lines(Market.SPOT, "ETHUSDT", 5)
    paths = tuple(recordings.write(tmp_path / name, rows) for name in ("a.gz", "b.gz"))
    with pytest.raises(SandboxError, match="second recording of spot:ETHUSDT"):
        SandboxExchange(Settings(data=paths))
