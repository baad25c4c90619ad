"""Whether an answer proves that nothing of ours is left at the exchange. Pure; anything short of proof is no proof."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Proof:
    """What an engine's or a sentinel's answer shows. ``open_orders`` None = it does not say."""

    proved: bool
    text: str
    open_orders: int | None = None
    cancelled: int | None = None


def proof_of(answer: Mapping[str, Any], *, flat: bool = False) -> Proof:
    """The proof in ``answer``: it says ``proved`` and names zero open orders; with ``flat`` also no position.

    An answer without a number of open orders, or with a truth value that is merely truthy, proves nothing.
    """
    nested = answer.get("proof")
    document = {**answer, **nested} if isinstance(nested, Mapping) else answer
    still_open = _count(document.get("open_orders"))
    cancelled = _count(document.get("cancelled"))
    said = str(document.get("message") or document.get("detail") or document.get("error") or "")
    if still_open is None:
        return Proof(False, "it did not say how many orders are open" + _and(said), None, cancelled)
    if still_open > 0:
        return Proof(False, f"{still_open} orders are still open{_and(said)}", still_open, cancelled)
    if flat:
        unclosed = _unclosed(document, said)
        if unclosed:
            return Proof(False, unclosed, still_open, cancelled)
    if document.get("proved") is not True:
        return Proof(False, f"zero open orders is not proved by the exchange{_and(said)}", still_open, cancelled)
    return Proof(True, "0 open orders" + (", flat" if flat else "") + _and(said), still_open, cancelled)


def _unclosed(document: Mapping[str, Any], said: str) -> str:
    """Why the position is not closed, empty where it is; what no filter lets be traded is named and is none."""
    left, dust = _positions(document.get("positions")), _positions(document.get("dust")) or {}
    if left is None:
        return f"it did not say what position is left{_and(said)}"
    left = {symbol: size for symbol, size in left.items() if dust.get(symbol) != size}
    if left:
        names = ", ".join(f"{symbol} {size}" for symbol, size in left.items())
        return f"the position is not closed: {names}{_and(said)}"
    if document.get("proved") is not True:
        return f"the position is not proved closed{_and(said)}"
    return ""


def _and(said: str) -> str:
    return f" ({said})" if said else ""


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, list) else None


def _positions(value: Any) -> dict[str, str] | None:
    """Symbols whose position is not zero; None when the answer has no positions at all or one cannot be read."""
    if not isinstance(value, Mapping):
        return None
    left: dict[str, str] = {}
    for symbol, size in value.items():
        number: Any = size.get("base") if isinstance(size, Mapping) else size
        try:
            if float(number) != 0:  # NaN is not zero, so it counts as open
                left[str(symbol)] = str(number)
        except (TypeError, ValueError):
            return None
    return left


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object printed on a line of its own, None when there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict):
                return document
    return None
