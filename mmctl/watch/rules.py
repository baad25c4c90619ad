"""The guard's rules as state machines: readings in with their times, a verdict out. Pure: no clock, no network.

A reading is a number, or None where it could not be taken. None is never a pass and never a fault: it neither ends nor
lengthens a run of bad readings, and a hole longer than three intervals ends what was counted before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

#: A hole in the readings of so many intervals ends a run: nobody knows what was in it.
HOLE_INTERVALS = 3


class Verdict(Enum):
    """What a rule says after a reading."""

    UNKNOWN = "no data"  # nothing was read, or nothing for too long
    PASSING = "passing"
    SUSPECT = "suspect"  # bad readings, not yet enough of them
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rule:
    """When a measure is bad and how long it must be: ``consecutive`` readings in a row, or for ``for_s`` seconds.

    Bad is a reading above ``above``, below ``below`` or equal to ``equal``, in the measure's own unit.
    """

    name: str
    measure: str
    above: float | None = None
    below: float | None = None
    equal: float | None = None
    consecutive: int = 0
    for_s: float = 0.0
    #: Share of the readings of a windowed rule that must be bad; one good one alone does not end a run.
    share: float = 0.95

    def bad(self, value: float) -> bool:
        """Whether a reading is over its bound. A NaN is no reading and never gets here."""
        over = self.above is not None and value > self.above
        under = self.below is not None and value < self.below
        return over or under or (self.equal is not None and value == self.equal)

    def seconds(self, interval: float) -> float:
        """How long a fault lasts before the rule fails, seconds, with readings every ``interval`` seconds."""
        return self.for_s or self.consecutive * interval


@dataclass(frozen=True, slots=True)
class Track:
    """What a rule has seen. Times are seconds of one monotonic clock; None = never."""

    rule: Rule
    verdict: Verdict = Verdict.UNKNOWN
    known_at: float | None = None  # of the last reading that was one
    value: float | None = None
    since: float | None = None  # of the first bad reading of this run
    bad: int = 0
    good: int = 0  # good readings within the run
    last_good: bool = False

    def read(self, at: float, value: float | None, interval: float) -> "Track":
        """After one reading at ``at``. A time that is not later than the last reading's changes nothing."""
        hole = HOLE_INTERVALS * interval
        if self.known_at is not None and at <= self.known_at:
            return self
        if value is None or value != value:  # NaN
            if self.known_at is None or at - self.known_at > hole:
                return replace(_ended(self), verdict=Verdict.UNKNOWN, value=None)
            return self
        if self.since is None and not self.rule.bad(value):
            return Track(self.rule, Verdict.PASSING, at, value)
        track = self
        if self.known_at is not None and at - self.known_at > hole:
            track = _ended(self)
        track = replace(track, known_at=at, value=value)
        return _counted(track, at, interval) if self.rule.bad(value) else _passed(track, interval)


def _ended(track: Track) -> Track:
    return replace(track, since=None, bad=0, good=0, last_good=False)


def _counted(track: Track, at: float, interval: float) -> Track:
    since = at if track.since is None else track.since
    track = replace(track, since=since, bad=track.bad + 1, last_good=False)
    rule = track.rule
    # A reading stands for the interval until the next: 60 of them are five minutes at 5 s, as three are 15 s.
    enough = at - since + interval >= rule.for_s if rule.for_s else track.bad >= rule.consecutive
    return replace(track, verdict=Verdict.FAILED if enough else Verdict.SUSPECT)


def _passed(track: Track, interval: float) -> Track:
    """A good reading: the end of a run, but for one alone among the many of a windowed rule."""
    if track.since is None or not track.rule.for_s:
        return replace(_ended(track), verdict=Verdict.PASSING)
    allowed = int(track.rule.for_s / interval * (1 - track.rule.share))
    if track.last_good or track.good >= allowed:
        return replace(_ended(track), verdict=Verdict.PASSING)
    return replace(track, good=track.good + 1, last_good=True, verdict=Verdict.SUSPECT)


@dataclass(frozen=True, slots=True)
class Sample:
    """Readings of one engine, by measure, taken at ``at`` (seconds of one monotonic clock)."""

    at: float
    values: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gates:
    """Every rule over one engine, and what each has seen."""

    interval: float
    tracks: tuple[Track, ...]

    @classmethod
    def of(cls, rules: tuple[Rule, ...], interval: float) -> "Gates":
        """Nothing seen yet. ``interval`` in seconds."""
        return cls(interval, tuple(Track(rule) for rule in rules))

    def read(self, sample: Sample) -> "Gates":
        """After one more sample; a measure that is not in it could not be read."""
        values = sample.values
        read = tuple(t.read(sample.at, values.get(t.rule.measure), self.interval) for t in self.tracks)
        return replace(self, tracks=read)

    def fresh(self) -> "Gates":
        """Begun anew: another release, another process, or an act of somebody's in between."""
        return Gates.of(tuple(track.rule for track in self.tracks), self.interval)

    @property
    def failed(self) -> tuple[Track, ...]:
        """Rules that have failed, in the file's order."""
        return tuple(track for track in self.tracks if track.verdict is Verdict.FAILED)

    @property
    def unproved(self) -> tuple[Track, ...]:
        """Rules that cannot be said to pass: without data, or with bad readings under way."""
        return tuple(track for track in self.tracks if track.verdict is not Verdict.PASSING)
