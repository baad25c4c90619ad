"""``mmctl report``: the daily review and spans of days out of an engine's journal, a kept backtest; pages to send."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli.notes import note
from mmctl.cli.reach import Engine, TargetArg, engines, finish
from mmctl.cli.run import Run, current
from mmctl.cli.schedule import Language, LanguageOption, schedule
from mmctl.fleet.errors import OperatorError, UsageError
from mmctl.fleet.parallel import Outcome
from mmctl.report.document import Report

if TYPE_CHECKING:
    from mmctl.fleet.channels import Channel

app = typer.Typer(help="The daily review, spans of days, and kept backtests, as pages that need no network.")
DEFAULT_ZONE = "Asia/Shanghai"


class Format(StrEnum):
    """How a report is written."""

    html = "html"
    md = "md"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="html, md or json.")]
ZoneOption = Annotated[str, typer.Option("--zone", help="Where a day begins and ends.")]
ChannelOption = Annotated[
    list[str] | None, typer.Option("--channel", help="With --send, only to this channel; again for more.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="The file, or a folder; '-' prints it. Default: a page beside the notes, else print."
    ),
]


class ReportRefused(OperatorError):
    """What was to be reported cannot be read, or the page cannot be written."""


@app.callback()
def main() -> None:
    """The daily review, spans of days, and kept backtests, as pages that need no network."""


@app.command("daily")
def daily(
    target: TargetArg = None,
    date: Annotated[str, typer.Option("--date", help="YYYY-MM-DD, today or yesterday.")] = "today",
    format: FormatOption = Format.html,
    out: OutOption = None,
    language: LanguageOption = Language.zh,
    zone: ZoneOption = DEFAULT_ZONE,
    send: Annotated[bool, typer.Option("--send", help="To the fleet's channels, too; the page is kept here.")] = False,
    channel: ChannelOption = None,
    due: Annotated[str, typer.Option("--due", help="The day on which it was last HH:MM, as a timer asks.")] = "",
) -> None:
    """The review of one day: trading, returns, risk, performance, problems. One report a host.

    A figure that is not known is shown so, with the reason. Exit code 0 also then; 1 where no report could be made.
    With --send, the code of what kept it from a channel; 3 where some took it. The page is on the disk then as well.
    """
    import time

    from mmctl.cli.review import read_day, reports_folder
    from mmctl.report.daily import review
    from mmctl.report.period import day_of, last_due, read_date

    run = current()
    now = time.time_ns()
    day = day_of(last_due(due, zone, now) if due else read_date(date, zone, now), zone)
    channels = _channels(run, send, channel, format, out)

    def made(engine: Engine) -> Report:
        return review(read_day(engine, day, reports_folder(), run.remaining))

    _each(run, target, made, Wanted(day.name, format, out, language, channels))


@app.command("range")
def span(
    target: TargetArg = None,
    first: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", help="The last day: YYYY-MM-DD, today or yesterday.")] = "today",
    format: FormatOption = Format.html,
    out: OutOption = None,
    language: LanguageOption = Language.zh,
    zone: ZoneOption = DEFAULT_ZONE,
) -> None:
    """Days beside each other: profit by the day, cumulative, drawdown, Sharpe, the worst day. One report a host."""
    import time

    from mmctl.cli.review import read_span, reports_folder
    from mmctl.report.period import days_of, read_date
    from mmctl.report.span import compare

    run = current()
    if not first:
        raise UsageError("from which day?", "--from YYYY-MM-DD, and --to for another last day than today.")
    now = time.time_ns()
    days = days_of(read_date(first, zone, now), read_date(last, zone, now), zone)

    def made(engine: Engine) -> Report:
        return compare(read_span(engine, days, reports_folder(), run.remaining))

    _each(run, target, made, Wanted(f"{days[0].name}-{days[-1].name}", format, out, language))


@dataclass(frozen=True)
class Wanted:
    """How reports are written, where they go, and who else gets them."""

    period: str
    format: Format
    out: Path | None
    language: Language
    channels: tuple["Channel", ...] = ()


def _channels(
    run: Run, send: bool, wanted: list[str] | None, format: Format, out: Path | None
) -> tuple["Channel", ...]:
    """The channels to send to, looked up before anything is read: a report that can reach nobody is refused at once."""
    if not send:
        if wanted:
            raise UsageError("--channel says where to send", "Add --send, or leave it away.")
        return ()
    from mmctl.cli.sending import channels_of

    if format is not Format.html or str(out) == "-":
        raise UsageError("--send sends the page", "Leave --format and --out - away.")
    return channels_of(run, wanted or [])


def _each(run: Run, target: str | None, make: Callable[[Engine], Report], wanted: Wanted) -> None:
    """One report a host, each written as soon as it is made; ends the run with the hosts' common exit code."""
    outcomes: dict[str, Outcome[Path | None]] = {}
    out = wanted.out
    with engines(run, target) as found:
        if out is not None and len(found) > 1 and str(out) != "-" and not out.is_dir():
            raise UsageError(
                "several hosts make several reports", "Name a folder with --out, or one host: TARGET:HOST."
            )
        for name, engine in found.items():
            try:
                outcomes[name] = Outcome(_one(run, make(engine), wanted), None, 0.0)
            except OperatorError as error:
                outcomes[name] = Outcome(None, error, 0.0)
            except ValueError as error:
                outcomes[name] = Outcome(None, ReportRefused(f"{name}: {error}"), 0.0)
    finish(run, outcomes)


