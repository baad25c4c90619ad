"""A user's strategy in a session: its failure closes the gate of its symbol, and a person opens it again."""

from pathlib import Path

import pytest

from engine.live.memory import Memory, StrategyMark
from engine.live.strategy.failing import ask_again
from engine.live.strategy.watching import Lookout, tell, verdict
from tests.unit.live_session import SYMBOL, Rig

STRATEGY = """from engine.strategy.parameters import Parameter
PARAMETERS = [Parameter("bad", 0.0, 0.0, 2.0, "", "")]


def quote(now_ns, view, signals, params, out):
    out[0], out[1], out[2], out[3] = view[0] - 5, 10, view[2] + 5, 10
    if params[8] == 2.0 or view[1] == 7777:
        raise ValueError("bad")
    return 3 if view[1] == 6666 else 0
"""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY)
    return Rig(tmp_path / "data", strategy=f", name: mine, file: {file}").live()


def test_it_quotes_and_its_failure_cancels_and_closes_the_gate_of_its_symbol(rig: Rig, tmp_path: Path) -> None:
    rig.exchange.answer()
    assert len(rig.exchange.placed) == 2
    assert rig.session.quoting
    rig.tick(bids='["2000.00","7.777"]')
    where = f"{tmp_path / 'mine.py'}:8: ValueError: bad"
    assert set(rig.exchange.cancelled) == set(rig.exchange.placed)
    assert not rig.session.quoting
    assert where in str(rig.session.not_quoting_reason())
    assert [row["reason"] for row in rig.session.parts.why.all()[:2]] == ["STRATEGY_ERROR", "STRATEGY_ERROR"]
    assert rig.pair.quoter.failures == 1
    for _ in range(3):
        rig.tick()
    assert rig.pair.quoter.failures == 1, "it is not asked again"
    rig.tick(bids='["2000.00","5.000"]')
    rig.exchange.answer()
    assert ask_again(rig.session)
    rig.tick()
    assert rig.session.quoting
    assert len(rig.exchange.placed) == 4
    rig.close()


def test_a_code_it_returns_is_no_quoting_and_ends_when_it_quotes_again(rig: Rig) -> None:
    rig.exchange.answer()
    rig.tick(bids='["2000.00","6.666"]')
    assert not rig.session.quoting
    assert rig.session.not_quoting_reason() == "the strategy reported an error"
    rig.exchange.answer()
    rig.tick(bids='["2000.00","5.000"]')
    assert rig.session.quoting
    rig.close()


def test_a_look_at_parameters_it_fails_on_leaves_it_quoting(rig: Rig) -> None:
    quoter = rig.pair.quoter
    params = quoter.memory.params.copy()
    params[8] = 2.0
    with pytest.raises(ValueError, match=r"mine.py:8: ValueError: bad"):
        quoter.preview(params)
    rig.tick()
    assert rig.session.quoting
    assert quoter.preview(quoter.memory.params)["bid_size"] == "0.010"
    rig.close()


def test_what_the_engine_before_us_died_of_is_not_asked_again(rig: Rig, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "other", "test")
    file = tmp_path / "mine.py"
    cells = tell(rig.config, memory)
    assert cells is not None
    cells[4], cells[1], cells[5] = 1, 8, 77  # in a decision, at line 8
    lookout = Lookout(memory)
    assert lookout.stuck(0.0) == ""
    assert lookout.stuck(1e9) == ""
    assert lookout.stuck(0.0).startswith(f"{file}:8: a decision has not returned for")
    assert verdict(rig.config, memory).startswith(f"{file}:8: a decision has not returned for")
    file.write_text(STRATEGY + "\n")
    assert verdict(rig.config, memory) == "", "the file was changed"
    assert memory.strategy_mark() is None
    rig.close()


def test_one_engine_that_died_in_a_decision_is_chance_and_two_in_a_row_are_not(rig: Rig, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "other", "test")

    def die(since: int) -> str:
        cells = tell(rig.config, memory)
        assert cells is not None
        cells[4], cells[1], cells[5] = since, 8, 77
        del cells  # the mapping goes with the process
        memory.own_cells().rename(memory.own_cells().with_name("strategy-test-1.cells"))
        return verdict(rig.config, memory)

    assert die(5) == ""
    assert die(0) == "", "one that ended between two decisions ends the row"
    assert memory.strategy_mark() is None
    assert die(5) == ""
    assert "2 engines in a row ended in a decision of it" in die(5)
    assert memory.cells() == []
    rig.close()


def test_a_mark_that_cannot_be_read_stops_every_file(rig: Rig, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "other", "test")
    memory.mark_strategy(StrategyMark("", "?", "", 0))
    (tmp_path / "other" / "strategy-test.json").write_text("{")
    assert "cannot read" in verdict(rig.config, memory)
    assert SYMBOL in rig.session.pairs
    rig.close()
