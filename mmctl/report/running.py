"""How the engine ran: observed time, gaps, starts and how each run before ended; latency and resources as it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from mmctl.report.answers import Answers, document_of
from mmctl.report.document import Cell, Figure, Listing, Tone, Unit, Words, unknown
from mmctl.report.money import reason
from mmctl.report.period import NS, Day
from mmctl.report.questions import GAP_NS
from mmctl.report.quotes import Span, total

LIVE_SOURCE: Final = "engine: /metrics"
GAPS_SHOWN: Final = 10
STAGES: Final = ("decision", "submit", "ack", "network")


@dataclass(frozen=True, slots=True)
class Start:
    """One leadership of an engine that began within the day; ``clean``: the one before had said that it stops."""

    epoch: int
    at_ns: int
    clean: bool | None  # None: the journal knows of none before


@dataclass(frozen=True, slots=True)
class Stage:
    """Latencies of one stage, seconds; ``count`` of them."""

    mean: float
    count: int
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """What the engine says of itself at the time of the report; ``why`` where it was not asked or did not answer."""

    why: Words | None = None
    started_ns: int = 0
    stages: Mapping[str, Stage] = field(default_factory=dict)
    cpu_seconds: float | None = None
    memory_bytes: float | None = None
    limits: Sequence[Mapping[str, Any]] = ()
    release: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """Lines of the engine's log by level within the day; ``since_ns``: where the lines that were read begin."""

    why: Words | None = None
    errors: tuple[tuple[int, str], ...] = ()  # when (ns) and what, errors and worse
    warnings: int = 0
    since_ns: int = 0


def most_in_an_hour(times: Sequence[int]) -> int:
    """The most of ``times`` (ns, ascending) within any sixty minutes."""
    most, begin = 0, 0
    for end, ns in enumerate(times):
        while ns - times[begin] > 3600 * NS:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def starts(answers: Answers, day: Day) -> list[Start] | None:
    """Leaderships that began in the day, oldest first: from orders and events, both numbered by epoch."""
    if not (answers["orders"].known and answers["events"].known and answers["stops"].known):
        return None
    first: dict[int, int] = {}

    def seen(epoch: int, ns: int) -> None:
        first[epoch] = min(ns, first.get(epoch, ns))

    for row in answers["orders"].rows:
        seen(int(row["epoch"]), int(row["created_ns"]))
    for row in answers["events"].rows:
        epoch = epoch_of(str(row["event_id"]))
        if epoch is not None:
            seen(epoch, int(row["ns"]))
    before = answers["epoch_before"].one
    known = int(before["epoch"]) if before else None
    stopped = {epoch_of(str(row["event_id"])) for row in answers["stops"].rows}
    found = []
    previous = known
    for epoch in sorted(first):
        if known is not None and epoch <= known:
            continue
        if day.begin_ns <= first[epoch] < day.end_ns:
            found.append(Start(epoch, first[epoch], None if previous is None else previous in stopped))
        previous = epoch
    return found


def epoch_of(event_id: str) -> int | None:
    """The epoch in an event's id ``<epoch>-<number>``; None where it has none."""
    head = event_id.partition("-")[0]
    return int(head) if head.isdecimal() else None


def figures(
    spans: Sequence[Span] | None, begun: Sequence[Start] | None, answers: Answers, until_ns: int
) -> list[Figure]:
    """Stability: share of the time observed, gaps, starts, ends without a word. ``until_ns``: the day's end, or now."""
    source = "journal: pnl"
    why = reason(answers["first"], answers["last"], answers["gaps"])
    day_begin = answers_begin(answers)
    made = []
    if spans is None:
        made += [unknown("stability", Unit.RATIO, why, source), unknown("gaps", Unit.COUNT, why, source)]
    elif not spans:
        none = Words(
            "no sample: the engine did not run, or its journal lost the day", "没有样本：引擎未运行，或日志丢失"
        )
        made += [unknown("stability", Unit.RATIO, none, source), unknown("gaps", Unit.COUNT, none, source)]
    else:
        whole = until_ns - day_begin
        ratio = min(Decimal(1), Decimal(total(spans)) / whole) if whole > 0 else Decimal(1)
        made.append(Figure("stability", ratio, Unit.RATIO, source=source))
        made.append(Figure("observed", Decimal(total(spans)) / NS, Unit.SECONDS, source=source))
        lost = gaps(spans, day_begin, until_ns)
        longest = max((end - begin for begin, end in lost), default=0)
        note = Words(f"longest {longest / NS:.0f} s", f"最长 {longest / NS:.0f} 秒") if lost else Words("", "")
        made.append(Figure("gaps", len(lost), Unit.COUNT, note=note, source=source))
    source = "journal: orders, risk_events"
    if begun is None:
        why = reason(answers["orders"], answers["events"], answers["stops"])
        return [*made, unknown("starts", Unit.COUNT, why, source), unknown("crashes", Unit.COUNT, why, source)]
    crashed = sum(1 for one in begun if one.clean is False)
    made.append(Figure("starts", len(begun), Unit.COUNT, source=source))
    made.append(Figure("crashes", crashed, Unit.COUNT, source=source, tone=Tone.BAD if crashed else Tone.PLAIN))
    return made


