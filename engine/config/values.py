"""The value types of the configuration: exact numbers, durations and how each is read from YAML or the environment."""

import math
import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_INTEGER: Final = re.compile(r"[-+]?\d+")
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TRUE: Final = frozenset({"true", "yes", "on"})
_LARGEST: Final = Decimal(10) ** 18  # the journal keeps NUMERIC(38, 18)
_FALSE: Final = frozenset({"false", "no", "off"})


class Expanded(str):
    """Text into which the environment was put; it takes the type its key wants, and no message ever quotes it."""

    __slots__ = ()


class Duration(int):
    """A length of time in nanoseconds, written ``250ms``, ``5s``, ``1m30s``, ``2h`` or ``1d``."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return int(self) / 1e9

    @property
    def ms(self) -> int:
        """Whole milliseconds, rounded up so that a short timeout never becomes none."""
        return -(-int(self) // 1_000_000)

    def __str__(self) -> str:
        if self == 0:
            return "0s"
        for unit in ("d", "h", "m", "s", "ms", "us"):
            if int(self) % _UNITS_NS[unit] == 0:
                return f"{int(self) // _UNITS_NS[unit]}{unit}"
        return f"{int(self)}ns"

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """From text such as ``5s``. Raises ``ValueError`` for anything else, a bare number too: its unit is a guess."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and _DURATION.fullmatch(value.strip()):
            total = sum(Decimal(number) * _UNITS_NS[unit] for number, unit in _PART.findall(value.strip()))
            return cls(int(total))
        raise ValueError("expected a duration such as 250ms, 5s, 5m or 1h")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": r"^(\d+(\.\d+)?(ns|us|ms|s|m|h|d))+$", "examples": ["250ms", "5s", "5m"]}


def scalar(text: str) -> bool | int | Decimal | str | None:
    """A plain YAML scalar by the few rules people expect: null, booleans, decimal numbers, else text.

    Octal and base-60 numbers of YAML 1.1 are text here: ``010`` and ``1:30`` are more often typing errors than meant.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    if _INTEGER.fullmatch(text) and len(text) <= 40 and not re.match(r"[-+]?0\d", text):
        return int(text)
    if _NUMBER.fullmatch(text) and len(text) <= 60 and not re.match(r"[-+]?0\d", text):
        return Decimal(text)
    if lowered.lstrip("+-") in (".inf", ".nan"):
        return Decimal(lowered.replace(".", ""))
    return text


def _typed(value: object) -> object:
    return scalar(value.strip()) if isinstance(value, Expanded) else value


def to_bool(value: object) -> bool:
    """true or false; ``ValueError`` for anything else."""
    value = _typed(value)
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def to_int(value: object) -> int:
    """A whole number of at most 64 bits; ``ValueError`` for anything else."""
    value = _typed(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 1 << 63:
            raise ValueError("expected a whole number that fits 64 bits")
        return value
    raise ValueError("expected a whole number")


def to_decimal(value: object) -> Decimal:
    """The number with every digit that was written; ``ValueError`` for what is none or not finite."""
    value = _typed(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise ValueError("expected a number")
    if not value.is_finite():
        raise ValueError("expected a finite number, not NaN or infinity")
    exponent = value.normalize().as_tuple().exponent
    if abs(value) >= _LARGEST or (isinstance(exponent, int) and exponent < -18):
        raise ValueError("expected a number below 1e18 with at most 18 decimals")
    return value


def to_float(value: object) -> float:
    """A finite number; ``ValueError`` for anything else."""
    value = _typed(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("expected a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("expected a finite number, not NaN or infinity")
    return number


def to_parameter(value: object) -> float:
    """A strategy's parameter: a number, or true and false as 1 and 0."""
    value = _typed(value)
    return float(value) if isinstance(value, bool) else to_float(value)


def to_text(value: object) -> str:
    """A text; ``ValueError`` for anything else."""
    if isinstance(value, str):
        return str(value)
    raise ValueError("expected text")


Bool = Annotated[bool, BeforeValidator(to_bool)]
Int = Annotated[int, BeforeValidator(to_int)]
Exact = Annotated[Decimal, BeforeValidator(to_decimal)]
Number = Annotated[float, BeforeValidator(to_float)]
Parameter = Annotated[float, BeforeValidator(to_parameter)]
Text = Annotated[str, BeforeValidator(to_text)]
