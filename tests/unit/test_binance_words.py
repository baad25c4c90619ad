"""Binance's own payloads as this side's values, and what is refused as unreadable."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from engine.trade import Market, Side, VenueOrderStatus
from engine.venue.binance import words
from engine.venue.binance.order_texts import Grid
from engine.venue.protocol import VenueError
from tests.needs import data_file

GRIDS = {
    "BTCUSDT": Grid("BTCUSDT", 1_000_000, 100_000),
    "ETHUSDT": Grid("ETHUSDT", 1_000_000, 10_000),
    "ETHBTC": Grid("ETHBTC", 10, 10_000),
    "LTCBTC": Grid("LTCBTC", 10_000, 1_000_000),
    "BNBBTC": Grid("BNBBTC", 100, 1_000_000),
}


def payload(name: str) -> Any:
    return orjson.loads(data_file(f"binance/payloads/{name}").read_bytes())


def test_a_futures_trade_is_an_order_word_and_a_fill() -> None:
    update = words.update_of(GRIDS, payload("futures/user_data-order-update-trade.json"))
    assert update is not None
    assert (update.order.client_id, update.order.venue_id) == ("TEST", "8886774")
    assert (update.order.ticks, update.order.lots, update.order.filled_lots) == (710_050, 1, 1)
    assert update.order.status is VenueOrderStatus.PARTIALLY_FILLED
    assert update.fill is not None
    assert (update.fill.trade_id, update.fill.lots, update.fill.maker) == (12_345_678, 1, True)
    assert (update.fill.fee, update.fill.fee_asset) == (Decimal("0.01000000"), "USDT")
    assert update.fill.side is Side.BUY


def test_a_futures_order_without_a_trade_has_no_fill() -> None:
    update = words.update_of(GRIDS, payload("futures/user_data-order-update-new.json"))
    assert update is not None
    assert update.fill is None
    assert update.order.status is VenueOrderStatus.NEW


@pytest.mark.parametrize("kind", ["liquidation", "adl", "settlement", "insurance"])
def test_forced_fills_of_futures_are_fills(kind: str) -> None:
    name = {"liquidation": "calculated"}.get(kind, kind)
    update = words.update_of(GRIDS, payload(f"futures/user_data-order-update-{name}.json"))
    assert update is not None
    assert update.fill is not None
    assert update.fill.lots == update.order.filled_lots


def test_a_spot_trade_is_an_order_word_and_a_fill() -> None:
    event = payload("spot/user_data-execution-report-trade.json")
    update = words.update_of(GRIDS, event)
    assert update is not None
    assert update.fill is not None
    assert update.fill.trade_id == event["t"]
    assert update.fill.lots == GRIDS[event["s"]].lots(event["l"])
    assert update.fill.fee == Decimal(event["n"])


def test_a_spot_cancel_names_the_order_it_cancelled_not_itself() -> None:
    event = payload("spot/user_data-execution-report-canceled.json")
    plain = words.update_of(GRIDS, event)
    assert plain is not None
    assert plain.order.client_id == event["c"]
    by_request = words.update_of(GRIDS, {**event, "c": "the-cancel", "C": "mm-1-1"})
    assert by_request is not None
    assert by_request.order.client_id == "mm-1-1"
    assert by_request.order.status is VenueOrderStatus.CANCELED


def test_a_wrapped_spot_event_reads_like_a_bare_one() -> None:
    update = words.update_of(GRIDS, payload("spot/user_data-execution-report-wrapped.json")["event"])
    assert update is not None
    assert (update.order.symbol, update.order.ticks, update.order.lots) == ("ETHBTC", 1_026_441, 10_000)


def test_an_event_of_a_symbol_that_is_not_traded_here_is_passed_over() -> None:
    assert words.update_of({}, payload("spot/user_data-execution-report-new.json")) is None


@pytest.mark.parametrize(("key", "value"), [("p", "NaN"), ("p", "1.00.5"), ("X", "SOMETHING"), ("q", None), ("i", ...)])
def test_an_event_that_makes_no_sense_is_unreadable_and_never_half_read(key: str, value: object) -> None:
    event = payload("spot/user_data-execution-report-new.json")
    event = {name: v for name, v in {**event, "s": "ETHUSDT", key: value}.items() if v is not ...}
    with pytest.raises(words.MALFORMED):
        words.update_of(GRIDS, event)


def test_an_order_off_todays_grid_keeps_its_own_digits() -> None:
    event = {**payload("spot/user_data-execution-report-new.json"), "s": "ETHUSDT", "p": "1.005"}
    update = words.update_of(GRIDS, event)
    assert update is not None
    assert update.order.ticks * Decimal("0.01") == Decimal("1.005")


def test_orders_of_rest_are_read_on_both_markets() -> None:
    futures = words.order_of(GRIDS["BTCUSDT"], payload("futures/http-order-response.json"))
    assert (futures.client_id, futures.ticks, futures.lots, futures.filled_lots) == ("testOrder123", 5_000_000, 1, 0)
    assert futures.update_ms == 1_625_474_304_765
    canceled = words.order_of(GRIDS["LTCBTC"], payload("spot/http-cancel-order-response.json"))
    assert (canceled.client_id, canceled.status) == ("myOrder1", VenueOrderStatus.CANCELED)
    assert canceled.update_ms == 1_684_804_350_068


def test_a_row_of_the_trade_list_is_a_fill_with_the_client_id_it_is_given() -> None:
    (row,) = payload("spot/http-account-trades-response.json")
    fill = words.trade_of(GRIDS["BNBBTC"], row, "mm-1-1")
    assert (fill.trade_id, fill.venue_id, fill.client_id, fill.side) == (28_457, "100234", "mm-1-1", Side.BUY)
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("10.10000000"), "BNB", False)
    futures = {**row, "buyer": False, "maker": True}
    del futures["isBuyer"], futures["isMaker"]
    fill = words.trade_of(GRIDS["BNBBTC"], futures, "mm-1-1")
    assert (fill.side, fill.maker) == (Side.SELL, True)


def test_accounts_are_read_on_both_markets() -> None:
    spot = words.spot_account(payload("spot/http-account-response.json"))
    assert spot.can_trade
    assert spot.balances
    usdm = words.usdm_account(payload("futures/http-account-info-v2.json"), GRIDS)
    assert usdm.balances["USDT"] == (Decimal("23.72469206"), Decimal(0))
    assert usdm.positions == {}


def test_a_hedge_mode_account_is_refused_by_name() -> None:
    word = payload("futures/http-account-info-v2.json")
    word["positions"][0] |= {"positionAmt": "0.001", "positionSide": "LONG"}
    with pytest.raises(VenueError, match="one-way mode"):
        words.usdm_account(word, GRIDS)
    word["positions"][0] |= {"positionAmt": "-0.003", "positionSide": "BOTH", "entryPrice": "5"}
    assert words.usdm_account(word, GRIDS).positions["BTCUSDT"].lots == -3


def test_funding_is_told_and_other_account_updates_are_not() -> None:
    event = payload("futures/user_data-account-update.json")
    assert words.funding_of(event) == []
    funding = {**event, "a": {"m": "FUNDING_FEE", "B": [{"a": "USDT", "bc": "-0.25"}], "P": [{"s": "ETHUSDT"}]}}
    (payment,) = words.funding_of(funding)
    assert (payment.symbol, payment.amount) == ("ETHUSDT", Decimal("-0.25"))
    cross = {**event, "a": {"m": "FUNDING_FEE", "B": [{"a": "USDT", "bc": "1"}]}}
    assert words.funding_of(cross)[0].symbol == ""


@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_every_symbol_of_a_real_exchange_info_becomes_an_instrument(name: str) -> None:
    import gzip

    info = orjson.loads(gzip.decompress(data_file(f"binance/exchange-info-{name}-2021.json.gz").read_bytes()))
    market = Market(name)
    made = [words.instrument_of(market, word) for word in info["symbols"] if word["filters"]]
    assert len(made) > 100
    for one in made:
        assert one.tick_size > 0
        assert one.lot_size > 0
        assert 1 <= one.min_ticks < one.max_ticks
        assert one.min_lots <= one.max_lots
        assert one.min_lots * one.lot_size >= 0
    assert next(one for one in made if one.symbol == "BTCUSDT").quote == "USDT"


def test_symbols_that_are_missing_or_closed_are_all_named() -> None:
    rows = [{"symbol": "A", "status": "TRADING"}, {"symbol": "B", "status": "BREAK"}]
    assert list(words.pick_symbols(rows, ["A"])) == ["A"]
    with pytest.raises(VenueError, match="C, D"):
        words.pick_symbols(rows, ["A", "C", "D"])
    with pytest.raises(VenueError, match="B is listed and not trading"):
        words.pick_symbols(rows, ["A", "B"])
