"""What went wrong, and how near the limits came: trips with their causes, events by kind, limits and their use."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from mmctl.report.answers import Answers, Row, decimal
from mmctl.report.document import NOTHING, Cell, Chart, Figure, Listing, Shape, Tone, Unit, Words, unknown
from mmctl.report.money import reason
from mmctl.report.period import NS, Day
from mmctl.report.running import Now, evidence_of

SOURCE: Final = "journal: risk_events"
EVENTS_SHOWN: Final = 40
#: States of the breaker in the order of how bad they are; a trip goes up to OPEN or beyond.
ORDER: Final = ("CLOSED", "HALF_OPEN", "OPEN", "HALTED")
#: Kinds of events that every engine has when all is well.
ORDINARY: Final = frozenset({"stop", "proof", "resume", "reload", "flatten"})
NEAR: Final = Decimal("0.75")
SEVERITY: Final = {
    "info": Words("info", "提示"),
    "warning": Words("warning", "警告"),
    "critical": Words("critical", "严重"),
}


@dataclass(frozen=True, slots=True)
class Tripped:
    """One trip of the breaker: it opened or halted."""

    ns: int
    cause: str
    message: str
    halted: bool


def trips(rows: Sequence[Row]) -> list[Tripped]:
    """Events of kind ``breaker`` that made it worse, up to OPEN or HALTED."""
    found = []
    for row in rows:
        if row.get("kind", "breaker") != "breaker":
            continue
        evidence = evidence_of(row)
        before, after = str(evidence.get("before", "")), str(evidence.get("after", ""))
        if after in ORDER[2:] and (before not in ORDER or ORDER.index(after) > ORDER.index(before)):
            cause = str(evidence.get("cause") or "unknown")
            found.append(Tripped(int(row["ns"]), cause, str(row["message"]), after == ORDER[3]))
    return found


def figures(answers: Answers, found: Sequence[Tripped]) -> list[Figure]:
    """Trips and how many halted, events by severity, differences found by reconciliation."""
    keys = ("trips", "halts", "critical_events", "warnings", "reconciliation", "inconsistencies")
    told = answers["events"]
    if not told.known:
        return [unknown(key, Unit.COUNT, reason(told), SOURCE) for key in keys]
    by = Counter(str(row["severity"]) for row in told.rows)
    differed = [row for row in told.rows if str(row["kind"]).startswith("reconcile:")]
    unmended = sum(1 for row in differed if row["severity"] == "critical")
    causes = Counter(one.cause for one in found)
    text = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
    at_least = Words("at least: the list was cut", "至少：列表已截断") if told.cut else NOTHING
    values = (len(found), sum(one.halted for one in found), by["critical"], by["warning"], len(differed), unmended)
    made = []
    for key, value in zip(keys, values, strict=True):
        note = Words(text, text) if key == "trips" and text else at_least
        bad = (
            Tone.BAD
            if value and key in ("halts", "critical_events", "inconsistencies")
            else Tone.WARN
            if value
            else Tone.PLAIN
        )
        made.append(Figure(key, value, Unit.COUNT, note=note, source=SOURCE, tone=bad))
    return made


def event_listing(answers: Answers, day: Day) -> Listing:
    """Events that are not ordinary, worst first, then in the order of time; the same words in a row once."""
    told = answers["events"]
    columns = ("time", "severity", "kind", "message", "times")
    empty = Words("nothing abnormal was told", "无异常事件")
    if not told.known:
        return Listing("abnormal_events", columns, (), empty, why=reason(told))
    groups: list[tuple[Row, int]] = []
    for row in told.rows:
        if row["kind"] in ORDINARY and row["severity"] == "info":
            continue
        if groups and all(groups[-1][0][name] == row[name] for name in ("kind", "severity", "message")):
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((row, 1))
    rank = {"critical": 0, "warning": 1}
    groups.sort(key=lambda group: (rank.get(str(group[0]["severity"]), 2), int(group[0]["ns"])))
    tones = {"critical": Tone.BAD, "warning": Tone.WARN}
    rows = tuple(
        (
            Cell(day.clock(int(row["ns"]))),
            Cell(SEVERITY.get(str(row["severity"]), str(row["severity"])), tone=tones.get(row["severity"], Tone.PLAIN)),
            Cell(str(row["kind"])),
            Cell(str(row["message"])),
            Cell(times, Unit.COUNT),
        )
        for row, times in groups[:EVENTS_SHOWN]
    )
    return Listing("abnormal_events", columns, rows, empty, more=max(0, len(groups) - EVENTS_SHOWN))


def by_hour(answers: Answers, day: Day) -> Chart:
    """Warnings and critical events in each hour of the day."""
    told = answers["events"]
    if not told.known:
        return Chart("events_by_hour", Shape.BARS, (), (), Unit.COUNT, why=reason(told))
    hours = max(1, round(day.seconds / 3600))
    counts = [0.0] * hours
    for row in told.rows:
        if row["severity"] in ("warning", "critical"):
            at = min(hours - 1, (int(row["ns"]) - day.begin_ns) // (3600 * NS))
            counts[at] += 1.0
    if not any(counts):
        why = Words("neither a warning nor a critical event", "没有警告或严重事件")
        return Chart("events_by_hour", Shape.BARS, (), (), Unit.COUNT, why=why)
    names = [day.clock(day.begin_ns + hour * 3600 * NS)[:2] for hour in range(hours)]
    return Chart("events_by_hour", Shape.COUNTS, names, counts, Unit.COUNT)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits out of the target's configuration, as this machine holds it; None where it sets none."""

    daily_loss: Decimal | None = None
    drawdown: Decimal | None = None
    position: Decimal | None = None
    inventory: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """The most of a limit that the day used, in the limit's unit."""

    name: Words
    used: Decimal | None
    limit: Decimal
    unit: Unit
    source: str

    @property
    def ratio(self) -> Decimal | None:
        """The share used / limit; None where the use is not known or the limit is zero."""
        return None if self.used is None or not self.limit else self.used / self.limit


