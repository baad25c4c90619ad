"""JSON answers: exact decimals stay exact, what is not a number becomes null, NumPy values become plain ones."""

from decimal import Decimal
from enum import Enum
from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """``value`` as JSON. Raises ``TypeError`` for what has no JSON form."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _default(value: object) -> Any:
    match value:
        case Decimal():
            return orjson.Fragment(f"{value:f}".encode()) if value.is_finite() else None
        case Enum():
            return value.value
        case set() | frozenset():
            return sorted(value)
        case _:
            return str(value)  # paths, secrets (masked), exceptions: text is enough for a reader
