"""A client in simulated time: its orders meet a recording in exchange time, with the latencies of a backtest.

The exchange half of the backtest itself (``engine.kernel.sim.counterpart``) decides when a request arrives, what it
meets there and when its answer is heard; this module gives those answers their Binance words.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.backtest.settings import LatencySpec
from engine.backtest.tape import TapeError, tape_of
from engine.kernel.codec.parse import FRAME_AGG_TRADE, FRAME_DEPTH, FRAME_TRADE
from engine.kernel.sim.counterpart import Counterpart
from engine.kernel.sim.exchange import set_rules
from engine.kernel.sim.lane import (
    ACKED,
    CANCEL_REFUSED,
    FILL,
    GONE,
    MESSAGE_ID,
    MESSAGE_KIND,
    MESSAGE_LOTS,
    MESSAGE_MAKER,
    MESSAGE_TICKS,
    REFUSED,
    TAPE_SNAPSHOT,
    Tape,
    new_lane,
)
from engine.kernel.sim.queue import MODELS
from engine.kernel.symbol import new_symbol
from engine.market.convert import Sizes, load
from engine.market.recording import RecordingError
from engine.sandbox.errors import ApiError, SandboxError, order_rejected, unknown_order
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.market.tracks import Track
from engine.sandbox.matching.exchange import Exchange
from engine.sandbox.matching.ledger import ClientAccount
from engine.sandbox.matching.orders import ExchangeOrder, OrderRequest
from engine.sandbox.settings import Settings
from engine.trade import Market

Shape = Callable[[ExchangeOrder], Any]
_KINDS: Final = {"depth": (FRAME_DEPTH,), "trade": (FRAME_TRADE, FRAME_AGG_TRADE)}
_IDS: Final = {"depth": "u", "trade": "t"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of the recording at the (corrected) time we receive it. ``tick``: a backtest has a tick here."""

    local_ns: int
    kind: str
    raw: bytes
    tick: bool


def moments(track: Track, path: Path) -> tuple[Tape, list[Moment]]:
    """The backtest's tape of a recording, and the frames after its snapshot on the same clock. Raises SandboxError."""
    spec = track.spec
    try:
        columns = load([path], Sizes(spec.tick_e8, spec.lot_e8))
        tape = tape_of(columns, str(path))
    except (RecordingError, TapeError) as wrong:
        raise SandboxError(str(wrong)) from None
    received: dict[tuple[str, int], int] = {}
    for name, kinds in _KINDS.items():
        chosen = np.isin(columns.kind, kinds)
        ids, times = columns.last_id[chosen].tolist(), columns.local_ns[chosen].tolist()
        received.update(((name, number), local_ns) for number, local_ns in zip(ids, times, strict=True))
    # a diff received before a snapshot that is older than it joins when the snapshot comes: no tick of its own
    snapshot_ns = int(tape.local_ns[np.flatnonzero(tape.kind == TAPE_SNAPSHOT)[0]])
    shift, found = columns.report.clock_shift_ns, []
    for local_ns, kind, raw in track.rows:
        known = received.get((kind, _number(raw, kind))) if kind in _IDS else None
        at = local_ns + shift if known is None else known
        found.append(Moment(at, kind, raw, known is not None and at > snapshot_ns))
    found.sort(key=lambda moment: moment.local_ns)
    return tape, found


def _number(raw: bytes, kind: str) -> int:
    at = raw.index(b'"%s":' % _IDS[kind].encode()) + 4
    end = at
    while raw[end : end + 1].isdigit():
        end += 1
    return int(raw[at:end])


@dataclass(slots=True)
class _Asked:
    """An order on its way, and who waits for its answer."""

    account: ClientAccount
    request: OrderRequest
    placed: "asyncio.Future[Any]"
    shape: Shape
    order: ExchangeOrder | None = None
    cancelled: "asyncio.Future[Any] | None" = None
    cancel_id: str = ""
    cancel_shape: Shape | None = None


