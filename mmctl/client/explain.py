"""One fill from the frame that caused its quote to the markout: put together from the rows of a journal. Pure.

Nothing is made up: a time that no row holds is missing, with the reason why it can be missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Row = Mapping[str, Any]

OURS: Final = "ours"  # this host's clock
VENUE: Final = "exchange"  # the exchange's clock, in milliseconds
NOT_BY_VERSION: Final = "not recorded by that version"
ENDED_FIRST: Final = "not recorded: the engine ended before it was written down"
NOT_KNOWN: Final = "not known"
HORIZONS: Final = ("0.1", "1", "5", "30", "60")  # seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. ``took_ns``: since the last known step, None where there is none; ``two_clocks``: it spans both.

    ``counts``: part of what we and the exchange need, not of waiting in the book for a taker.
    """

    name: str
    at_ns: int | None
    clock: str = OURS
    note: str = ""
    missing: str = ""
    took_ns: int | None = None
    two_clocks: bool = False
    counts: bool = True
    longest: bool = False


@dataclass(frozen=True, slots=True)
class Markout:
    """How far the price had moved in our favour ``horizon_s`` after the fill, bps of its price; None with a reason."""

    horizon_s: float
    at_ns: int
    bps: float | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A fill, its order, what the decision saw, and the steps in order."""

    trade: dict[str, Any]
    order: dict[str, Any]
    cause: str | None
    inputs: dict[str, Any]
    stages: tuple[Stage, ...]
    markouts: tuple[Markout, ...]
    gaps: tuple[str, ...] = field(default_factory=tuple)

    @property
    def reaction_ns(self) -> int | None:
        """From the frame to the order's bytes; None where one of them is missing."""
        at = {stage.name: stage.at_ns for stage in self.stages}
        begin, end = at.get(RECEIVED), at.get(WRITTEN)
        return end - begin if begin is not None and end is not None else None


EVENT: Final = "the exchange made the frame"
RECEIVED: Final = "frame received"
TAKEN: Final = "frame handed to the kernel"
DECIDED: Final = "read, booked, decided, checked"
WRITTEN: Final = "order's bytes written"
VENUE_TOOK: Final = "the exchange had the order"
ACKED: Final = "acknowledged"
OPENED: Final = "order known to be open"
CANCEL: Final = "cancel written"
TRADED: Final = "traded at the exchange"
FILL_RECEIVED: Final = "fill received"
BOOKED: Final = "booked in the ledger"
DURABLE: Final = "safe in the journal"


def explained(
    trade: Row, order: Row | None, trace: Row | None, after: Row | None, why_missing: tuple[str, str], now_ns: int
) -> Explanation:
    """``order``, ``trace`` and ``after``: the rows of ``orders``, ``order_traces`` and ``fill_traces``, None without.

    ``why_missing``: why the one and the other trace is not there. ``now_ns``: to know which markouts are not due yet.
    """
    no_trace, no_after = why_missing
    stages = [*_before(trace, no_trace), *_traded(trade, after, no_after)]
    timed = _timed([stage for stage in stages if stage is not None])
    markouts = _markouts(trade, after, no_after, now_ns)
    gaps = [f"{stage.name}: {stage.missing}" for stage in timed if stage.missing]
    for reason in dict.fromkeys(m.missing for m in markouts if m.missing):
        late = ", ".join(f"{m.horizon_s:g}" for m in markouts if m.missing == reason)
        gaps.append(f"markouts after {late} s: {reason}")
    if order is None:
        gaps.append("order: not in the journal")
    inputs = _object(trace.get("inputs")) if trace is not None else {}
    cause = str(trace.get("cause")) if trace is not None else None
    return Explanation(dict(trade), dict(order or {}), cause, inputs, timed, markouts, tuple(gaps))


def _before(trace: Row | None, missing: str) -> list[Stage]:
    """Up to the open order."""
    names = (TAKEN, DECIDED, WRITTEN, ACKED, OPENED)
    if trace is None:
        frame = [Stage(EVENT, None, VENUE, missing=missing), Stage(RECEIVED, None, missing=missing)]
        return frame + [Stage(name, None, missing=missing) for name in names]
    stages: list[Stage] = []
    cause = trace.get("cause")
    if cause == "frame":
        stages.append(_at(EVENT, trace, "event_ms", VENUE, missing="the frame tells no time"))
        stages.append(_at(RECEIVED, trace, "received_ns"))
    if cause == "command":
        stages.append(_at(WRITTEN, trace, "written_ns", note="by command: no quote decision"))
    else:
        begun = "looked at the quotes: tick_interval was over" if cause == "timer" else ""
        stages.append(_at(TAKEN if cause == "frame" else "the timer came round", trace, "taken_ns", note=begun))
        stages.append(_at(DECIDED, trace, "decided_ns", note="one call of the kernel, risk checks in it"))
        stages.append(_at(WRITTEN, trace, "written_ns"))
    if _ns(trace, "venue_ms"):
        stages.append(_at(VENUE_TOOK, trace, "venue_ms", VENUE))
    answers = [
        _at(ACKED, trace, "acked_ns", missing="no answer was taken before the journal was written"),
        _at(OPENED, trace, "opened_ns", missing="not known to be open before it traded"),
    ]
    if 0 < _ns(trace, "opened_ns") < _ns(trace, "acked_ns"):  # the account's stream was before the answer
        answers.reverse()
    stages += answers
    if _ns(trace, "cancel_ns"):
        stages.append(_at(CANCEL, trace, "cancel_ns", note="it traded while a cancel was under way", counts=False))
    return stages


