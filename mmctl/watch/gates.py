"""The gates file: what the guard judges by. Pure: text in, rules out, each fault with its line and the nearest key."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from engine.config.document import Document, read
from engine.config.errors import ConfigError
from engine.config.values import Duration
from mmctl.fleet.channels import Channel, read_channels
from mmctl.watch.rules import Rule

Path_ = tuple[str | int, ...]
TOP: Final[dict[str, type]] = {"interval": str, "rollback_within": str, "gates": dict, "channels": dict}
KEYS: Final = ("measure", "above", "below", "is", "consecutive", "for", "share")
SHOWN: Final[dict[type, str]] = {
    str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping",
}  # fmt: skip
BREAKER_STATES: Final = {"CLOSED": 0.0, "HALF_OPEN": 1.0, "OPEN": 2.0, "HALTED": 3.0}
#: Measures besides the catalogue's gauges, and what their bounds are written in.
MEASURES: Final = {"health": "flag", "order_latency_p95": "duration", "memory": "size", "breaker": "state"}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)")
_BYTES: Final = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SHORTEST_S, LONGEST_S = 1.0, 60.0
MOST_IN_A_ROW: Final = 1000
DEFAULT_INTERVAL_S: Final = 5.0
DEFAULT_WITHIN_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class GatesFile:
    """What a file says. Times in seconds."""

    rules: tuple[Rule, ...]
    interval: float = DEFAULT_INTERVAL_S
    rollback_within: float = DEFAULT_WITHIN_S
    channels: tuple[Channel, ...] = ()


class GatesWrong(Exception):
    """Every fault of a gates file, one a line, each with file:line."""

    def __init__(self, errors: list[ConfigError]) -> None:
        found = sorted(errors, key=lambda e: (e.line, e.path))
        super().__init__("\n".join(str(error) for error in found))


def parse(text: str, file: str, gauges: Collection[str] = ()) -> GatesFile:
    """The file's rules. ``gauges``: names of the catalogue's gauges. Raises GatesWrong with every fault at once."""
    document = read(text.removeprefix("\ufeff"), file, lambda name: None)
    if document.errors:
        raise GatesWrong(document.errors)
    reader = _Reader(document, gauges)
    top = reader.section(document.data, (), TOP)
    interval = reader.duration(top, "interval", DEFAULT_INTERVAL_S)
    if not SHORTEST_S <= interval <= LONGEST_S:
        reader.fault(("interval",), f"expected {SHORTEST_S:g}s to {LONGEST_S:g}s")
    within = reader.duration(top, "rollback_within", DEFAULT_WITHIN_S)
    listed = top.get("gates", {})
    if not listed:
        reader.fault(("gates",) if "gates" in document.data else (), "no gate: nothing would be watched")
    rules = [reader.rule(str(name), value, ("gates", name), interval) for name, value in listed.items()]
    channels = read_channels(reader, top.get("channels", {}), ("channels",))
    if document.errors:
        raise GatesWrong(document.errors)
    return GatesFile(tuple(rule for rule in rules if rule is not None), interval, within, channels)


class _Reader:
    """Walks the document once and notes every fault on it."""

    def __init__(self, document: Document, gauges: Collection[str]) -> None:
        self._document = document
        self._gauges = gauges

    def fault(self, path: Path_, message: str, suggestion: str = "") -> None:
        self._document.add(path, self._document.line(path), message, suggestion)

    def place(self, path: Path_) -> str:
        return f"{self._document.file}:{self._document.line(path)}"

    def section(self, value: Any, path: Path_, keys: dict[str, type]) -> dict[str, Any]:
        """The known, rightly typed keys of a mapping; a fault for each other."""
        if not isinstance(value, dict):
            self.fault(path, "expected a mapping of keys to values")
            return {}
        good: dict[str, Any] = {}
        for key, item in value.items():
            if key not in keys:
                self._unknown((*path, key), "key", key, keys)
            elif item is None:
                self.fault((*path, key), "has no value")
            elif keys[key] is str and isinstance(item, str | int | Decimal) and not isinstance(item, bool):
                good[key] = str(item)
            elif isinstance(item, keys[key]) and not (keys[key] is int and isinstance(item, bool)):
                good[key] = item
            else:
                self.fault((*path, key), f"expected {SHOWN[keys[key]]}")
        return good

    def _unknown(self, path: Path_, what: str, word: str, known: Collection[str]) -> None:
        near = get_close_matches(word, list(known), 1, 0.5)
        few = ", ".join(list(known)[: len(KEYS)])
        self.fault(path, f"unknown {what} {word}", f"did you mean {near[0]}?" if near else f"known: {few}")

    def duration(self, top: dict[str, Any], key: str, otherwise: float) -> float:
        if key not in top:
            return otherwise
        try:
            return Duration.parse(top[key]).seconds
        except ValueError as error:
            self.fault((key,), str(error))
            return otherwise

    def rule(self, name: str, value: Any, path: Path_, interval: float) -> Rule | None:
        """One gate, None where it is wrong."""
        before = len(self._document.errors)
        if not isinstance(value, dict):
            self.fault(path, "expected a mapping such as {measure: health, consecutive: 3}")
            return None
        for key in value:
            if key not in KEYS:
                self._unknown((*path, key), "key", str(key), KEYS)
        measure = value.get("measure")
        if not isinstance(measure, str) or (measure not in MEASURES and measure not in self._gauges):
            known = [*MEASURES, *sorted(self._gauges)]
            if measure is None:
                self.fault(path, "it has no measure", f"one of {', '.join(MEASURES)}, or a gauge of the catalogue")
            else:
                self._unknown((*path, "measure"), "measure", str(measure), known)
            return None
        kind = MEASURES.get(measure, "number")
        above, below, equal = (self._bound(value, key, kind, path) for key in ("above", "below", "is"))
        if kind == "flag" and (above, below, equal) == (None, None, None):
            below = 1.0  # an answer is 1, none or a bad one is 0
        if sum(bound is not None for bound in (above, below, equal)) != 1 and len(self._document.errors) == before:
            self.fault(path, "it needs one bound: above, below or is")
        rule = Rule(name, measure, above, below, equal, *self._how_long(value, path, interval))
        return rule if len(self._document.errors) == before else None

    def _bound(self, value: dict[str, Any], key: str, kind: str, path: Path_) -> float | None:
        given = value.get(key)
        if key not in value:
            return None
        try:
            return _read_bound(given, kind, key)
        except ValueError as error:
            self.fault((*path, key), str(error))
            return None

    def _how_long(self, value: dict[str, Any], path: Path_, interval: float) -> tuple[int, float, float]:
        """Readings in a row, or seconds, and the share of a windowed rule."""
        row, length, share = value.get("consecutive"), value.get("for"), value.get("share", Decimal("0.95"))
        if (row is None) == (length is None):
            self.fault(path, "it needs either consecutive (readings in a row) or for (a time), not both")
            return 1, 0.0, 1.0
        if not isinstance(share, int | Decimal) or isinstance(share, bool) or not 0.5 <= share <= 1:
            self.fault((*path, "share"), "expected a share of the readings from 0.5 to 1")
            share = 1
        if row is not None:
            if isinstance(row, bool) or not isinstance(row, int) or not 1 <= row <= MOST_IN_A_ROW:
                self.fault((*path, "consecutive"), f"expected a whole number from 1 to {MOST_IN_A_ROW}")
                return 1, 0.0, 1.0
            if "share" in value:
                self.fault((*path, "share"), "only a rule with `for` has one: in a row is in a row")
            return row, 0.0, 1.0
        try:
            seconds = Duration.parse(length).seconds
        except ValueError as error:
            self.fault((*path, "for"), str(error))
            return 1, 0.0, 1.0
        if seconds < 2 * interval:
            self.fault((*path, "for"), f"shorter than two intervals of {interval:g} s: write consecutive")
        return 0, seconds, float(share)


def _read_bound(given: Any, kind: str, key: str) -> float:
    if kind == "state":
        if key != "is" or str(given).upper() not in BREAKER_STATES:
            raise ValueError(f"a breaker is written `is:` one of {', '.join(BREAKER_STATES)}")
        return BREAKER_STATES[str(given).upper()]
    if key == "is":
        raise ValueError("only the breaker has states; write above or below")
    if kind == "duration":
        return Duration.parse(given).seconds
    if kind == "size":
        found = _SIZE.fullmatch(str(given).strip())
        if found is None:
            raise ValueError("expected a size such as 800MB or 2GiB")
        return float(found[1]) * _BYTES[found[2]]
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        raise ValueError("expected a number")
    return float(given)
