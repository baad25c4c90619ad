"""Reads what a report is made of: a journal, all of it as of one moment, the engine that runs, its log, the notes."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mmctl.cli.logs import FILTERED_LINES, source
from mmctl.cli.reach import Engine
from mmctl.client.engine import pick, section
from mmctl.client.metrics import Metrics
from mmctl.client.site import settings
from mmctl.fleet.errors import DeadlineExceeded, OperatorError
from mmctl.ledger.signature import state_folder
from mmctl.remote import reading as remote
from mmctl.report import money, notes, questions
from mmctl.report.answers import Answer, Answers, document_of, read_answers
from mmctl.report.daily import Reading
from mmctl.report.document import Subject, Words
from mmctl.report.period import NS, Day, day_of
from mmctl.report.risk import Limits
from mmctl.report.running import STAGES, Logged, Now, Stage
from mmctl.report.span import SpanReading
from mmctl.watch.logline import LEVELS, TRACEBACK, Reader

#: What reading a journal may take, seconds, where no deadline is given: a day of a busy engine takes some.
JOURNAL_SECONDS: Final = 120.0
LOG_SECONDS: Final = 20.0
#: Days of a span that are asked for in one reading.
DAYS_AT_ONCE: Final = 31
#: The host ends its own reading so much before we stop waiting for it, seconds.
EARLIER: Final = 3.0
LONGEST_LINE: Final = 200  # characters of a log line that a report shows
PAST: Final = Words(
    "only the present is told by the engine; a past day is in Prometheus", "引擎只提供当前值；历史请查 Prometheus"
)


#: Seconds left of the run's deadline, at most so many. Raises DeadlineExceeded when none is.
Remaining = Callable[[float], float]


class JournalUnread(OperatorError):
    """The journal could not be read at all."""


def ask(engine: Engine, asked: questions.Questions, seconds: float) -> Answers:
    """Every answer, as of one moment. Raises JournalUnread where there is no journal or nothing was answered."""
    limits = questions.limits_of(asked)
    path = engine.site.journal
    script = remote.server_script(engine.site.layout) if path is None else remote.sqlite_script()
    question = remote.questions(path or "", asked, limits, max(1.0, seconds - EARLIER))
    said = engine.transport.run(script, seconds, question).checked(
        f"{engine.name}: cannot read the journal", "Is the engine deployed there? See mmctl status."
    )
    try:
        answers = read_answers(remote.answers(said.out))
    except (ValueError, KeyError, TypeError) as error:
        raise JournalUnread(f"{engine.name}: the journal cannot be read: {error}", "See mmctl status.") from None
    silent = [answer.why for answer in answers.by_name.values()]
    if silent and all(silent):
        raise JournalUnread(f"{engine.name}: the journal answered nothing: {silent[0]}", "See mmctl query TARGET SQL.")
    return answers


def account_of(engine: Engine, seconds: float) -> str:
    """The account of the target in its journal. Raises JournalUnread where that is not one."""
    answer = ask(engine, {"accounts": questions.ACCOUNTS}, seconds)["accounts"]
    held = [str(row["account"]) for row in answer.rows]
    wanted = [name for name in engine.site.accounts if name in held]
    if wanted:
        return wanted[0]
    if len(held) == 1:
        return held[0]
    if not held:
        return engine.site.accounts[0] if engine.site.accounts else ""
    known = ", ".join(held)
    raise JournalUnread(
        f"{engine.name}: none of the journal's accounts ({known}) is the target's", "Set account in the fleet file."
    )


def subject(engine: Engine, account: str, days: Sequence[Day], answers: Answers, made_ns: int) -> Subject:
    """Whose report it is, and over what."""
    schema = answers["schema"].one
    return Subject(
        target=engine.target.name,
        host=engine.name,
        account=account,
        environment=engine.target.environment,
        currency=money.currency_of(answers),
        zone=days[0].zone,
        first=days[0].name,
        last=days[-1].name,
        begin_ns=days[0].begin_ns,
        end_ns=days[-1].end_ns,
        made_ns=made_ns,
        made_by=f"mmctl {version('mmctl')}",
        schema=str(schema["value"]) if schema else "",
        unfinished=days[-1].end_ns > made_ns,
    )


def read_day(engine: Engine, day: Day, folder: Path, remaining: Remaining) -> Reading:
    """Everything the daily review is made of. Raises JournalUnread, DeadlineExceeded, or as the transport does."""
    account = account_of(engine, remaining(30.0))
    past = [day_of(day.date - timedelta(days=back), day.zone) for back in range(money.SHARPE_WINDOW - 1, 0, -1)]
    moments = [past[0].begin_ns, *(one.end_ns for one in [*past, day])]
    asked = {
        **questions.journal_of(account),
        **questions.money(account, day),
        **questions.trading(account, day),
        **questions.told(account, day),
        **questions.closes(account, moments),
    }
    answers = ask(engine, asked, remaining(JOURNAL_SECONDS))
    answers = Answers({**answers.by_name, "begin": Answer(({"ns": day.begin_ns},))})
    made_ns = time.time_ns()
    running_now = day.begin_ns <= made_ns < day.end_ns
    return Reading(
        subject=subject(engine, account, [day], answers, made_ns),
        day=day,
        answers=answers,
        past=past,
        limits=limits_of(engine),
        latencies=kept_latencies(answers),
        now=now_of(engine) if running_now else Now(why=PAST),
        logged=logged(engine, day, remaining),
        notes=notes.standing(notes.load(notes.path_of(folder, engine.target.name)), day.begin_ns, day.end_ns),
    )


def reports_folder() -> Path:
    """Where reports and notes are kept on this machine: MMCTL_STATE, or the user's state folder."""
    return state_folder() / "reports"


