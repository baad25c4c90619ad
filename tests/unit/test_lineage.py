"""Whether a journal is the one its data folder led with, and how a ledger begins on what the exchange lists."""

from decimal import Decimal

import pytest

from engine.live.account.reconciler import Unexplained, _begin
from engine.live.start.lineage import Lineage, judge, older, read_lineage
from engine.orders.reconcile import Unread, history_of_ours
from engine.trade import Account, Market, Side, VenueFill, VenuePosition
from tests.unit.live_session import INSTRUMENT, SYMBOL

HERE = Lineage("one", "main", 7, (SYMBOL,))
LEDGERS = frozenset({SYMBOL})


def judged(
    here: Lineage | None = HERE, there: Lineage | None = HERE, ledgers: frozenset[str] = LEDGERS, epoch: int = 8,
    seen: int = 0, shared: bool = False, others: tuple[str, ...] = (),
) -> str | None:  # fmt: skip
    return judge(here, there, ledgers, SYMBOL, epoch, seen, others, shared=shared)


def test_the_journal_led_with_an_older_copy_of_it_and_a_new_installation_may_be_led_with() -> None:
    assert judged() is None
    assert judged(there=Lineage("one", "main", 3, (SYMBOL,))) is None
    assert older(HERE, Lineage("one", "main", 3, (SYMBOL,)))
    assert judged(here=None, there=None, ledgers=frozenset(), epoch=1) is None
    assert judged(here=None, there=None, ledgers=frozenset(), epoch=5) is None, "epochs that never led hold nothing"
    assert judged(here=None, there=HERE) is None, "a release before this one left no word in the folder"
    assert judged(there=None) is None


def test_an_empty_journal_beside_a_folder_that_led_is_refused_and_says_whose_it_is() -> None:
    assert "holds no ledger of" in (judged(there=None, ledgers=frozenset()) or "")
    text = judged(there=None, ledgers=frozenset(), others=("second",)) or ""
    assert "(it holds second)" in text
    assert "holds no ledger of" in (judged(ledgers=frozenset({"BTCUSDT"})) or "")


def test_another_journal_under_this_accounts_name_is_refused() -> None:
    assert "not the one that epoch 7 led with" in (judged(there=Lineage("two", "main", 6, (SYMBOL,))) or "")


@pytest.mark.parametrize(("epoch", "seen"), [(7, 0), (1, 0), (8, 8), (8, 12)])
def test_a_server_journal_that_has_seen_our_epoch_is_another_hosts_or_our_folder_was_lost(
    epoch: int, seen: int
) -> None:
    assert "the lease here gave only" in (judged(epoch=epoch, seen=seen, shared=True) or "")
    assert judged(epoch=epoch, seen=seen) is None, "a file of this host: the lease goes beyond it"


def test_what_is_kept_is_read_back_and_half_of_it_is_an_error() -> None:
    assert read_lineage(HERE.as_dict()) == HERE
    assert read_lineage(None) is None
    with pytest.raises(ValueError, match="cannot be read"):
        read_lineage({"journal": "x"})


# --- the ledger's beginning


def trade(trade_id: int, lots: int, client_id: str = "mm-3-1", fee: str = "0", asset: str = "USDT") -> VenueFill:
    side = Side.BUY if lots > 0 else Side.SELL
    return VenueFill(SYMBOL, trade_id, client_id, "", side, 200_000, abs(lots), True, Decimal(fee), asset, 1)


def test_only_trades_under_our_ids_are_history_of_ours() -> None:
    assert history_of_ours([trade(1, 5, "web_1"), trade(2, 5, "")]) is None
    assert "1 trades of ours (9 to 9)" in (history_of_ours([trade(1, 5, "web_1"), trade(9, 5)]) or "")


def test_a_failed_reading_begins_nothing() -> None:
    from engine.live.account.books import restore_account_book

    book = restore_account_book(INSTRUMENT, None)
    assert _begin(book, Unread("x"), [trade(1, 5)], Account({}, {}, True, None, 1), False)
    assert not book.started


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(
    ("fills", "held", "begins"),
    [
        ([], "3", True),
        ([trade(1, 500, "web_1")], "3", True),
        ([trade(1, 500)], "3", "rebuilt"),
        ([trade(1, 500), trade(2, -500)], "0", "rebuilt"),
        ([trade(1, 500)], "0", False),
        ([trade(1, 500), trade(2, 5, "")], "3", False),
        ([trade(1, 500, ""), trade(2, 500)], "3", "rebuilt"),
    ],
)
def test_a_new_spot_ledger_begins_where_nothing_of_ours_was_traded_or_where_the_trades_add_up(
    fills: list[VenueFill], held: str, begins: object, rebuild: bool
) -> None:
    from engine.live.account.books import restore_account_book

    assert INSTRUMENT.market is Market.SPOT
    book = restore_account_book(INSTRUMENT, None)
    account = Account({INSTRUMENT.base: (Decimal(held), Decimal(0))}, {}, True, None, 1)
    if begins is True or (begins == "rebuilt" and rebuild):
        _begin(book, [], fills, account, rebuild)
        assert book.started
        return
    with pytest.raises(Unexplained):
        _begin(book, [], fills, account, rebuild)
    assert not book.started


def test_a_futures_ledger_is_rebuilt_only_to_the_exchanges_own_position() -> None:
    from dataclasses import replace

    from engine.live.account.books import restore_account_book

    futures = replace(INSTRUMENT, market=Market.USDM)
    for lots, fits in ((500, True), (499, False), (0, False)):
        book = restore_account_book(futures, None)
        positions = {SYMBOL: VenuePosition(SYMBOL, lots, Decimal(2000))} if lots else {}
        account = Account({}, positions, True, None, 1)
        if fits:
            assert _begin(book, [], [trade(1, 500)], account, True)
        else:
            with pytest.raises(Unexplained, match="add up to"):
                _begin(book, [], [trade(1, 500)], account, True)
