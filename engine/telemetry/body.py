"""JSON answers: exact decimals stay exact, what is not a number becomes null, NumPy values become plain ones.

And JSON that is asked of us: no deeper than a command can be.
"""

from decimal import Decimal
from enum import Enum
from typing import Any, Final

import orjson


def encode(value: Any) -> bytes:
    """``value`` as JSON. Raises ``TypeError`` for what has no JSON form."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


DEEPEST: Final = 8


def decode(raw: bytes) -> Any:
    """What a request's body says. Raises ``ValueError`` for what is no JSON, or lists and objects nested deeper than 8.

    What is read here is written again (audit, idempotency), and every writer has a depth of its own at which it fails.
    """
    found = orjson.loads(raw)
    layer, depth = [found], 0
    while layer:
        if depth > DEEPEST:
            raise ValueError(f"the body is nested deeper than {DEEPEST}")
        inside: list[Any] = []
        for value in layer:
            if isinstance(value, dict):
                inside += [entry for entry in value.values() if isinstance(entry, dict | list)]
            elif isinstance(value, list):
                inside += [entry for entry in value if isinstance(entry, dict | list)]
        layer, depth = inside, depth + 1
    return found


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
