"""Orders and cancels as the bytes of Binance's WebSocket API, preformatted per symbol; no JSON library in the way."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.trade import Instrument, Market, PlaceRequest, Side
from engine.units import Units, units_of
from engine.venue.binance.signing import HmacSigner, Signer

_E8: Final = 10**8
_SIDE: Final = {Side.BUY: "BUY", Side.SELL: "SELL"}


def units_e8(size: Decimal) -> int:
    """A tick or lot size in units of 1e-8. Raises ValueError for one that is finer."""
    scaled = size * _E8
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{size} is finer than 1e-8")
    return int(scaled)


def decimal_text(units: int, size_e8: int) -> str:
    """``units`` ticks or lots as plain decimal text without an exponent or trailing zeros."""
    whole, fraction = divmod(units * size_e8, _E8)
    return f"{whole}.{fraction:08d}".rstrip("0").rstrip(".") if fraction else str(whole)


@dataclass(frozen=True, slots=True)
class Grid:
    """The sizes of one symbol, ready for formatting."""

    symbol: str
    tick_e8: int
    lot_e8: int

    @classmethod
    def of(cls, instrument: Instrument) -> "Grid":
        """The grid of an instrument; sizes that are no multiple of 1e-8 are a ``ValueError``."""
        return cls(instrument.symbol, units_e8(instrument.tick_size), units_e8(instrument.lot_size))

    def ticks(self, text: str) -> Units:
        """Ticks of a price the exchange wrote; exact where it was made on another grid. ValueError: no number."""
        return units_of(Decimal(text), Decimal(self.tick_e8) / _E8)

    def lots(self, text: str) -> Units:
        """A quantity's text as a count of lots, exact also off the grid."""
        return units_of(Decimal(text), Decimal(self.lot_e8) / _E8)


