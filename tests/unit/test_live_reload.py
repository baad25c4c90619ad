"""Hot reload: validated, its effect shown, applied whole or not at all, journalled, and undone."""

from pathlib import Path
from typing import Any

import pytest

from engine.config.schema import Config
from engine.live.operators.commands import Commands
from engine.live.operators.reloader import Reloader
from engine.live.strategy.arrays import strategy_of
from engine.store.records import ConfigChangeRecord
from engine.telemetry.state import ControlRefused
from tests.unit.live_session import CONFIG, SYMBOL, Rig


class Bench:
    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder / "data").live()
        folder.mkdir(exist_ok=True)
        self.path = folder / "config.yaml"
        self.applied: list[Config] = []
        self.write()
        chosen: Any = strategy_of(self.rig.config)
        self.reloader = Reloader(self.rig.config, self.path, None, chosen, self.applied.append)
        self.reloader.lead(self.rig.session)

    def write(self, strategy: str = "", risk: str = "", replace: tuple[str, str] = ("", "")) -> None:
        text = CONFIG.format(folder=self.path.parent / "data", strategy=strategy, risk=risk)
        self.path.write_text(text.replace(*replace) if replace[0] else text)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_reload_shows_its_effect_applies_at_once_and_is_journalled(bench: Bench) -> None:
    rig = bench.rig
    rig.exchange.answer()
    bench.write(replace=("base_spread: 0.001", "base_spread: 0.002"))
    answer = await bench.reloader({"reason": "wider"}, "alice")
    assert [(c["path"], c["old"], c["new"]) for c in answer["changes"]] == [("strategy.base_spread", 0.001, 0.002)]
    effect = answer["effect"][SYMBOL]
    assert (effect["before"]["bid"], effect["after"]["bid"]) == ("1999.04", "1998.04")
    rig.tick()
    assert set(rig.exchange.cancelled) == set(rig.exchange.placed[:2]), "the old quotes go at the next tick"
    changes = [record for record in rig.journal.records if isinstance(record, ConfigChangeRecord)]
    assert [(change.actor, change.reason) for change in changes] == [("alice", "wider")]
    assert bench.applied[-1].strategy.base_spread == 0.002


async def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    bench.write(replace=("base_spread: 0.001", "base_spread: 0.002"))
    answer = await bench.reloader({"dry_run": True}, "alice")
    assert answer["applied"] is False
    assert answer["effect"][SYMBOL]["after"]["bid"] == "1998.04"
    assert bench.reloader.config.strategy.base_spread == 0.001
    assert bench.applied == []


async def test_what_needs_a_restart_or_is_not_valid_is_refused_whole(bench: Bench) -> None:
    bench.write(replace=("account: test", "account: other"))
    with pytest.raises(ControlRefused, match=r"exchange\.account"):
        await bench.reloader({}, "alice")
    bench.write(risk=", price_bandd: 0.1")
    with pytest.raises(ControlRefused, match="price_band"):
        await bench.reloader({}, "alice")
    assert bench.reloader.config.exchange.account == "test"


async def test_limits_that_reload_bind_at_once_and_previous_goes_back(bench: Bench) -> None:
    rig = bench.rig
    bench.write(replace=("daily_loss_limit: 100", "daily_loss_limit: 50"))
    await bench.reloader({}, "alice")
    assert rig.risk.rules.limits.daily_loss == 50
    await bench.reloader({"previous": True}, "alice")
    assert rig.risk.rules.limits.daily_loss == 100
    fresh = Bench(bench.path.parent / "fresh")
    with pytest.raises(ControlRefused, match="no earlier"):
        await fresh.reloader({"previous": True}, "alice")


async def test_commands_are_refused_while_this_engine_does_not_lead(bench: Bench) -> None:
    commands = Commands("test", bench.reloader, bench.rig.memory)
    for verb in ("halt", "cancel", "flatten", "resume", "breaker-reset"):
        with pytest.raises(ControlRefused, match="not leading"):
            await commands.control(verb, {"reason": "x"}, "alice")
    with pytest.raises(ControlRefused, match="not other"):
        await commands.control("halt", {"confirm": "other"}, "alice")
    with pytest.raises(ControlRefused, match="unknown"):
        await commands.control("dance", {}, "alice")
