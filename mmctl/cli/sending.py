"""Sends a report to the fleet's channels: the page by mail, its first lines to channels that take no file."""

from collections.abc import Sequence
from pathlib import Path

from mmctl.cli.run import Run
from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import MIXED, OperatorError, Refused, UsageError
from mmctl.fleet.inventory import load_fleet
from mmctl.report.document import Report

#: What one channel may take, seconds, repetitions included. A channel that hangs holds up no other for longer.
CHANNEL_SECONDS = 20.0


class NotSent(OperatorError):
    """Not every channel took the report. It is on the disk."""


def channels_of(run: Run, wanted: Sequence[str]) -> tuple[Channel, ...]:
    """The fleet's channels, or those named. Raises Refused where there is none, UsageError for an unknown name."""
    known = load_fleet(run.fleet).monitoring.channels
    if not known:
        raise Refused("the fleet file names no channel", "Add monitoring.channels to it; see docs/reports.md.")
    names = {channel.name: channel for channel in known}
    for name in wanted:
        if name not in names:
            raise UsageError(f"no channel {name!r}", f"The fleet file names {', '.join(names)}.")
    return tuple(names[name] for name in wanted) if wanted else known


def send_report(run: Run, channels: Sequence[Channel], report: Report, page: str, path: Path) -> None:
    """To every channel, one after the other, each within its deadline. Raises NotSent naming those that failed."""
    from mmctl.monitoring.send.deliver import send
    from mmctl.monitoring.send.message import Attachment
    from mmctl.report.plain import summary
    from mmctl.report.words import label

    subject = report.subject
    period = subject.first if subject.first == subject.last else f"{subject.first} – {subject.last}"
    failed: list[tuple[str, OperatorError]] = []
    for channel in channels:
        title = f"{label(report.kind).of(channel.language)} {period} {subject.target}"
        title += "" if subject.host == subject.target else f":{subject.host}"
        file = Attachment(path.name, "text/html", page.encode()) if channel.kind == "email" else None
        try:
            seconds = run.remaining(CHANNEL_SECONDS)
            receipt = send(channel, title, summary(report, channel.language), file, seconds)
        except OperatorError as error:
            failed.append((channel.name, error))
            run.out.event("not_sent", channel=channel.name, message=error.what, exit_code=error.exit_code)
            run.out.problem(f"channel {channel.name}: {error.what}")
            continue
        run.out.event("sent", channel=channel.name, answer=receipt.answer, proves=receipt.proves)
        run.out.progress(f"{channel.name}: {receipt.proves}")
    if failed:
        names = ", ".join(name for name, _ in failed)
        codes = {error.exit_code for _, error in failed}
        known = NotSent(f"not sent to {names}; the report is {path}", failed[0][1].hint)
        known.exit_code = codes.pop() if len(failed) == len(channels) and len(codes) == 1 else MIXED
        raise known