class OrderWriter:
    """Writes ``order.place`` and ``order.cancel`` requests.

    ``logged_on``: the session carries the key (Ed25519 ``session.logon``), so requests need no signature; else every
    request is signed over its parameters in alphabetical order: apiKey sorts before all of ours, and the signature
    stands last. What a request shares with all others of its kind is written once, as the texts around its values.
    """

    def __init__(self, market: Market, api_key: str, signer: Signer, recv_window_ms: int) -> None:
        self._spot = market is Market.SPOT
        self._api_key = api_key
        self._signer = signer
        self._recv_window = str(recv_window_ms)
        self._forms: dict[tuple[str, Side, bool, bool, bool], _Form] = {}
        self._sizes: dict[tuple[int, int], str] = {}
        self.logged_on = False
        self.can_log_on = signer.can_log_on
        self._key_param = f"apiKey={api_key}&"
        self._key_json = f'"apiKey":"{api_key}",'

    def __repr__(self) -> str:
        return "OrderWriter(***)"

    def place(self, grid: Grid, order: PlaceRequest, request_id: int, timestamp_ms: int) -> bytes:
        """The bytes of one order; signed unless the session is logged on."""
        kind = (order.symbol, order.side, order.post_only, order.reduce_only, order.market_order)
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = self._form(order)
        price = "" if order.market_order else self._text(order.ticks, grid.tick_e8)
        lots = self._text(order.lots, grid.lot_e8)
        q0, q1, q2, q3, q4 = form.query
        j0, j1, j2, j3, j4 = form.json
        inner = f"{j0}{order.client_id}{j1}{price}{j2}{lots}{j3}{timestamp_ms}{j4}"
        if self.logged_on:
            return _unsigned("order.place", str(request_id), inner).encode()
        query = f"{self._key_param}{q0}{order.client_id}{q1}{price}{q2}{lots}{q3}{timestamp_ms}{q4}"
        return self._sealed("order.place", request_id, query, inner)

    def cancel(self, symbol: str, client_id: str, request_id: int, timestamp_ms: int) -> bytes:
        """The bytes of one cancel; signed unless the session is logged on."""
        inner = self._cancel_json(symbol, client_id, str(timestamp_ms))
        if self.logged_on:
            return _unsigned("order.cancel", str(request_id), inner).encode()
        query = self._cancel_query(symbol, client_id, str(timestamp_ms))
        return self._sealed("order.cancel", request_id, query, inner)

    def unsigned_place(self, order: PlaceRequest, request_id: str, price: str, lots: str, timestamp_ms: str) -> str:
        """A logged-on session's request with these values as they are; ``MARK`` shows where each of them goes."""
        j0, j1, j2, j3, j4 = self._form(order).json
        inner = f"{j0}{order.client_id}{j1}{price}{j2}{lots}{j3}{timestamp_ms}{j4}"
        return _unsigned("order.place", request_id, inner)

    def unsigned_cancel(self, symbol: str, request_id: str, client_id: str, timestamp_ms: str) -> str:
        """The message of a cancel in a session that is logged on."""
        return _unsigned("order.cancel", request_id, self._cancel_json(symbol, client_id, timestamp_ms))

    def sealed_place(
        self, order: PlaceRequest, request_id: str, price: str, lots: str, timestamp_ms: str, signature: str
    ) -> tuple[str, str]:
        """A signed request with these values, and the text its signature is of."""
        form = self._form(order)
        values = (order.client_id, price, lots, timestamp_ms, "")
        inner, query = ("".join(map("".join, zip(texts, values, strict=True))) for texts in (form.json, form.query))
        return self._seal("order.place", request_id, inner, signature), f"{self._key_param}{query}"

    def sealed_cancel(
        self, symbol: str, request_id: str, client_id: str, timestamp_ms: str, signature: str
    ) -> tuple[str, str]:
        """The message of a cancel with this signature, and the query string that the signature is of."""
        inner = self._cancel_json(symbol, client_id, timestamp_ms)
        return self._seal("order.cancel", request_id, inner, signature), self._cancel_query(
            symbol, client_id, timestamp_ms
        )

    def pads(self) -> tuple[bytes, bytes] | None:
        """What the signer begins with where it signs by HMAC: as secret as the key."""
        return self._signer.pads() if isinstance(self._signer, HmacSigner) else None

    def _cancel_query(self, symbol: str, client_id: str, timestamp_ms: str) -> str:
        return (
            f"{self._key_param}origClientOrderId={client_id}&recvWindow={self._recv_window}&symbol={symbol}"
            f"&timestamp={timestamp_ms}"
        )

    def _cancel_json(self, symbol: str, client_id: str, timestamp_ms: str) -> str:
        return (
            f'"origClientOrderId":"{client_id}","recvWindow":{self._recv_window},"symbol":"{symbol}",'
            f'"timestamp":{timestamp_ms}'
        )

    def signed(self, method: str, request_id: int, timestamp_ms: int) -> bytes:
        """A request of its own signature and no other parameters: session.logon, userDataStream.subscribe.signature."""
        query = f"{self._key_param}recvWindow={self._recv_window}&timestamp={timestamp_ms}"
        inner = f'"recvWindow":{self._recv_window},"timestamp":{timestamp_ms}'
        return self._sealed(method, request_id, query, inner)

    def _sealed(self, method: str, request_id: int, query: str, inner: str) -> bytes:
        return self._seal(method, str(request_id), inner, self._signer.sign(query.encode())).encode()

    def _seal(self, method: str, request_id: str, inner: str, signature: str) -> str:
        params = f'{self._key_json}{inner},"signature":"{signature}"'
        return f'{{"id":"{request_id}","method":"{method}","params":{{{params}}}}}'

    def _text(self, units: int, size_e8: int) -> str:
        """``decimal_text``, remembered: quotes come back to the same prices and sizes."""
        text = self._sizes.get((units, size_e8))
        if text is None:
            if len(self._sizes) >= REMEMBERED:
                self._sizes.clear()
            text = self._sizes[(units, size_e8)] = decimal_text(units, size_e8)
        return text

    def _form(self, order: PlaceRequest) -> "_Form":
        """The texts around client id, price, quantity and timestamp of orders like ``order``."""
        params = [("newClientOrderId", MARK), ("newOrderRespType", "RESULT")]
        if not order.market_order:
            params.append(("price", MARK))
        params += [("quantity", MARK), ("recvWindow", self._recv_window)]
        if order.reduce_only and not self._spot:
            params.append(("reduceOnly", "true"))
        params += [("side", _SIDE[order.side]), ("symbol", order.symbol)]
        kind = "MARKET" if order.market_order else "LIMIT"
        if kind == "LIMIT" and self._spot and order.post_only:
            kind = "LIMIT_MAKER"
        if kind == "LIMIT":
            params.append(("timeInForce", "GTX" if order.post_only and not self._spot else "GTC"))
        params += [("timestamp", MARK), ("type", kind)]
        query = "&".join(f"{name}={value}" for name, value in params)
        json = ",".join(_pair(name, value) for name, value in params)
        if order.market_order:  # nothing is written where a price would stand
            query = query.replace("quantity=", f"{MARK}quantity=")
            json = json.replace('"quantity":', f'{MARK}"quantity":')
        return _Form(_around(query), _around(json))


MARK: Final = "\0"  # where a value goes; no parameter can hold it
_BARE: Final = frozenset({"timestamp", "recvWindow"})
REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class _Form:
    """The five texts around the four values of a request, as signed and as JSON."""

    query: tuple[str, str, str, str, str]
    json: tuple[str, str, str, str, str]


def _unsigned(method: str, request_id: str, inner: str) -> str:
    return f'{{"id":"{request_id}","method":"{method}","params":{{{inner}}}}}'


def _pair(name: str, value: str) -> str:
    return f'"{name}":{value}' if name in _BARE else f'"{name}":"{value}"'


def _around(text: str) -> tuple[str, str, str, str, str]:
    first, second, third, fourth, fifth = text.split(MARK)
    return first, second, third, fourth, fifth