def _traded(trade: Row, after: Row | None, missing: str) -> list[Stage]:
    """From the trade until it is safe."""
    found = [_at(TRADED, trade, "exchange_ms", VENUE, note="the order rested until then", counts=False)]
    if after is None:
        found.append(Stage(FILL_RECEIVED, None, missing=missing))
        found.append(_at(BOOKED, trade, "booked_ns"))
        found.append(Stage(DURABLE, None, missing=missing))
        return found
    found.append(_at(FILL_RECEIVED, after, "received_ns"))
    found.append(_at(BOOKED, trade, "booked_ns"))
    found.append(_at(DURABLE, after, "durable_ns"))
    return found


def _at(
    name: str, row: Row, column: str, clock: str = OURS, *, note: str = "", missing: str = NOT_KNOWN,
    counts: bool = True,
) -> Stage:  # fmt: skip
    value = _ns(row, column)
    at = value * 1_000_000 if clock == VENUE else value
    return Stage(name, at or None, clock, note, "" if at else missing, counts=counts)


def _timed(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Each step with the time since the known one before it, the longest that counts marked.

    The exchange's times are whole milliseconds of another clock: a step that spans both is told as such, and is only
    taken for the longest where no step on one clock is longer than a millisecond.
    """
    rows: list[Stage] = []
    last: Stage | None = None
    for stage in stages:
        if stage.at_ns is None:
            rows.append(stage)
            continue
        took = stage.at_ns - last.at_ns if last is not None and last.at_ns is not None else None
        spans = last is not None and last.clock != stage.clock
        made = Stage(stage.name, stage.at_ns, stage.clock, stage.note, "", took, spans, stage.counts)
        rows.append(made)
        last = made
    longest = max((row for row in rows if row.counts and (row.took_ns or 0) > 0), key=_weight, default=None)
    return tuple(_marked(row) if row is longest else row for row in rows)


def _weight(stage: Stage) -> int:
    took = stage.took_ns or 0
    return took if not stage.two_clocks else max(took - 1_000_000, 0)


def _marked(stage: Stage) -> Stage:
    return Stage(
        stage.name, stage.at_ns, stage.clock, stage.note, stage.missing, stage.took_ns, stage.two_clocks,
        stage.counts, longest=True,
    )  # fmt: skip


def _markouts(trade: Row, after: Row | None, missing: str, now_ns: int) -> tuple[Markout, ...]:
    known = _object(after.get("markouts")) if after is not None else {}
    received = _ns(after, "received_ns") if after is not None else _ns(trade, "booked_ns")
    rows = []
    for name in HORIZONS:
        due = received + round(float(name) * 1e9)
        bps = known.get(name)
        if isinstance(bps, int | float) and not isinstance(bps, bool):
            rows.append(Markout(float(name), due, float(bps)))
        elif after is None:
            rows.append(Markout(float(name), due, None, missing))
        elif due + 2_000_000_000 > now_ns:
            rows.append(Markout(float(name), due, None, "not due yet"))
        else:
            rows.append(Markout(float(name), due, None, "not known: the engine ended, or no tick came"))
    return tuple(rows)


def _ns(row: Row, column: str) -> int:
    value = row.get(column)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _object(value: Any) -> dict[str, Any]:
    """A JSON column: SQLite gives its text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def as_json(found: Explanation) -> dict[str, Any]:
    """The explanation as plain JSON: times in ns as text, so that no digit is lost, and in ISO 8601."""
    from mmctl.formats import iso_utc

    return {
        "trade": {key: str(value) if key.endswith("_ns") else value for key, value in found.trade.items()},
        "order": {key: str(value) if key.endswith("_ns") else value for key, value in found.order.items()},
        "cause": found.cause,
        "inputs": found.inputs,
        "reaction_ns": found.reaction_ns,
        "stages": [
            {
                "name": stage.name,
                "time": iso_utc(stage.at_ns) if stage.at_ns else None,
                "ns_text": str(stage.at_ns) if stage.at_ns else None,
                "clock": stage.clock,
                "took_ns": stage.took_ns,
                "two_clocks": stage.two_clocks,
                "longest": stage.longest,
                "note": stage.note,
                "missing": stage.missing,
            }
            for stage in found.stages
        ],
        "markouts": [
            {"horizon_s": m.horizon_s, "time": iso_utc(m.at_ns), "bps": m.bps, "missing": m.missing}
            for m in found.markouts
        ],
        "gaps": list(found.gaps),
    }