def _one(run: Run, report: Report, wanted: Wanted) -> Path | None:
    """Write, tell and send one report; where it lies."""
    path = place_of(report, wanted.period, wanted.format, wanted.out)
    text = written(report, wanted.format, wanted.language)
    if path is not None:
        keep(path, text)
    tell(run, report, path, text)
    if wanted.channels and path is not None:
        from mmctl.cli.sending import send_report

        send_report(run, wanted.channels, report, text, path)
    return path


def written(report: Report, format: Format, language: Language) -> str:
    """The report's text in a format."""
    match format:
        case Format.html:
            from mmctl.report.page import page

            return page(report, language)
        case Format.md:
            from mmctl.report.plain import markdown

            return markdown(report, language)
        case Format.json:
            from mmctl.report.plain import document

            return json.dumps(document(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def place_of(report: Report, period: str, format: Format, out: Path | None) -> Path | None:
    """Where the report goes; None: to stdout."""
    from mmctl.cli.review import reports_folder

    if str(out) == "-" or (out is None and format is not Format.html):
        return None
    subject = report.subject
    who = subject.target if subject.host == subject.target else f"{subject.target}-{subject.host}"
    name = f"{who}-{report.kind}-{period}.{format.value}"
    if out is None:
        folder = reports_folder() / subject.target
        make_folder(folder)
        return folder / name
    return out / name if out.is_dir() else out


def make_folder(folder: Path) -> None:
    """Make the folder that reports are kept in. Raises ReportRefused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportRefused(f"cannot make {folder}: {error.strerror}") from None


def keep(path: Path, text: str) -> None:
    """Write the file whole or not at all. Raises ReportRefused."""
    part = path.with_name(path.name + ".part")
    try:
        if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced by a file
            path.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # what a full disk took of it
        raise ReportRefused(f"cannot write {path}: {error.strerror}") from None


def tell(run: Run, report: Report, path: Path | None, text: str) -> None:
    """The file's name, or the report itself; with --json an event with every figure, and where it lies."""
    from mmctl.report.plain import document, summary

    subject = report.subject
    if run.json:
        run.out.event("report", host=subject.host, page=None if path is None else str(path), report=document(report))
        return
    if path is None:
        run.out.raw(text.rstrip("\n"))
        return
    run.out.say(str(path))
    run.out.progress(summary(report, "en").rstrip("\n"))


app.command("note")(note)
app.command("schedule")(schedule)


@app.command("backtest")
def backtest(
    kept: Annotated[Path, typer.Argument(metavar="RUN", help="A kept run (mmctl backtest run --out RUN).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; default: RUN with .html.")] = None,
) -> None:
    """Draw a kept backtest: equity, drawdown, attribution, markouts, inventory, fills."""
    from engine.backtest.runfile import RunFileError, read
    from mmctl.report.backtest import Series, page

    run = current()
    try:
        one = read(kept)
    except RunFileError as error:
        raise ReportRefused(str(error)) from None
    series = [
        Series(symbol, *(rows[:, 0].tolist(), rows[:, 1].tolist(), rows[:, 2].tolist(), (rows[:, 3] / 2).tolist()))
        for symbol, rows in one.equity.items()
    ]
    target = out or kept.with_name(kept.name.split(".")[0] + ".html")
    text = page(one.name, one.result, one.made_from, series)
    keep(target, text)
    run.out.result(page=str(target), bytes=len(text.encode()))
    run.out.say(f"{target}")
