"""A backtest kept on disk: the contract's object, what it was made from, and the equity it ran through.

One JSON file, zstd-compressed when the name ends in ``.zst``. It is what ``mmctl backtest compare`` pairs and
``mmctl report backtest`` draws.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from engine.backtest.driver import Result

FORMAT: Final = "mmctl-backtest"
VERSION: Final = 1
LARGEST: Final = 1 << 30  # bytes after decompression; a run of a day with 10^5 fills is about 10 MB


class RunFileError(ValueError):
    """The file is not a usable kept run; the message names it and why."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """``result`` is the contract's object; ``equity`` maps symbol to rows of (s, equity, lots, mid in half ticks)."""

    name: str
    result: dict[str, Any]
    made_from: dict[str, Any]
    equity: dict[str, NDArray[np.float64]]

    @property
    def seconds(self) -> float:
        """Seconds from the first to the last point of the equity curves."""
        return max((float(rows[-1, 0]) for rows in self.equity.values() if len(rows)), default=0.0)


def keep(path: Path, result: Result, made_from: dict[str, Any]) -> None:
    """Write atomically: a reader finds the whole file or the one before it."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        "result": result.contract(),
        "made_from": made_from,
        "equity": {symbol: rows.tolist() for symbol, rows in result.equity.items()},
    }
    data = json.dumps(body, allow_nan=False).encode()
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(zstandard.compress(data, 6) if path.suffix == ".zst" else data)
    partial.replace(path)


def read(path: Path) -> KeptRun:
    """Raises RunFileError for anything ``keep`` did not write whole."""
    try:
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST)
        body = json.loads(data)
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise RunFileError(f"{path}: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise RunFileError(f"{path}: not a kept backtest (make one with: mmctl backtest run --out FILE)")
    if body.get("version") != VERSION:
        raise RunFileError(f"{path}: version {body.get('version')}; this program reads {VERSION}")
    try:
        equity: dict[str, NDArray[np.float64]] = {
            str(symbol): np.array(rows, np.float64).reshape(-1, 4) for symbol, rows in body["equity"].items()
        }
        return KeptRun(path.name, dict(body["result"]), dict(body["made_from"]), equity)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFileError(f"{path}: its contents are damaged: {error}") from error