class Simulated:
    """The orders of one market. ``now_ns`` is the time of the frame the client is looking at."""

    def __init__(self, exchange: Exchange, spec: SymbolSpec, tape: Tape, settings: Settings) -> None:
        self._exchange, self._spec = exchange, spec
        drawn = LatencySpec(
            "lognormal" if settings.latency_spread else "constant",
            round(settings.entry_latency_ms * 1e6),
            round(settings.response_latency_ms * 1e6),
            settings.latency_spread,
            settings.seed,
        )
        Counterpart(new_lane(tape, new_symbol(), latency=drawn.build())).warm()
        lane = new_lane(tape, new_symbol(), latency=drawn.build())
        fees = settings.fees
        maker, taker = (
            (fees.spot_maker_e8, fees.spot_taker_e8)
            if spec.market is Market.SPOT
            else (fees.usdm_maker_e8, fees.usdm_taker_e8)
        )
        set_rules(
            lane.exchange,
            0,
            lot_size=spec.lot_e8 / 1e8,
            queue_model=MODELS[settings.queue_model.replace("-", "_")],
            n=settings.queue_n,
            partial_fills=settings.partial_fills,
            maker_fee=maker / 1e8,
            taker_fee=taker / 1e8,
        )
        self._other = Counterpart(lane)
        self._asked: dict[int, _Asked] = {}
        self._numbers: dict[int, int] = {}  # the exchange's order id -> the kernel's
        self._next = 1
        self.now_ns = 0
        self.on_request: Callable[[], None] = lambda: None

    # --- requests in ---

    def place(self, account: ClientAccount, request: OrderRequest, shape: Shape) -> "asyncio.Future[Any]":
        """The answer, when it will have been heard. Raises ApiError for what needs no matching to be refused."""
        if not request.post_only:
            raise ApiError(-2010, "Simulated lock-step takes post-only orders.")
        self._exchange.check(account, request)
        number, self._next = self._next, self._next + 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = _Asked(account, request, future, shape)
        self._other.place(self.now_ns, number, request.side, request.ticks, request.lots)
        self.on_request()
        return future

    def cancel(self, order: ExchangeOrder, cancel_id: str, shape: Shape) -> "asyncio.Future[Any]":
        """As ``place``. An order the client knows to have ended is refused at once."""
        number = self._numbers.get(order.order_id)
        if number is None or not order.is_live:
            raise unknown_order()
        asked = self._asked[number]
        asked.cancelled = asyncio.get_running_loop().create_future()
        asked.cancel_id, asked.cancel_shape = cancel_id, shape
        self._other.cancel(self.now_ns, number, order.side, order.ticks)
        self.on_request()
        return asked.cancelled

    # --- answers out ---

    def heard(self, now_ns: int) -> list[list[int]]:
        """The answers the client hears by ``now_ns``, oldest first; give each to ``tell``."""
        self.now_ns = now_ns
        return self._other.heard_until(now_ns)

    def settled(self) -> list[list[int]]:
        """As ``heard``, for all that is under way while the market stands still."""
        return self._other.settle() if self._other.busy else []

    def tell(self, row: list[int]) -> None:
        """One answer becomes true for the client: its order's state, its account, its events."""
        asked, kind = self._asked[row[MESSAGE_ID]], row[MESSAGE_KIND]
        if kind == FILL and asked.order is not None:
            self._exchange.book_fill(asked.order, row[MESSAGE_TICKS], row[MESSAGE_LOTS], bool(row[MESSAGE_MAKER]))
        elif kind == ACKED:
            try:
                asked.order = self._exchange.accept(asked.account, asked.request)
            except (
                ApiError
            ) as refused:  # for want of a balance: the recording's market has taken it, the account has not
                asked.placed.set_exception(refused)
                return
            self._numbers[asked.order.order_id] = row[MESSAGE_ID]
            asked.placed.set_result(asked.shape(asked.order))
        elif kind == REFUSED:
            asked.placed.set_exception(self._crossing())
        elif kind == GONE and asked.order is not None and asked.cancelled is not None:
            self._exchange.cancel(asked.account, asked.order, asked.cancel_id)
            asked.cancelled.set_result(asked.cancel_shape(asked.order) if asked.cancel_shape else None)
        elif kind == CANCEL_REFUSED and asked.cancelled is not None:
            asked.cancelled.set_exception(unknown_order())

    def _crossing(self) -> ApiError:
        if self._spec.market is Market.SPOT:
            return order_rejected("Order would immediately match and take.")
        return ApiError(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.")