def limits_of(engine: Engine) -> Limits:
    """The limits as the configuration on this machine has them."""
    risk, strategy = settings(engine.target, "risk"), settings(engine.target, "strategy")
    return Limits(
        daily_loss=_decimal(risk.get("daily_loss_limit")),
        drawdown=_decimal(risk.get("max_drawdown_limit")),
        position=_decimal(risk.get("max_position")),
        inventory=_decimal(strategy.get("max_inventory")),
    )


def _decimal(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def now_of(engine: Engine) -> Now:
    """Latencies, resources and limits as the engine tells them now; ``why`` where it does not."""
    client = engine.client()
    try:
        state, metrics = client.state(), client.metrics()
    except OperatorError as error:
        return Now(why=Words(f"the engine does not answer: {error.what}", f"引擎未应答：{error.what}"))
    limits = pick(state, "risk", "limits")
    started = section(state, "engine").get("started_ns")
    return Now(
        started_ns=started if isinstance(started, int) else 0,
        stages={stage: found for stage in STAGES if (found := _stage(metrics, stage)) is not None},
        cpu_seconds=metrics.value("mm_cpu_seconds_total"),
        memory_bytes=metrics.value("mm_memory_bytes"),
        limits=[one for one in limits if isinstance(one, Mapping)] if isinstance(limits, list) else [],
        release=str(section(state, "engine").get("release") or ""),
    )


def _stage(metrics: Metrics, stage: str) -> Stage | None:
    name = "mm_order_latency_seconds"
    total, count = metrics.value(f"{name}_sum", stage=stage), metrics.value(f"{name}_count", stage=stage)
    if total is None or not count:
        return None
    bounds = [float(le) for le in metrics.by(f"{name}_bucket", "le", stage=stage) if le != "+Inf"]
    highest = max(bounds, default=0.0)

    def quantile(share: float) -> float | None:
        found = metrics.quantile(name, share, stage=stage)
        return found if found is not None and found < highest else None

    return Stage(total / count, round(count), quantile(0.95), quantile(0.99))


def kept_latencies(answers: Answers) -> dict[str, Stage]:
    """Latencies of the day by stage, out of the journal's minutes; empty where it keeps none.

    A mean is of the ends of its buckets: at most 1/128 above the true one, as the percentiles are.
    """
    if not answers["latencies"].rows:
        return {}
    from engine.histogram import from_list, highest_in, merged

    by: dict[str, list[Any]] = {}
    for row in answers["latencies"].rows:
        try:
            part = from_list(document_of(row["buckets"]), int(row["max_ns"]))
        except (TypeError, ValueError):
            continue
        by.setdefault(str(row["stage"]), []).append(part)
    found = {}
    for stage, parts in by.items():
        counts = merged(parts)
        if counts.total:
            p95, p99 = counts.percentiles((0.95, 0.99))
            ends = [highest_in(int(index)) for index in counts.indices]
            mean = sum(end * int(count) for end, count in zip(ends, counts.counts, strict=True)) / counts.total
            found[stage] = Stage(mean / NS, counts.total, (p95 or 0) / NS, (p99 or 0) / NS)
    return found


def logged(engine: Engine, day: Day, remaining: Remaining) -> Logged:
    """Errors and warnings of the log within the day; why, where it cannot be read. A report does not fail for it."""
    reader = Reader(journal=engine.site.log is None)
    script = source(engine, FILTERED_LINES, False, day.begin_ns / NS)
    try:
        said = engine.transport.run(script, remaining(LOG_SECONDS)).checked("cannot read the log")
    except DeadlineExceeded as error:
        return Logged(why=Words(f"the log was not read in time: {error.what}", f"未能及时读取程序日志：{error.what}"))
    except OperatorError as error:
        return Logged(why=Words(error.what, error.what))
    errors: list[tuple[int, str]] = []
    warnings, since, moment = 0, 0, None
    for line in said.out.split("\n"):
        entry = reader.read(line) if line else None
        if entry is None:
            continue
        moment = entry.moment if entry.moment is not None else moment
        if moment is None:
            continue
        ns = round(moment * NS)
        since = since or ns
        if not day.begin_ns <= ns < day.end_ns or not entry.level:
            continue
        inside = entry.record is None and (entry.text[:1].isspace() or entry.text.startswith(TRACEBACK))
        if LEVELS.index(entry.level) >= LEVELS.index("error") and not inside:
            first = entry.text.splitlines()[0] if entry.text else ""
            message = entry.record.get("message") if entry.record else None
            errors.append((ns, str(message or first)[:LONGEST_LINE]))
        warnings += entry.level == "warning"
    if since >= day.end_ns or not since:
        return Logged(why=Words("the log that is there holds no line of the day", "现有程序日志不含当日内容"))
    return Logged(errors=tuple(errors), warnings=warnings, since_ns=since)


def read_span(engine: Engine, days: Sequence[Day], folder: Path, remaining: Remaining) -> SpanReading:
    """Everything a comparison of days is made of, a month at a time. Raises as ``read_day``."""
    account = account_of(engine, remaining(30.0))
    moments = [days[0].begin_ns, *(day.end_ns for day in days)]
    whole = {**questions.journal_of(account), **questions.closes(account, moments)}
    answers = ask(engine, whole, remaining(JOURNAL_SECONDS))
    counted: list[Answers] = []
    for start in range(0, len(days), DAYS_AT_ONCE):
        some = {f"{at}": questions.counted(account, day) for at, day in enumerate(days[start : start + DAYS_AT_ONCE])}
        flat = {f"{at}/{name}": sql for at, asked in some.items() for name, sql in asked.items()}
        told = ask(engine, flat, remaining(JOURNAL_SECONDS))
        counted += [Answers({name: told[f"{at}/{name}"] for name in asked}) for at, asked in some.items()]
    return SpanReading(
        subject=subject(engine, account, days, answers, time.time_ns()),
        days=days,
        answers=answers,
        counted=counted,
        notes=notes.standing(notes.load(notes.path_of(folder, engine.target.name)), days[0].begin_ns, days[-1].end_ns),
    )
