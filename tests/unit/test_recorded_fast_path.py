"""What the fast path decided while its inputs were recorded is decided again from them, by the same call."""

import asyncio
import gzip
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.relive import Relived, compare, relive
from engine.config.load import load_text
from engine.kernel.symbol import SYM_LOT_E8, SYM_TICK_E8
from engine.live.tick.tap import Tap
from engine.store.records import DecisionRecord
from tests.unit.live_session import CONFIG, SYMBOL, Rig
from tests.unit.test_fast_path import STEPS, BufferExchange, exchange_of, move, settle


class Recorded:
    """A rig whose inputs are recorded from its first frame on."""

    def __init__(self, folder: Path, strategy: str = "") -> None:
        self.folder, self.lines = folder, list[tuple[int, bytes]]()
        self.rig = Rig(folder, strategy=strategy, exchange=BufferExchange())
        memory = self.rig.feed.memory
        sizes = {"tick_e8": int(memory.head[SYM_TICK_E8]), "lot_e8": int(memory.head[SYM_LOT_E8])}
        named = {"strategy": self.rig.config.strategy.name, "strategy_file": "", "strategy_sha256": ""}
        tap = Tap(memory, lambda ns, line: self.lines.append((ns, line)), {"symbol": SYMBOL, **sizes, **named})
        self.rig.feed.tap = tap
        if len(memory.estimates):  # it began before the recording
            tap.estimates(*memory.half_lives)
        self.rig.pair.quoter.record(tap, self.rig.lease.epoch)

    def reload(self, strategy: str = "", risk: str = "") -> None:
        text = CONFIG.format(folder=self.folder, strategy=strategy, risk=risk)
        self.rig.session.reconfigure(load_text(text))

    def kinds(self) -> list[str]:
        return [json.loads(line)["mm"] for _, line in self.lines if line.startswith(b'{"mm":')]

    def again(self, drop: str = "") -> Relived:
        """The run from its lines, beside what was journalled. ``drop``: leave out the lines of this kind but two."""
        dropped = [one for one in self.lines if drop and one[1].startswith(b'{"mm":"%s"' % drop.encode())][2:]
        kept = [one for one in self.lines if one not in dropped]
        path = self.folder / "inputs.gz"
        with gzip.open(path, "wb") as out:
            out.writelines(b"%d %s\n" % one for one in kept)
        told = [record for record in self.rig.journal.records if isinstance(record, DecisionRecord)]
        return compare(relive(path), [(one.ns, SYMBOL, one.side, one.action, one.ticks, one.lots) for one in told])

    async def close(self) -> None:
        await self.rig.feed.close()
        self.rig.close()


@pytest.mark.parametrize("strategy", ["", ", name: glft"])
async def test_a_recorded_run_takes_the_fast_path_and_comes_out_again(tmp_path: Path, strategy: str) -> None:
    run = Recorded(tmp_path, strategy)
    settle(run.rig)
    for cents in range(20, 820, 20):
        move(cents, 10)(run.rig)
        exchange_of(run.rig).read()
        run.rig.exchange.answer()
    assert exchange_of(run.rig).line.writes > 20, "the kernel wrote the requests"
    assert run.kinds().count("tick") > 30
    found = run.again()
    assert found.same, found.first_difference
    assert (found.live_decisions > 20, found.adopted, found.complete) == (True, 0, True)
    assert not run.again(drop="orders").same, "without the orders it is another run"
    await run.close()


async def test_a_reload_during_a_recorded_run_comes_out_again(tmp_path: Path) -> None:
    run = Recorded(tmp_path)
    settle(run.rig)
    sizes = set()
    for strategy, risk in (
        (", base_spread: 0.003", ""),
        (", requote_tolerance: 0.0, min_quote_life: 150ms", ""),
        (", params: {base_spread: 0.002}", ", max_order_rate: 1"),
        ("", ", max_notional: 300"),
    ):
        text = CONFIG.format(folder=tmp_path, strategy=strategy, risk=risk)
        if "base_spread: 0.003" in strategy:
            text = text.replace("base_spread: 0.001, ", "")
        run.rig.session.reconfigure(load_text(text))
        for cents in (200, 0, 150, -300, 40):
            move(cents, 10)(run.rig)
            exchange_of(run.rig).read()
            run.rig.exchange.answer()
        sizes.add(len(run.rig.journal.records))
    found = run.again()
    assert found.same, found.first_difference
    assert len(sizes) == 4, "each of them decided something"
    assert run.kinds().count("set") >= 5
    lines = [json.loads(line) for _, line in run.lines if line.startswith(b'{"mm":"set"')]
    assert len({str(np.array(line["params"])) for line in lines}) >= 3
    assert not run.again(drop="set").same
    await run.close()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_the_market_does_the_recorded_run_comes_out_again(data: st.DataObject) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Recorded(Path(folder), data.draw(st.sampled_from(["", ", min_quote_life: 250ms"])))
            run.rig.live()
            for _ in range(data.draw(st.integers(5, 40))):
                if data.draw(st.integers(0, 9)) == 0:
                    run.reload(data.draw(st.sampled_from(["", ", min_quote_life: 1s", ", requote_tolerance: 0.5"])))
                data.draw(STEPS)(run.rig)
                exchange_of(run.rig).read()
            found = run.again()
            assert found.same, found.first_difference
            await run.close()

    asyncio.run(play())
