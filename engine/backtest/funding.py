"""Funding of perpetuals: when, at what rate, on what price; from a CSV or from a recording's markPrice frames.

At each funding time the position pays ``position x mark x rate``: longs pay while the rate is positive. The exchange
takes the position it has at that moment; here it is the one we know of then, an answer's latency younger.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.backtest.candles import is_candles
from engine.backtest.paths import PathError, open_text
from engine.kernel.account.pnl import PNL_FUNDING, PNL_MID2, PNL_POSITION
from engine.kernel.layout import PARAM_TICK_SIZE
from engine.kernel.sim.lane import Lane
from engine.market.recording import RecordingError, frames

_MARK: Final = b'"markPriceUpdate"'
_FIELD: Final = {
    name: re.compile(rb'"%s":\s*"?([A-Za-z0-9_.+-]*)"?' % name.encode()) for name in ("s", "E", "T", "r", "p")
}


@dataclass(frozen=True, slots=True)
class Funding:
    """``rate`` is a fraction of notional; ``mark`` in quote currency, 0 = our mid at that moment."""

    ns: int
    symbol: str
    rate: float
    mark: float = 0.0


def read_funding(path: Path, symbols: Sequence[str]) -> list[Funding]:
    """The funding of ``symbols``, in order of time. Raises PathError naming file, line and cause; also for none."""
    found = _from_csv(path, symbols) if is_candles(path) else _from_recording(path)
    kept = sorted((one for one in found if one.symbol in symbols), key=lambda one: (one.ns, one.symbol))
    if not kept:
        raise PathError(f"{path}: no funding of {', '.join(symbols)} in it")
    return kept


def _from_csv(path: Path, symbols: Sequence[str]) -> list[Funding]:
    """Columns: time (or date; ISO, or ms since 1970), rate, and where there are any, mark and symbol."""
    found: list[Funding] = []
    try:
        with open_text(path) as stream:
            reader = csv.DictReader(stream)
            names = {name.strip().lower(): name for name in reader.fieldnames or ()}
            at = names.get("time") or names.get("date") or names.get("timestamp")
            if at is None or "rate" not in names:
                raise PathError(f"{path}:1: needs the columns time and rate; it has {', '.join(names) or 'none'}")
            if "symbol" not in names and len(symbols) > 1:
                raise PathError(f"{path}:1: needs the column symbol, for the data is of {', '.join(symbols)}")
            for line, row in enumerate(reader, start=2):
                symbol = row[names["symbol"]].strip().upper() if "symbol" in names else symbols[0]
                mark = row[names["mark"]] if "mark" in names else "0"
                found.append(_checked(path, line, _time_ns(path, line, row[at]), symbol, row[names["rate"]], mark))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PathError(f"{path}: {error}") from error
    return found


def _time_ns(path: Path, line: int, text: str) -> int:
    try:
        if text.strip().isdigit():
            return int(text) * 1_000_000
        when = datetime.fromisoformat(text.strip())
    except (TypeError, ValueError, AttributeError):
        raise PathError(
            f"{path}:{line}: {text!r} is not a time (2024-08-09 00:00:00+00:00, or ms since 1970)"
        ) from None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _checked(path: Path, line: int, ns: int, symbol: str, rate: str, mark: str) -> Funding:
    try:
        numbers = float(rate), float(mark or 0)
    except (TypeError, ValueError):
        raise PathError(f"{path}:{line}: rate {rate!r} and mark {mark!r} are not numbers") from None
    if not (math.isfinite(numbers[0]) and abs(numbers[0]) < 1 and math.isfinite(numbers[1]) and numbers[1] >= 0):
        raise PathError(f"{path}:{line}: rate {rate} or mark {mark} makes no sense")
    return Funding(ns, symbol, *numbers)


def _from_recording(path: Path) -> list[Funding]:
    """What the markPrice frames tell: a funding took place when the time of the next one moves on.

    ``r`` and ``p`` of the last frame before that are its rate and price.
    """
    found: list[Funding] = []
    last: dict[str, tuple[int, str, str]] = {}
    try:
        for line, (_, frame) in enumerate(frames(path), start=1):
            if _MARK not in frame:
                continue
            symbol, event, due, rate, mark = (_field(frame, name) for name in ("s", "E", "T", "r", "p"))
            if not due.isdigit() or not event.isdigit():
                raise PathError(f"{path}:{line}: a markPrice frame without its times")
            before = last.get(symbol)
            if before is not None and int(due) > before[0]:
                found.append(_checked(path, line, before[0] * 1_000_000, symbol, before[1], before[2]))
            last[symbol] = (int(due), rate, mark)
    except RecordingError as error:
        raise PathError(str(error)) from None
    return found


def _field(frame: bytes, name: str) -> str:
    match = _FIELD[name].search(frame, frame.find(b'"data"') if name != "s" else 0)
    return match[1].decode() if match else ""


def pay(lane: Lane, unit: float, funding: Funding) -> float:
    """Book one funding on a lane that has run up to its time; returns what was received, quote currency.

    ``unit``: quote currency of one tick-lot.
    """
    row = lane.pnl.row
    ticks = funding.mark / float(lane.params[PARAM_TICK_SIZE]) if funding.mark else 0.5 * float(row[PNL_MID2])
    amount = -round(int(row[PNL_POSITION]) * ticks * unit * funding.rate * 1e8)
    row[PNL_FUNDING] += amount
    return amount / 1e8
