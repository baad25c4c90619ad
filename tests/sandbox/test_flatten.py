"""Flatten on real sockets: what is free and no more, in pieces every filter lets through, or the exchange's words."""

import hashlib
import hmac
import json
import signal
import time
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mmctl.watch.proof import proof_of
from tests.sandbox.conftest import StartProcess
from tests.sandbox.engines import Engine, StartEngine, Venue, engine_on, post, until
from tests.sandbox.test_engine_venues import THROUGH_CCXT, _with

__all__ = ["engine_on"]

SYMBOL = "ETHUSDT"
PACE = ("--seed", "6", "--speed", "4", "--no-limits", "--quiet")
OPENING = "0.2"
SOME_ETH = {
    "sandbox": {
        "keys": [{"key": "sandbox-key", "secret": "sandbox-secret"}],
        "spot": {"USDT": "9000", "ETH": OPENING},
    }
}


def position(engine: Engine) -> Decimal:
    return Decimal(str(engine.get("/api/state")["symbols"][SYMBOL]["position"]["base"]))


def paused_with(engine: Engine, wanted: Callable[[Decimal], bool]) -> Decimal:
    """Quoting is off, so that no fill changes the ledger's position any more, and it is as ``wanted``."""

    def held() -> Decimal | None:
        if not wanted(position(engine)):
            return None
        assert engine.control("cancel")[0] == 200
        now = position(engine)
        if wanted(now):
            return now
        engine.control("resume")
        return None

    found: Decimal = until(held, "the wanted position")
    return found


def paused_long(engine: Engine, least: str = "0.02") -> Decimal:
    """Quoting is off, and this much base currency is held by the ledger."""
    return paused_with(engine, lambda held: held >= Decimal(least))


def filters(port: int, market: str, **changes: str) -> None:
    status, body = post(port, "/sandbox/filters", {"market": market, "symbol": SYMBOL, **changes})
    assert status == 200, body


def sell_by_hand(port: int, quantity: str) -> None:
    """Somebody else's market order on the same spot account."""
    params = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": quantity}
    query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
    signature = hmac.new(b"sandbox-secret", query.encode(), hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{port}/api/v3/order?{query}&signature={signature}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-MBX-APIKEY": "sandbox-key"}, method="POST")):
        pass


def closers(venue: Venue, since: int) -> list[Decimal]:
    """The market orders of ours after the ``since``-th order, signed, each as it was filled."""
    made = [o for o in venue.orders()[since:] if o["type"] == "MARKET" and o["clientOrderId"].startswith("mm-")]
    return [Decimal(o["executedQty"]) * (1 if o["side"] == "BUY" else -1) for o in made]


def free(venue: Venue, asset: str) -> Decimal:
    return Decimal(venue.account()["spot"][asset]["free"])


def flatten(engine: Engine, way: str) -> dict[str, Any]:
    if way == "engine":
        status, answer = engine.control("flatten")
        assert status in (200, 504), answer
        return dict(answer)
    engine.stop(signal.SIGKILL)
    more = ["--direct"] if way == "direct" else []
    done = engine.sentinel("--once", "flatten", "--json", *more)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode == 0) == answer["proved"], done.stdout + done.stderr
    return dict(answer)


@pytest.mark.parametrize("way", ["engine", "sentinel", "direct"])
def test_fees_taken_in_the_base_currency_leave_less_to_sell_than_the_ledger_says(
    start_sandbox_process: StartProcess, engine_on: StartEngine, tmp_path: Path, way: str
) -> None:
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps(SOME_ETH))
    port = start_sandbox_process("--symbols", f"spot:{SYMBOL}", "--accounts", str(accounts), *PACE)
    venue = Venue(port)
    engine = engine_on(port).start().quoting()
    held = paused_long(engine)
    sell_by_hand(port, OPENING)
    was, since = free(venue, "ETH"), len(venue.orders())
    assert Decimal("0.001") < was < held, "less is there than the ledger says"
    filters(port, "spot", market_max_quantity="0.0073")
    if way != "engine":
        venue.fault(kind="ack_lost", operation="order.place", market="spot", count=1)
    else:  # an engine reads its filters when it starts
        filters(port, "spot", market_max_quantity="1600")
    answer = flatten(engine, way)
    assert proof_of(answer, flat=True).proved, answer
    sold = -sum(closers(venue, since))
    assert was - Decimal("0.0001") < sold <= was
    left = free(venue, "ETH")
    assert left == was - sold
    assert ("the smallest quantity of an order" in answer["message"]) is (left > 0), "the fees may add up to whole lots"
    assert "paid as fees in ETH" in answer["message"]
    assert venue.open_orders() == []
    if way != "engine":
        assert all(abs(piece) <= Decimal("0.0073") for piece in closers(venue, since))
        assert len(closers(venue, since)) > 2


@pytest.mark.parametrize(("way", "path"), [("engine", "native"), ("sentinel", "native"), ("sentinel", "ccxt")])
def test_a_futures_position_larger_than_a_market_order_may_be_is_closed_in_pieces(
    start_sandbox_process: StartProcess,
    engine_on: StartEngine,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    path: str,
) -> None:
    if path == "ccxt":
        monkeypatch.setattr("tests.sandbox.engines.CONFIG", _with(THROUGH_CCXT))
    port = start_sandbox_process("--symbols", f"usdm:{SYMBOL}", *PACE)
    venue = Venue(port)
    filters(port, "usdm", market_max_quantity="0.007", market_step="0.001")
    engine = engine_on(port, market="usdm").start().quoting()
    paused_with(engine, lambda held: abs(held) >= Decimal("0.02"))
    since = len(venue.orders())
    if way == "sentinel":
        venue.fault(kind="ack_lost", operation="order.place", market="usdm", count=1)
    answer = flatten(engine, way)
    assert proof_of(answer, flat=True).proved, answer
    assert Decimal(venue.account()["positions"][SYMBOL]) == 0
    pieces = closers(venue, since)
    assert len(pieces) >= 2
    assert all(0 < abs(piece) <= Decimal("0.007") for piece in pieces)
    assert len({piece > 0 for piece in pieces}) == 1, "never turned"


def test_what_the_exchange_refuses_is_told_in_its_own_words_and_never_as_open_orders(
    start_sandbox_process: StartProcess, engine_on: StartEngine
) -> None:
    """The filter shrinks while the engine runs: its order is refused; a sentinel, which reads anew, closes."""
    port = start_sandbox_process("--symbols", f"usdm:{SYMBOL}", *PACE)
    venue = Venue(port)
    engine = engine_on(port, market="usdm").start().quoting()
    until(lambda: abs(Decimal(venue.account()["positions"].get(SYMBOL, "0"))) >= Decimal("0.01"), "a position")
    filters(port, "usdm", market_max_quantity="0.006", market_step="0.001")
    answer = flatten(engine, "engine")
    proof = proof_of(answer, flat=True)
    assert not proof.proved
    assert "-4005 Quantity greater than max quantity." in proof.text
    assert "position is not closed" in proof.text
    assert "open order" not in proof.text.replace("0 open orders", "")
    rejected = engine.get("/api/state")["rejections"]
    assert (rejected[-1]["code"], rejected[-1]["words"]) == (-4005, "Quantity greater than max quantity.")
    answer = flatten(engine, "sentinel")
    assert proof_of(answer, flat=True).proved, answer
    assert Decimal(venue.account()["positions"][SYMBOL]) == 0
