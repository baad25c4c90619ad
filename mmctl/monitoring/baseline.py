"""The baseline of a testnet run: mean and spread of each watched figure, kept in a file beside the fleet file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mmctl.fleet.errors import ConfigRefused, OperatorError, Refused, UsageError
from mmctl.monitoring.rules.anomaly import BY_KEY, WATCHED, WINDOW, Usual
from mmctl.monitoring.send.ask import Service, query

FILE: Final = "monitoring-baseline.json"
#: Fewer five-minute averages say nothing about a spread: a quarter of a day.
LEAST: Final = 72
DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was measured: ``start`` and ``end`` in ISO 8601, figures by key, and why others are not in it."""

    start: str
    end: str
    figures: Mapping[str, Usual]
    left_out: Mapping[str, str]

    def text(self) -> str:
        """As it is kept: JSON, a figure a line."""
        figures = {key: asdict(usual) for key, usual in self.figures.items()}
        whole = {"start": self.start, "end": self.end, "figures": figures, "left_out": dict(self.left_out)}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def collect(prometheus: Service, start: datetime, end: datetime, target: str = "", least: int = LEAST) -> Baseline:
    """The baseline from what Prometheus holds between the two times. Raises Refused where no figure can be known.

    Each figure is averaged over five minutes, as its alert does; mean and spread are over those averages. ``target``:
    of its engines alone; "" is all that Prometheus reads.
    """
    seconds = int((end - start).total_seconds())
    if seconds < 300 * least:
        raise Refused(
            f"{seconds / 3600:.1f} hours are too short for a baseline", f"take {300 * least / 3600:g} or more"
        )
    figures: dict[str, Usual] = {}
    left_out: dict[str, str] = {}
    for watched in WATCHED:
        averages = f"avg_over_time(({watched.expr})[{WINDOW}:30s])[{seconds}s:{WINDOW}]"
        values = [
            _one(prometheus, f"{function}({averages})", end, target)
            for function in ("avg_over_time", "stddev_over_time", "count_over_time")
        ]
        mean, spread, samples = values
        if samples is None or samples < least:
            left_out[watched.key] = f"{samples or 0:g} averages of {least} needed"
        elif mean is None or spread is None or not math.isfinite(mean) or not math.isfinite(spread):
            left_out[watched.key] = "it was not a number"
        elif spread <= 0:
            left_out[watched.key] = "it never moved, so nothing is far from it"
        else:
            figures[watched.key] = Usual(mean, spread, int(samples))
    if not figures:
        reasons = "; ".join(f"{key}: {why}" for key, why in left_out.items())
        raise Refused(
            f"no figure can be known from this run: {reasons}", "is it the right Prometheus, and the right time?"
        )
    return Baseline(start.isoformat(timespec="seconds"), end.isoformat(timespec="seconds"), figures, left_out)


def _one(prometheus: Service, expression: str, end: datetime, target: str) -> float | None:
    """One number over all engines, or those of a target: their mean. None where there is none."""
    over = "avg by (target)" if target else "avg"
    rows = query(prometheus, f"{over}({expression})", DEADLINE_S, end.timestamp())
    found = [row for row in rows if not target or row["metric"].get("target") == target]
    return float(found[0]["value"][1]) if found else None


def place(fleet_file: Path | None) -> Path:
    """Where the baseline of a fleet lies: beside its file."""
    return (fleet_file.absolute().parent if fleet_file else Path("configs")) / FILE


def load(file: Path) -> dict[str, Usual]:
    """The figures of a baseline; none where there is no file. Raises ConfigRefused that names the file and the key."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{file}: cannot be read: {error}") from None
    try:
        figures = json.loads(text)["figures"]
        found = {
            key: Usual(float(one["mean"]), float(one["spread"]), int(one["samples"])) for key, one in figures.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigRefused(
            f"{file}: no baseline ({type(error).__name__})", "`mmctl monitoring baseline` writes one"
        ) from None
    for key, usual in found.items():
        if key not in BY_KEY or not (math.isfinite(usual.mean) and math.isfinite(usual.spread) and usual.spread > 0):
            raise ConfigRefused(
                f"{file}: {key} is not watched, or has no finite mean and spread", f"known: {', '.join(BY_KEY)}"
            )
    return found


def keep(baseline: Baseline, file: Path) -> None:
    """Write it. Raises OperatorError."""
    try:
        file.write_text(baseline.text(), encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"cannot write {file}: {error.strerror}") from None


def ago(seconds: float) -> datetime:
    """The time ``seconds`` before now. Raises UsageError where the calendar has none."""
    try:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() - seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{seconds:g} s ago is before the calendar begins", "as in 2d") from None
