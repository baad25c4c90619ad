"""The two clocks on markets made by hand: when an order arrives, when a fill is known, and that nothing looks ahead."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numba import njit

from engine.kernel.account.pnl import PNL_POSITION
from engine.kernel.layout import VIEW_POSITION_LOTS
from engine.kernel.quoting.actions import CANCEL, MAX_WORKING, PLACE, QUOTE_SIGNATURE, QUOTING_OVERLAP
from engine.kernel.quoting.checks import Reason
from engine.kernel.sim import exchange as sim
from engine.kernel.sim import lane as L
from engine.kernel.sim import loop
from engine.kernel.sim import match as m
from engine.kernel.sim.exchange import set_rules
from engine.kernel.sim.exchange_side import market_until
from engine.kernel.sim.latency import OrderLatency, constant, entry_latency, recorded, response_latency, sampled
from engine.kernel.symbol import SymbolBlock, new_symbol

MS = 1_000_000
Message = tuple[int, int, int, list[tuple[int, int]]]  # kind, exchange ms, local ms, rows of (key, lots)


def tape(messages: Sequence[Message]) -> L.Tape:
    """A tape from messages in local order, live throughout."""
    exch = np.array([message[1] * MS for message in messages])
    rows = [row for message in messages for row in message[3]]
    return L.Tape(
        kind=np.array([message[0] for message in messages], np.uint8),
        live=np.ones(len(messages), np.uint8),
        exch_ns=exch,
        local_ns=np.array([message[2] * MS for message in messages]),
        start=np.cumsum([0] + [len(message[3]) for message in messages]),
        order=np.argsort(exch, kind="stable").astype(np.int64),
        key=np.array([key for key, _ in rows]),
        lots=np.array([lots for _, lots in rows]),
    )


BOOK: list[tuple[int, int]] = [(100, 10), (-110, 10)]


@njit(QUOTE_SIGNATURE)
def joins_the_touch(now_ns, view, signals, params, out):  # type: ignore[no-untyped-def]
    out[0], out[1], out[2], out[3] = view[0], 5, view[2], 5
    return 0


@njit(QUOTE_SIGNATURE)
def sells_only_when_flat(now_ns, view, signals, params, out):  # type: ignore[no-untyped-def]
    out[2] = view[2]
    out[3] = 5 if view[VIEW_POSITION_LOTS] == 0 else 0
    return 0


def symbol(overlap: bool = True) -> SymbolBlock:
    """A symbol whose tick and lot are worth 1."""
    made = new_symbol()
    made.params[:2], made.rules[QUOTING_OVERLAP] = 1.0, overlap
    return made


def run(
    messages: Sequence[Message] | L.Tape,
    quote: object = joins_the_touch,
    latency: OrderLatency | None = None,
    overlap: bool = True,
    **more: Any,
) -> tuple[L.Lane, list[list[int]], list[list[int]]]:
    """(lane, decisions, fills) of a run with 10 ms each way and a queue that only trades move."""
    made = messages if isinstance(messages, L.Tape) else tape(messages)
    lane = L.new_lane(made, symbol(overlap), latency=latency or constant(10 * MS, 10 * MS), **more)
    set_rules(lane.exchange, 0, lot_size=1.0, queue_model=0)
    shared = L.new_shared()
    loop.compile_run(lane, shared)
    assert loop.run(lane, shared, 0, quote, loop.NEVER) == L.DONE
    return lane, shared.decisions[: shared.tally[0]].tolist(), shared.fills[: shared.tally[1]].tolist()


def test_an_order_meets_only_what_trades_after_it_arrives() -> None:
    # sent at 1 ms, at the exchange at 11 ms behind 10 lots; the 50 lots of 9 ms are not for it
    early: list[Message] = [
        (L.TAPE_DEPTH, 0, 1, BOOK),
        (L.TAPE_TRADE, 9, 10, [(100, 50)]),
        (L.TAPE_TRADE, 20, 21, [(100, 10)]),
        (L.TAPE_TRADE, 30, 31, [(100, 1)]),
        (L.TAPE_TRADE, 60, 61, [(-110, 1)]),
    ]
    _, decisions, fills = run(early)
    assert [row[3:] for row in decisions[:2]] == [[PLACE, 100, 5], [PLACE, 110, 5]]
    assert [(row[0] // MS, row[2], row[3], row[4]) for row in fills] == [(30, 1, 100, 5)]


def test_a_fill_is_known_a_response_latency_later() -> None:
    messages: list[Message] = [
        (L.TAPE_DEPTH, 0, 1, BOOK),
        (L.TAPE_TRADE, 20, 21, [(-110, 11)]),  # sells 5 at 110
        (L.TAPE_TRADE, 28, 29, [(100, 1)]),  # not yet known: still wants to sell, the order is thought to be working
        (L.TAPE_TRADE, 40, 41, [(100, 1)]),
    ]
    lane, decisions, fills = run(messages, sells_only_when_flat)
    assert len(fills) == 1
    assert [row[0] // MS for row in decisions] == [1]
    assert int(lane.pnl.row[PNL_POSITION]) == -5


def test_a_cancel_can_come_too_late() -> None:
    # the market moves at 20 ms, the cancel leaves then and arrives at 31 ms; at 25 ms a trade takes us
    messages: list[Message] = [
        (L.TAPE_DEPTH, 0, 1, BOOK),
        (L.TAPE_DEPTH, 20, 21, [(101, 10)]),
        (L.TAPE_TRADE, 25, 26, [(100, 30)]),
        (L.TAPE_TRADE, 70, 71, [(-120, 1)]),
    ]
    lane, decisions, fills = run(messages)
    assert [row[3] for row in decisions[:3]] == [PLACE, PLACE, CANCEL]
    assert [(row[0] // MS, row[3]) for row in fills if row[3] == 100] == [(25, 100)]
    assert int(lane.pnl.row[PNL_POSITION]) > 0


def test_a_post_only_order_overtaken_by_the_market_is_refused_and_forgotten() -> None:
    messages: list[Message] = [
        (L.TAPE_DEPTH, 0, 1, BOOK),
        (L.TAPE_DEPTH, 5, 50, [(-110, 0), (-100, 0), (100, 0), (90, 3), (-99, 4)]),
        (L.TAPE_TRADE, 60, 61, [(90, 1)]),
    ]
    lane, _, fills = run(messages)
    assert int(lane.cursor[L.CURSOR_REJECTED]) == 1
    assert fills == []


def test_a_request_refused_on_the_way_is_heard_of_after_its_own_time() -> None:
    messages: list[Message] = [(L.TAPE_DEPTH, at, at, BOOK) for at in range(0, 30, 5)]
    lane, decisions, fills = run(messages, latency=constant(-12 * MS, 0))
    times = [row[0] // MS for row in decisions]
    assert times == [0, 0, 15, 15]  # sent at 0, refused at 12, sent again at the next tick
    assert fills == []
    assert int(lane.cursor[L.CURSOR_REJECTED]) == 2


def test_no_quote_before_the_book_is_live_and_none_while_it_is_not() -> None:
    made = tape([(L.TAPE_DEPTH, at, at, BOOK) for at in range(0, 100, 5)])
    made.live[:] = 0
    lane, decisions, _ = run(made)
    assert decisions == []
    assert set(lane.out[4:6].tolist()) == {Reason.BOOK_NOT_LIVE}
    made.live[10:] = 1
    _, decisions, _ = run(made)
    assert min(row[0] for row in decisions) == 50 * MS


def test_without_overlap_there_is_never_more_than_one_order_a_side() -> None:
    moving: list[Message] = [(L.TAPE_DEPTH, 0, 1, BOOK)]
    for at in range(1, 40):
        moving.append((L.TAPE_DEPTH, 3 * at, 3 * at + 1, [(100 + at - 1, 0), (100 + at, 10), (-120, 5)]))
    lane, decisions, _ = run(moving, overlap=False)
    held = {1: 0, -1: 0}
    places = [row for row in decisions if row[3] == PLACE]
    assert len(places) > 3
    for side in held:
        times = [row[0] for row in places if row[2] == side]
        assert all(later - earlier >= 20 * MS for earlier, later in pairwise(times))
    assert int(lane.cursor[L.CURSOR_WORKING]) <= 2


def random_market(seed: int, messages: int = 400) -> L.Tape:
    """A market that jumps, trades through levels and is received out of step with the exchange."""
    draw = np.random.default_rng(seed)
    made: list[Message] = [
        (L.TAPE_DEPTH, 0, 3, [(10_000 - at, 50) for at in range(9)] + [(-10_001 - at, 50) for at in range(9)])
    ]
    middle, now, heard = 10_000, 0, 3
    for _ in range(messages):
        now += int(draw.integers(1, 15))
        heard = max(heard, now + int(draw.integers(0, 9)))
        middle += int(draw.integers(-2, 3))
        if draw.random() < 0.3:
            taken = middle + int(draw.integers(-3, 4))
            made.append(
                (L.TAPE_TRADE, now, heard, [(taken if draw.random() < 0.5 else -taken, int(draw.integers(1, 80)))])
            )
        else:
            rows = [(middle - at, int(draw.integers(0, 60))) for at in range(int(draw.integers(1, 7)))]
            rows += [(-(middle + 1 + at), int(draw.integers(0, 60))) for at in range(int(draw.integers(1, 7)))]
            made.append((L.TAPE_DEPTH, now, heard, rows))
    return tape(made)


@pytest.mark.parametrize("seed", range(6))
def test_the_fast_path_is_the_matching_kernel_row_for_row(seed: int) -> None:
    made = random_market(seed)
    lane = L.new_lane(made, new_symbol())
    plain = sim.new_exchange(1, max_orders=128)
    for exchange in (lane.exchange, plain):
        set_rules(exchange, 0, lot_size=1.0, queue_model=1, partial_fills=bool(seed % 2))
    shared = L.new_shared()
    orders = [(side, 10_000 + side * -distance) for distance in range(1, 12) for side in (1, -1)]
    wire = L.Wire(lane.latency, lane.to_exchange, lane.to_local, lane.cursor)
    market_until(made, lane.exchange, lane.bbo, wire, shared, 0, 0, -1, 0)
    for message in range(len(made.kind)):
        for row in range(made.start[message], made.start[message + 1]):
            key, lots, now = int(made.key[row]), int(made.lots[row]), int(made.exch_ns[message])
            if made.kind[message] == L.TAPE_TRADE:
                m.on_trade(plain, 0, now, -1 if key > 0 else 1, abs(key), lots)
            else:
                m.on_level(plain, 0, now, 1 if key > 0 else -1, abs(key), lots)
        if message == 0:
            for number, (side, ticks) in enumerate(orders):
                for exchange in (lane.exchange, plain):
                    m.submit(exchange, 0, 0, number, side, ticks, 20, sim.POST_ONLY)
        if made.kind[message] != L.TAPE_TRADE:
            bid, ask = sim.best_bid(plain, 0), sim.best_ask(plain, 0)
            at, now = int(lane.cursor[L.CURSOR_EXCH]), int(made.exch_ns[message])
            market_until(made, lane.exchange, lane.bbo, wire, shared, 0, at, -1, now)
            if bid > 0 and ask < 1 << 60:
                assert lane.bbo[message].tolist()[::2] == [bid, ask]
    mine = shared.fills[: shared.tally[1]].tolist()
    theirs = sim.drain(plain).tolist()
    assert [(row[0], row[3], row[4], row[6]) for row in mine] == [(row[0], row[3], row[4], row[6]) for row in theirs]
    assert len(mine) > 5


@pytest.mark.parametrize("seed", range(4))
def test_what_has_not_been_received_changes_no_decision(seed: int) -> None:
    """Cut the future off, or replace it: every decision before is the same."""
    whole = random_market(seed)
    _, decisions, _ = run(whole)
    cut = len(whole.kind) // 2
    now = int(whole.local_ns[cut])
    other = random_market(seed + 100)
    late = whole.exch_ns >= now
    lots = whole.lots.copy()
    for message in np.flatnonzero(late):
        rows = slice(whole.start[message], whole.start[message + 1])
        lots[rows] = np.roll(other.lots, message)[: whole.start[message + 1] - whole.start[message]]
    _, changed, _ = run(whole._replace(lots=lots))
    before = [row for row in decisions if row[0] < now]
    assert before == [row for row in changed if row[0] < now]
    assert before
    assert decisions != changed


def test_a_full_output_pauses_the_run_and_loses_nothing() -> None:
    made = random_market(3)
    _, decisions, _ = run(made)
    lane = L.new_lane(made, symbol(), latency=constant(10 * MS, 10 * MS))
    set_rules(lane.exchange, 0, lot_size=1.0, queue_model=0)
    shared = L.new_shared(decisions=2 * MAX_WORKING + 4, fills=8 * MAX_WORKING + 4)
    collected: list[list[int]] = []
    pauses = 0
    while loop.run(lane, shared, 0, joins_the_touch, loop.NEVER) == L.MORE:
        collected += shared.decisions[: shared.tally[0]].tolist()
        shared.tally[:] = 0
        pauses += 1
    collected += shared.decisions[: shared.tally[0]].tolist()
    assert pauses > 1
    assert collected == decisions


def test_recorded_latencies_are_interpolated_and_a_refused_sample_refuses() -> None:
    rows = np.array([[0, 10, 30], [100, 130, 170], [200, 0, 260], [300, 310, 330]])
    latency = recorded(rows)
    assert [entry_latency(latency, at) for at in (-5, 0, 50, 99)] == [10, 10, 20, 29]
    assert entry_latency(latency, 150) == -65  # refused: heard of after 70 at 100, after 60 at 200
    assert entry_latency(latency, 400) == 10
    assert [response_latency(recorded(rows), at) for at in (5, 10, 70)] == [20, 20, 30]


def test_sampled_latencies_come_in_turn() -> None:
    latency = sampled(np.array([1, 2]), np.array([5, 6]))
    assert [entry_latency(latency, 0) for _ in range(3)] == [1, 2, 1]
    assert [response_latency(latency, 0) for _ in range(3)] == [5, 6, 5]


@pytest.mark.parametrize("rows", [[], [[0, 1, 2], [0, 3, 4]], [[0, 5, 4]], [[0, 9, 10], [5, 8, 12]]])
def test_latency_rows_that_cannot_be_are_refused(rows: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"latenc|times"):
        recorded(np.array(rows, np.int64).reshape(-1, 3))
