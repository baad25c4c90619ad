"""Prometheus text exposition (version 0.0.4) to samples, without the client library: its import costs 100 ms.

The parser is forgiving about single lines and strict about the whole: a page with no valid sample is not metrics. It
reads each character a bounded number of times, whatever the page holds: no pattern of it gives back what it has taken.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: A page of a hundred instruments is a hundredth of it, characters.
LONGEST_PAGE = 16 * 1024 * 1024
LONGEST_LINE = 64 * 1024
_LONGEST_NUMBER = 64

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t]*+(,?)[ \t]*+')
_NUMBER = re.compile(r"[-+0-9.eEinfINFatyATY]++")
_ESCAPED = re.compile(r'\\[\\"n]')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class NotMetrics(ValueError):
    """The text holds no sample: an error page, an empty answer, or another service."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the page."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """A parsed page: samples by metric name, and how many lines could not be read."""

    samples: Mapping[str, tuple[Sample, ...]]
    bad_lines: int = 0
    types: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float | None:
        """The first sample with these labels, in the metric's unit; None when there is none or it is NaN."""
        for sample in self.samples.get(name, ()):
            if all(sample.labels.get(key) == want for key, want in labels.items()):
                return None if math.isnan(sample.value) else sample.value
        return None

    def total(self, name: str, **labels: str) -> float | None:
        """The sum over every sample with these labels, in the metric's unit; None when there is none."""
        found = [s.value for s in self._matching(name, labels) if not math.isnan(s.value)]
        return math.fsum(found) if found else None

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Values by one label's value."""
        return {sample.labels[label]: sample.value for sample in self._matching(name, labels) if label in sample.labels}

    def quantile(self, name: str, q: float, **labels: str) -> float | None:
        """The ``q``-quantile (0-1) of a classic histogram ``name``, in its own unit; None without observations.

        Linear inside a bucket, as PromQL's histogram_quantile; the highest finite bound when it lies beyond.
        """
        counts: dict[float, float] = {}
        for sample in self._matching(name + "_bucket", labels):
            try:
                bound = float(sample.labels.get("le", "nan"))
            except ValueError:
                continue
            if not math.isnan(bound):
                counts[bound] = counts.get(bound, 0.0) + sample.value
        return _quantile(sorted(counts.items()), q)

    def _matching(self, name: str, labels: Mapping[str, str]) -> Iterable[Sample]:
        for sample in self.samples.get(name, ()):
            if all(sample.labels.get(key) == want for key, want in labels.items()):
                yield sample


def _quantile(buckets: list[tuple[float, float]], q: float) -> float | None:
    if len(buckets) < 2 or buckets[-1][1] <= 0 or not math.isinf(buckets[-1][0]):
        return None
    rank = q * buckets[-1][1]
    below_bound, below_count = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if math.isinf(bound):
                return below_bound
            inside = count - below_count
            share = (rank - below_count) / inside if inside > 0 else 1.0
            return below_bound + (bound - below_bound) * share
        below_bound, below_count = bound, count
    return below_bound


def parse(text: str) -> Metrics:
    """``text`` as Metrics. Lines that are not samples are counted, never fatal. Raises NotMetrics if none is one."""
    samples: dict[str, list[Sample]] = {}
    types: dict[str, str] = {}
    bad = 0
    if len(text) > LONGEST_PAGE:
        raise NotMetrics(f"the answer is longer than {LONGEST_PAGE:,} characters")
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            continue
        if len(line) > LONGEST_LINE:
            bad += 1
            continue
        if line.startswith("#"):
            words = line.split(None, 3)
            if len(words) == 4 and words[1] == "TYPE":
                types[words[2]] = words[3]
            continue
        name = _NAME.match(line)
        sample = _sample(line, name.end()) if name else None
        if name is None or sample is None:
            bad += 1
            continue
        samples.setdefault(name[0], []).append(sample)
    if not samples:
        raise NotMetrics("the answer holds no metrics" if text.strip() else "the answer is empty")
    return Metrics({name: tuple(found) for name, found in samples.items()}, bad, types)


def _sample(line: str, at: int) -> Sample | None:
    """What follows the name of a sample: its labels, its value, and a time of which nothing is made."""
    labels: dict[str, str] = {}
    if line[at : at + 1] == "{":
        read = _labels(line, at + 1)
        if read is None:
            return None
        labels, at = read
    words = line[at:].split(None, 3)
    if not line[at : at + 1].isspace() or not 1 <= len(words) <= 2 or len(words[0]) > _LONGEST_NUMBER:
        return None
    if len(words) == 2 and not words[1].removeprefix("-").isdecimal():
        return None
    try:
        value = float(words[0]) if _NUMBER.fullmatch(words[0]) else None
    except ValueError:
        return None
    return None if value is None else Sample(labels, value)


def _labels(line: str, at: int) -> tuple[dict[str, str], int] | None:
    """The labels from behind the brace on, and where they end; None where they are none."""
    found: dict[str, str] = {}
    while line[at : at + 1] in (" ", "\t"):
        at += 1
    comma = True
    while line[at : at + 1] != "}":
        label = _LABEL.match(line, at) if comma else None
        if label is None:
            return None
        found[label[1]] = _ESCAPED.sub(lambda escape: _ESCAPES[escape[0]], label[2])
        comma, at = bool(label[3]), label.end()
    return found, at + 1
