"""An engine quotes what its account can pay for, on the sandbox over real sockets: little held, fees, other people."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, post, until

pytest_plugins = ("tests.sandbox.engines",)

SIZE = 0.02  # ETH, of each quote


def refused(venue: Venue, engine: Engine) -> str:
    """The rejects of an engine's metrics, by the exchange's code."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(r'code="(-2010|-2018|-2019)"\} ([0-9.]+)', text)
    return ", ".join(f"{code}: {count}" for code, count in found if float(count))


def sides(venue: Venue) -> set[str]:
    return {str(order["side"]) for order in venue.open_orders()}


def why(engine: Engine, side: str) -> dict[str, Any]:
    """The newest reason for which a side is not quoted, or is smaller."""
    told = (engine.get("/api/why") or {}).get("why", [])
    return next((one for one in told if one["side"] == side), {})


@pytest.fixture
def opened(start_sandbox_process: StartProcess, engine_on: StartEngine) -> Callable[..., tuple[Venue, Engine]]:
    """``opened("USDT=300")``: an exchange whose account opens with just that, and an engine that quotes on it."""

    def start(*balances: str, market: str = "spot") -> tuple[Venue, Engine]:
        port = start_sandbox_process("--symbols", f"{market}:ETHUSDT", "--balances", *balances)
        return Venue(port), engine_on(port, market=market, spread=0.00002).start().quoting()

    return start


def test_an_account_with_only_quote_currency_bids_and_offers_what_the_first_fill_brings(
    opened: Callable[..., tuple[Venue, Engine]],
) -> None:
    venue, engine = opened("USDT=300")
    first = until(
        lambda: (found := why(engine, "sell")).get("reason") == "BASE_BALANCE" and found,
        "why says that there is nothing to sell",
    )
    assert "0.0000 ETH can be sold" in first["detail"]
    until(lambda: sides(venue) == {"BUY"}, "it bids")
    until(lambda: any(order["side"] == "SELL" for order in venue.orders()), "after a fill it offers")
    offered = next(order for order in venue.orders() if order["side"] == "SELL")
    assert 0 < float(offered["origQty"]) < SIZE  # the fee was taken in ETH, so less is held than was bought
    assert refused(venue, engine) == ""
    assert engine.get("/api/state")["risk"]["breaker"]["state"] in (0, "CLOSED", "closed")


def test_an_account_with_only_base_currency_offers_no_more_than_it_holds(
    opened: Callable[..., tuple[Venue, Engine]],
) -> None:
    venue, engine = opened("ETH=0.0123")
    until(lambda: sides(venue) == {"SELL"}, "it offers")
    assert next(order for order in venue.orders() if order["side"] == "SELL")["origQty"] == "0.01230000"
    told = engine.get("/api/why")["why"]
    assert "QUOTE_BALANCE" in {one["reason"] for one in told if one["side"] == "buy"}
    assert any("smaller, 0.0123 at" in one["detail"] for one in told if one["side"] == "sell")
    assert refused(venue, engine) == ""


def test_a_deposit_is_quoted_with_and_what_a_persons_order_locks_is_not(
    opened: Callable[..., tuple[Venue, Engine]],
) -> None:
    venue, engine = opened("USDT=3")  # less than the smallest order
    until(lambda: why(engine, "buy").get("reason") == "QUOTE_BALANCE", "nothing can be bought")
    until(lambda: why(engine, "sell").get("reason") == "BASE_BALANCE", "nothing can be sold")
    assert venue.orders() == []
    status, body = post(venue.port, "/sandbox/balances", {"asset": "ETH", "amount": "0.015"})
    assert status == 200, body
    until(lambda: any(order["side"] == "SELL" for order in venue.orders()), "the deposit is offered")
    assert float(venue.orders()[0]["origQty"]) == 0.015
    assert post(venue.port, "/sandbox/balances", {"asset": "ETH", "amount": "-99"})[0] == 400
    assert engine.engine()["quoting"]
    assert refused(venue, engine) == ""


def test_a_futures_account_with_little_margin_is_not_refused_its_orders(
    opened: Callable[..., tuple[Venue, Engine]],
) -> None:
    venue, engine = opened("usdm:USDT=70", market="usdm")  # at leverage 1 a position of 0.025 ETH
    until(lambda: venue.account()["fills"] >= 3, "it trades")
    assert refused(venue, engine) == ""
    until(lambda: any(one["reason"] == "MARGIN" for one in engine.get("/api/why")["why"]), "why names the margin")
