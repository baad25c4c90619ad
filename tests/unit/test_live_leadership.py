"""One engine leads an account: what orders of another epoch or engine mean, and when none of ours is proved open."""

import asyncio

import pytest

from engine.live.orders.proof import cancel_and_prove
from engine.risk.breaker import BreakerState
from engine.store.records import StateRecord
from engine.trade import OrderUpdate, Side, VenueOrder, VenueOrderStatus
from tests.unit.live_session import SYMBOL, Rig


async def test_reconciliation_cancels_what_an_earlier_epoch_left_and_leaves_strangers_alone(rig: Rig) -> None:
    rig.exchange.answer()
    old = VenueOrder(SYMBOL, "mm-3-9", "77", Side.BUY, 190_000, 10, 0, VenueOrderStatus.NEW, 1)
    other = VenueOrder(SYMBOL, "by-hand", "78", Side.BUY, 180_000, 10, 0, VenueOrderStatus.NEW, 1)
    ours = [rig.exchange.word(client_id, VenueOrderStatus.NEW) for client_id in rig.exchange.placed]
    rig.exchange.listed = [*ours, old, other]
    running = asyncio.ensure_future(rig.session.reconcile())
    await asyncio.wait_for(rig.exchange.cancels.wait(), 5)
    rig.exchange.listed = [*ours, other]
    rig.exchange.answer()
    assert await running
    assert rig.exchange.cancelled == ["mm-3-9"]
    assert rig.session.parts.reconciler.counts["old-epoch-order"] == 1


async def test_proof_needs_the_exchanges_own_list_and_never_cancels_a_later_leaders_orders(rig: Rig) -> None:
    rig.exchange.answer()
    later = VenueOrder(SYMBOL, "mm-8-1", "79", Side.BUY, 190_000, 10, 0, VenueOrderStatus.NEW, 1)
    left = VenueOrder(SYMBOL, "mm-7-z", "80", Side.BUY, 190_000, 10, 0, VenueOrderStatus.NEW, 1)
    rig.exchange.listed = [later, left]
    gateway: object = rig.exchange
    proving = asyncio.ensure_future(cancel_and_prove(gateway, rig.session.parts.desk, [SYMBOL], 5.0))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    rig.exchange.answer()
    rig.exchange.cancels.clear()
    await asyncio.wait_for(rig.exchange.cancels.wait(), 5)
    assert not proving.done()
    rig.exchange.listed = [later]
    rig.exchange.answer()
    proof = await proving
    assert (proof.proved, proof.open_orders) == (True, 0)
    assert "mm-8-1" not in rig.exchange.cancelled
    assert rig.working() == []


async def test_without_an_answer_to_its_cancels_nothing_is_proved(rig: Rig) -> None:
    rig.exchange.answer()
    gateway: object = rig.exchange
    proof = await cancel_and_prove(gateway, rig.session.parts.desk, [SYMBOL], 0.05)  # type: ignore[arg-type]
    assert not proof.proved
    assert "no proof of their end" in proof.detail


async def test_an_engine_that_lost_the_lease_stops_itself_and_not_the_account_of_the_one_that_leads(rig: Rig) -> None:
    rig.lease.mine = False
    rig.session.on_mismatch("an order of a newer epoch")
    await asyncio.to_thread(rig.disk.submit(lambda: None).result)
    assert not rig.session.parts.risk.breaker.may_quote
    assert rig.memory.load_risk() is None
    assert not [record for record in rig.journal.records if isinstance(record, StateRecord) and record.name == "risk"]


@pytest.mark.parametrize("name", ["mm-8-1", "mm-7-zz"], ids=["a later epoch", "this epoch"])
@pytest.mark.parametrize("how", ["stream", "reconciliation"])
async def test_an_order_of_another_lease_halts_an_engine_whose_own_lease_is_proved(
    rig: Rig, name: str, how: str
) -> None:
    """Two hosts with a file lease each: nothing keeps them apart, so nobody may go on until a person has looked."""
    rig.exchange.answer()
    told: list[str] = []
    rig.session.on_lost = told.append
    rig.live()
    assert rig.session.quoting
    other = VenueOrder(SYMBOL, name, "99", Side.BUY, 199_000, 100, 0, VenueOrderStatus.NEW, 1)
    if how == "stream":
        rig.session.on_event(OrderUpdate(other, None))
    else:
        rig.exchange.listed = [*rig.exchange.listed, other]
        await rig.session.reconcile()
    assert not rig.session.quoting
    assert rig.session.parts.risk.halted
    assert "two engines quote this account" in (rig.session.not_quoting_reason() or "")
    assert not told, "it stays and says why; a restart would only quote again"


async def test_an_order_of_a_later_epoch_ends_the_engine_and_is_no_mismatch_for_a_person(rig: Rig) -> None:
    rig.exchange.answer()
    told: list[str] = []
    rig.session.on_lost = told.append
    rig.lease.mine = False
    newer = VenueOrder(SYMBOL, "mm-8-1", "1", Side.BUY, 199_000, 100, 0, VenueOrderStatus.NEW, 1)
    rig.exchange.listed = [*rig.exchange.listed, newer]
    for _ in range(4):
        await rig.session.reconcile()
    assert len(told) == 1
    assert "another engine leads" in told[0]
    assert rig.session.parts.risk.breaker.state is BreakerState.CLOSED
    assert rig.session.not_quoting_reason() is not None
    assert "mm-8-1" not in rig.exchange.cancelled, "it is the other engine's"