def answers_begin(answers: Answers) -> int:
    """Where the time that counts begins: the day, or the journal's first sample where it is younger."""
    begin = answers["begin"].one
    oldest = answers["oldest"].one
    at = int(begin["ns"]) if begin else 0
    return max(at, int(oldest["ns"])) if oldest else at


def gaps(spans: Sequence[Span], begin_ns: int, until_ns: int) -> list[Span]:
    """Stretches without samples longer than GAP_NS, before, between and after ``spans``."""
    edges = [begin_ns, *(ns for span in spans for ns in span), until_ns]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > GAP_NS]


def gap_listing(spans: Sequence[Span] | None, begun: Sequence[Start] | None, day: Day, begin: int, end: int) -> Listing:
    """Gaps and starts in the order of time."""
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    for a, b in gaps(spans, begin, end) if spans else []:
        text = Words("no samples", "无样本")
        rows.append((a, (Cell(day.clock(a)), Cell(text, tone=Tone.WARN), Cell(Decimal(b - a) / NS, Unit.SECONDS))))
    for one in begun or []:
        text = Words(f"start of epoch {one.epoch}", f"启动，任期 {one.epoch}")
        tone = Tone.PLAIN
        if one.clean is False:
            text = Words(f"{text.en}; the one before ended without a word", f"{text.zh}；前一任期未正常停止")
            tone = Tone.BAD
        rows.append((one.at_ns, (Cell(day.clock(one.at_ns)), Cell(text, tone=tone), Cell(None, Unit.SECONDS))))
    rows.sort(key=lambda row: row[0])
    shown = tuple(cells for _, cells in rows[:GAPS_SHOWN])
    empty = Words("no gap and no start", "无中断，无重启")
    return Listing("gaps_and_starts", ("time", "what", "length"), shown, empty, more=max(0, len(rows) - GAPS_SHOWN))


def latency_figures(kept: Mapping[str, Stage], now: Now, day: Day) -> list[Figure]:
    """Mean and percentiles of the exchange's answer and of the decision: of the day where the journal keeps them.

    Journals of older releases do not; then the engine's own count since its start stands in, and is named so.
    """
    made: list[Figure] = []
    for stage in ("ack", "decision"):
        for name in ("mean", "p95", "p99"):
            key = f"latency_{stage}_{name}"
            found = kept.get(stage)
            if found is not None and found.count:
                note = Words(f"of {found.count:,}", f"共 {found.count:,} 次")
                value = Decimal(f"{getattr(found, name):.9f}")
                made.append(Figure(key, value, Unit.SECONDS, note=note, source="journal: latencies"))
                continue
            found = now.stages.get(stage)
            if now.why is not None:
                made.append(unknown(key, Unit.SECONDS, now.why, LIVE_SOURCE))
            elif found is None or not found.count:
                made.append(unknown(key, Unit.SECONDS, Words("none measured yet", "尚无测量"), LIVE_SOURCE))
            else:
                value = getattr(found, name)
                since = day.clock(now.started_ns) if now.started_ns else "?"
                note = Words(f"{found.count:,} since the start, {since}", f"自启动（{since}）以来 {found.count:,} 次")
                over = Words("above the highest bound that is counted", "超过直方图最高边界")
                made.append(
                    unknown(key, Unit.SECONDS, over, LIVE_SOURCE)
                    if value is None
                    else Figure(key, Decimal(f"{value:.9f}"), Unit.SECONDS, note=note, source=LIVE_SOURCE)
                )
    return made


def resource_figures(now: Now, made_ns: int) -> list[Figure]:
    """Memory now, and CPU since the start as a share of one core."""
    keys = (("memory", Unit.BYTES), ("cpu", Unit.RATIO))
    if now.why is not None:
        return [unknown(key, unit, now.why, LIVE_SOURCE) for key, unit in keys]
    made = []
    silent = Words("the engine does not tell", "引擎未提供")
    if now.memory_bytes is None:
        made.append(unknown("memory", Unit.BYTES, silent, LIVE_SOURCE))
    else:
        made.append(Figure("memory", int(now.memory_bytes), Unit.BYTES, note=Words("now", "当前"), source=LIVE_SOURCE))
    seconds = (made_ns - now.started_ns) / NS
    if now.cpu_seconds is None or not now.started_ns or seconds <= 0:
        made.append(unknown("cpu", Unit.RATIO, silent, LIVE_SOURCE))
    else:
        share = Decimal(f"{now.cpu_seconds / seconds:.6f}")
        note = Words("of one core, since the start", "单核占用，自启动以来")
        made.append(Figure("cpu", share, Unit.RATIO, note=note, source=LIVE_SOURCE))
    return made


def evidence_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's evidence as an object."""
    found = document_of(row.get("evidence"))
    return found if isinstance(found, Mapping) else {}
