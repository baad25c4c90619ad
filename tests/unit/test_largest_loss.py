"""The largest single loss of a report is the one that the engine's own metric has of the same day."""

import random
from decimal import Decimal

import pytest

from engine.live.account.ledger import Ledger
from engine.live.orders.tally import Tally, Today
from tests.unit.conftest import Mmctl
from tests.unit.day_journals import Desk, at, fill, sample
from tests.unit.day_journals import desk as desk
from tests.unit.test_daily_figures import daily

TICK, LOT = Decimal("0.01"), Decimal("0.001")
MINUTE = 60 * 1_000_000_000
BEGIN = at("2026-03-05 00:00:00")
Fill = tuple[int, int, int, str]  # side, ticks, lots, fee


def by_the_engine(fills: list[Fill]) -> float:
    """``mm_worst_fill_day_quote`` after ``fills``, booked as the engine does (``Books.fill``)."""
    ledger, today = Ledger(TICK, LOT), Today(Tally(), BEGIN)
    for number, (side, ticks, lots, fee) in enumerate(fills, 1):
        before = ledger.realized
        ledger.fill(side, ticks, lots, Decimal(fee))
        made = (ledger.realized - before) * ledger.unit - Decimal(fee)
        today.fill(BEGIN + number * MINUTE, float(made))
    return today.worst_fill


def drawn(seed: int) -> list[Fill]:
    """Fills that open, add, close in part, close and turn, at prices that wander."""
    random_ = random.Random(seed)
    return [
        (random_.choice((1, -1)), 250_000 + random_.randint(-900, 900), random_.randint(1, 30), f"0.0{n % 9}")
        for n in range(300)
    ]


@pytest.mark.parametrize(
    "fills",
    [
        drawn(1),
        drawn(2),
        [(1, 250_000, 10, "0.05"), (-1, 250_100, 10, "0.01")],  # the fee of the one that opens is all that was lost
        [(1, 250_000, 10, "-0.01"), (-1, 250_100, 10, "-0.01")],  # paid for making: none lost
        [(-1, 250_000, 10, "0"), (1, 251_000, 25, "0.02"), (-1, 249_000, 5, "0.03")],  # turned
    ],
)
def test_it_is_the_engines_worst_fill_of_the_day(mmctl: Mmctl, desk: Desk, fills: list[Fill]) -> None:
    desk.write([sample(BEGIN, "0")])
    desk.write([
        fill(n, side, str(ticks * TICK), BEGIN + n * MINUTE, quantity=str(lots * LOT), fee=fee)
        for n, (side, ticks, lots, fee) in enumerate(fills, 1)
    ])  # fmt: skip
    assert float(daily(mmctl, "2026-03-05")["worst_fill"]) == pytest.approx(by_the_engine(fills), abs=1e-9)


def test_one_that_adds_to_a_position_of_unknown_cost_has_lost_its_fee_and_no_more(mmctl: Mmctl, desk: Desk) -> None:
    """5,000 trades before the day are walked through; the position is older than those."""
    early = BEGIN - 6_000 * 1_000_000_000
    desk.write([fill(1, 1, "2500", early, quantity="1"), sample(BEGIN, "0")])
    desk.write([
        fill(2 + n, (1, -1)[n % 2], "2500", early + (n + 1) * 1_000_000_000) for n in range(5_000)
    ])  # fmt: skip
    desk.write([fill(9_000, 1, "2400", BEGIN + MINUTE, fee="0.03"), fill(9_001, -1, "2400", BEGIN + 2 * MINUTE)])
    found = daily(mmctl, "2026-03-05")
    assert found["worst_fill"] == Decimal("-0.03")
    assert "1 fills are not in it" in found.figure("worst_fill")["note"]["en"], "what was closed has no known cost"