def uses(answers: Answers, limits: Limits, held: Mapping[str, Decimal | None], now: Now) -> list[Use]:
    """The most used of each limit within the day, then what the engine says of all of its limits now.

    ``held``: the largest position of the day by symbol, base currency, without a sign.
    """
    found = []
    if limits.daily_loss is not None:
        row = answers["worst_total"].one
        used = max(Decimal(0), -decimal(row["day_total"])) if row else None
        name = Words("daily loss (UTC day), worst of the day", "日内亏损（UTC 日）当日最差")
        found.append(Use(name, used, limits.daily_loss, Unit.QUOTE, "journal: pnl.day_total"))
    if limits.drawdown is not None:
        row = answers["limit_drawdown"].one
        used = None
        if row is not None:
            peak, equity = decimal(row["peak_equity"]), decimal(row["equity"])
            used = max(Decimal(0), (peak - equity) / peak)
        name = Words("drawdown from the engine's peak, worst of the day", "相对引擎峰值的回撤，当日最差")
        found.append(Use(name, used, limits.drawdown, Unit.RATIO, "journal: pnl.peak_equity"))
    for symbol, most in held.items():
        limit = limits.position if limits.position is not None else limits.inventory
        if limit is not None:
            name = Words(f"position {symbol}, largest of the day", f"{symbol} 持仓，当日最大")
            found.append(Use(name, most, limit, Unit.BASE, "journal: trades"))
    for row in now.limits:
        try:
            used, limit = decimal(row["use"]), decimal(row["limit"])
        except (KeyError, ValueError):
            continue
        text = str(row.get("name", "?"))
        unit = Unit.RATIO if text == "drawdown" else Unit.NUMBER
        found.append(Use(Words(f"{text}, now", f"{text}，当前"), used, limit, unit, "engine: /api/risk/status"))
    return found


def limit_listing(found: Sequence[Use]) -> Listing:
    """A row a limit: used, limit, share."""
    rows = []
    for one in found:
        ratio = one.ratio
        tone = Tone.PLAIN
        if ratio is not None:
            tone = Tone.BAD if ratio > 1 else Tone.WARN if ratio >= NEAR else Tone.GOOD
        rows.append(
            (
                Cell(one.name),
                Cell(one.used, one.unit),
                Cell(one.limit, one.unit),
                Cell(ratio, Unit.RATIO, tone),
                Cell(one.source),
            )
        )
    empty = Words("no limit is known: the configuration cannot be read here", "未知限额：本机无法读取配置")
    return Listing("limit_use", ("limit", "used", "allowed", "share", "source"), tuple(rows), empty)


def change_listing(answers: Answers, day: Day) -> Listing:
    """Changes of the configuration: when, who, which keys."""
    from mmctl.report.answers import document_of

    told = answers["changes"]
    columns = ("time", "actor", "keys", "reason")
    empty = Words("the configuration was not changed", "配置未变更")
    if not told.known:
        return Listing("config_changes", columns, (), empty, why=reason(told))
    rows = []
    for row in told.rows:
        changes: Any = document_of(row["changes"])
        keys = [str(c.get("path")) for c in changes if isinstance(c, Mapping)] if isinstance(changes, list) else []
        cells = (day.clock(int(row["ns"])), str(row["actor"]), ", ".join(keys), str(row["reason"]))
        rows.append(tuple(Cell(cell) for cell in cells))
    return Listing("config_changes", columns, tuple(rows), empty)
