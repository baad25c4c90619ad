"""One file of drawn strategies in both modes: what happened to each, and every promise that did not hold."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from engine.backtest.driver import build_lane, run_lanes
from engine.backtest.settings import Simulation
from engine.backtest.tape import read_tapes
from engine.config.load import load_text
from engine.config.schema import Config
from engine.kernel.sim.lane import CURSOR_MAX_POSITION
from engine.strategy.own import from_file
from engine.strategy.parameters import Strategy, StrategyError
from engine.trade import Market
from tests.sandbox import recordings
from tests.sandbox.hostile import engine as engines
from tests.sandbox.hostile import schedule as schedules
from tests.sandbox.strategies.draw import HEAD, Act, Drawn

ROUNDS: Final = 40  # steps of the sandbox's market, 0.2 s each, that a strategy quotes
DEEPER: Final = (HEAD.count("\n") - 2, HEAD.count("\n"))  # lines of the function that calls itself
CONFIG: Final = """
exchange: {name: binance, market: usdm, testnet: true, api_key: key, api_secret: secret}
strategy: {name: drawn, symbol: ETHUSDT, base_size: 0.05, max_inventory: 0.1}
risk: {daily_loss_limit: 100000, max_drawdown_limit: 0.9, max_position: 0.2}
"""


@dataclass(slots=True)
class Found:
    """Counts by what became of them, and the promises broken: ``(where, what)``."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)


@cache
def market() -> tuple[Any, Any]:
    folder = Path(tempfile.mkdtemp(prefix="drawn-"))
    data = recordings.write(folder / "eth.gz", recordings.retimed(recordings.lines(Market.USDM, "ETHUSDT", 1200)))
    return read_tapes([data], Simulation().candles)[0]


def with_act(config: Config, act: int) -> Config:
    section = config.strategy.model_copy(update={"params": {"act": Decimal(act)}, "name": "drawn"})
    return config.model_copy(update={"strategy": section})


def judge(drawn: Drawn, file: Path, found: Found, *, live: bool) -> None:
    """Write, load, and try every behaviour of ``drawn``."""
    file.write_bytes(drawn.text)
    try:
        strategy = from_file(file, "drawn")
    except StrategyError as error:
        found.counts["refused"] += max(len(drawn.acts), 1)
        if drawn.acts or not _line(str(error), file):
            found.broken.append((str(file), f"refused as: {error}"))
        return
    if not drawn.acts:
        found.broken.append((str(file), "loaded, and should have been refused"))
    for act in drawn.acts:
        _backtest(drawn, act, strategy, file, found)
        if live:
            _live(drawn, act, strategy, file, found)


def _line(told: str, file: Path) -> int:
    number = told.removeprefix(f"{file}:").partition(":")[0]
    return int(number) if number.isdigit() else 0


def _check(mode: str, drawn: Drawn, act: Act, told: str, asked: bool, file: Path, found: Found) -> None:
    """That what failed is told with a line of the act, and what had to fail did."""
    where = f"{file} act {act.number}, {mode}"
    if not told:
        found.counts[f"{mode}: went on"] += 1
        if act.fails and act.always and asked:
            found.broken.append((where, "it should have failed"))
        return
    found.counts[f"{mode}: named"] += 1
    line = _line(told, file)
    own = act.first <= line <= act.last or DEEPER[0] <= line <= DEEPER[1]
    if not own and not (line == drawn.quote_line and "makes no sense" in told):
        found.broken.append((where, f"told at a line that is not its own: {told}"))


def _backtest(drawn: Drawn, act: Act, strategy: Strategy, file: Path, found: Found) -> None:
    columns, tape = market()
    config = with_act(load_text(CONFIG), act.number)
    lane = build_lane(columns, tape, config, Simulation(), strategy)
    run_lanes([lane], [columns.tick_e8 * columns.lot_e8 / 1e16], strategy, None)
    held = int(lane.cursor[CURSOR_MAX_POSITION])
    if held * columns.lot_e8 > 0.1 * 1e8:
        found.broken.append((f"{file} act {act.number}, backtest", f"held {held} lots"))
    own = strategy.own
    assert own is not None
    _check("backtest", drawn, act, own.failure(), True, file, found)


def _live(drawn: Drawn, act: Act, strategy: Strategy, file: Path, found: Found) -> None:
    """The engine of a hostile schedule in calm weather, on the sandbox's own exchange."""
    own = strategy.own
    assert own is not None
    own.reset()
    hooks: Any = engines
    before = hooks.strategy_of, hooks.config_of
    hooks.strategy_of = lambda config: strategy
    hooks.config_of = lambda of, logs_on: with_act(before[1](of, logs_on), act.number)
    try:
        played = _Calm(act.number)
        played.play()
    finally:
        hooks.strategy_of, hooks.config_of = before
    where = f"{file} act {act.number}, live"
    if played.broken:
        found.broken.append((where, played.broken))
    found.counts["live orders"] += played.orders
    if played.failed and (played.open or not played.reason.endswith(played.failed)):
        found.broken.append((where, f"it failed, and {played.open} orders are open; told: {played.reason}"))
    if played.failed and played.failed != own.failure():
        found.broken.append((where, f"state says {played.failed}, it is {own.failure()}"))
    _check("live", drawn, act, played.failed, played.asked, file, found)


class _Calm(schedules.Schedule):
    """No weather: a market that moves, one engine, and a look at its position after every step."""

    def __init__(self, seed: int) -> None:
        super().__init__(2 * seed)  # an even one's orders are signed, whatever its number
        self.wires.calm = True
        self.pair = False
        self.broken = self.failed = self.reason = ""
        self.open = self.orders = 0
        self.asked = False

    def play(self) -> Any:
        try:
            self.loop.run_until_complete(self._rounds())
        except AssertionError as broken:
            self.broken = str(broken)
        finally:
            self._close()

    async def _rounds(self) -> None:
        self._start()
        for _ in range(200):
            if self.run_now.ready:
                break
            await self._step()
        session = self.run_now.session
        assert session is not None, "the engine does not start"
        (pair,) = session.pairs.values()
        for _ in range(ROUNDS):
            await self._step()
            held = abs(int(pair.account_book.ledger.lots)) * pair.instrument.lot_size
            assert held <= Decimal("0.1"), f"held {held}"
        self.asked = pair.quoter.decisions > 0
        self.failed, self.reason = pair.quoter.failed, str(session.not_quoting_reason())
        for _ in range(10):  # cancels are answered
            await self._step()
        self.orders = len(self.venue.account.orders)
        self.open = sum(order.is_live for order in self.venue.orders)
