"""Request parameters: read, checked and refused the way Binance does it."""

import re
from collections.abc import Mapping

from engine.sandbox.decimals import parse_e8
from engine.sandbox.errors import ApiError, bad_symbol, illegal, missing
from engine.sandbox.market.symbols import SymbolSpec

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_SPOT_ID = re.compile(r"^[a-zA-Z0-9-_]{1,36}$")
_USDM_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")


class Params(dict[str, str]):
    """The parameters of one request by name."""

    def required(self, name: str) -> str:
        """The parameter's text; -1102 where it is missing or empty."""
        value = self.get(name, "")
        if value == "":
            raise missing(name)
        return value

    def choice(self, name: str, legal: tuple[str, ...], default: str | None = None) -> str:
        """The parameter, one of ``legal``; -1102 where it is missing and has no default, an error for another word."""
        value = self.get(name, "") or default
        if value is None:
            raise missing(name)
        if value not in legal:
            raise _invalid_choice(name)
        return value

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int = 1 << 62) -> int:
        """The parameter as a whole number in ``low`` to ``high``; -1102 where it is missing, -1100 where it is none."""
        text = self.get(name, "")
        if text == "":
            if default is None:
                raise missing(name)
            return default
        if not text.isascii() or not text.isdecimal():
            raise illegal(name, "^[0-9]{1,20}$")
        value = int(text)
        if not low <= value <= high:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value

    def decimal_e8(self, name: str) -> int:
        """The value in units of 1e-8; -1100 for what is no plain decimal, -1111 for too many digits."""
        text = self.required(name)
        if not re.match(DECIMAL, text):
            raise illegal(name, DECIMAL)
        try:
            return parse_e8(text)
        except ValueError:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.") from None

    def flag(self, name: str) -> bool:
        """Whether the parameter says ``true``."""
        return self.get(name, "").lower() == "true"


def _invalid_choice(name: str) -> ApiError:
    match name:
        case "side":
            return ApiError(-1117, "Invalid side.")
        case "type":
            return ApiError(-1116, "Invalid orderType.")
        case "timeInForce":
            return ApiError(-1115, "Invalid timeInForce.")
        case "interval":
            return ApiError(-1120, "Invalid interval.")
        case _:
            return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def find_spec(listed: Mapping[str, SymbolSpec], params: Params) -> SymbolSpec:
    """The symbol a request names; -1102 without one, -1121 for one that is not listed."""
    symbol = params.required("symbol")
    try:
        return listed[symbol]
    except KeyError:
        raise bad_symbol() from None


def spot_client_id(params: Params, name: str = "newClientOrderId") -> str:
    """The client id, "" where none is given; -1100 where spot's pattern refuses it."""
    value = params.get(name, "")
    if value and not _SPOT_ID.match(value):
        raise illegal(name, "^[a-zA-Z0-9-_]{1,36}$")
    return value


def usdm_client_id(params: Params, name: str = "newClientOrderId") -> str:
    """The client id, "" where none is given; -4015 where futures' pattern refuses it."""
    value = params.get(name, "")
    if value and not _USDM_ID.match(value):
        raise ApiError(-4015, "Client order id is not valid.")
    return value
