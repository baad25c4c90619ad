"""``mmctl monitoring preview``: every dashboard as it looks, drawn from a real Prometheus, in one HTML file."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mmctl.cli.reach import TargetArg
from mmctl.cli.run import Run, current
from mmctl.fleet.errors import FAILED, OperatorError, UsageError
from mmctl.fleet.inventory import Fleet, load_fleet
from mmctl.monitoring import boards, engines
from mmctl.monitoring.boards.model import LANGUAGES
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.preview.asking import shown
from mmctl.monitoring.preview.bundle import load
from mmctl.monitoring.preview.page import page
from mmctl.monitoring.preview.prometheus import Prometheus, at_url, through
from mmctl.monitoring.preview.shape import fault_of
from mmctl.monitoring.preview.timing import NotATime, duration_ms, span_of

#: Seconds that all questions together may take where no --deadline is given.
ASKING_S = 120.0


class PreviewRefused(OperatorError):
    """A dashboard cannot be read, or the page cannot be written."""


def preview(
    target: TargetArg = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("preview.html"),
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", metavar="URL", help="Ask this Prometheus, not the fleet's.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="How much is shown; default: as each says.")] = None,
    scrape: Annotated[str, typer.Option("--scrape-interval", help="The data source's interval.")] = "5s",
    language: Annotated[str | None, typer.Option("--language", help="Titles and descriptions: en or zh.")] = None,
    where: Annotated[
        Path | None, typer.Option("--dashboards", metavar="PATH", help="Draw this JSON, or a folder of them.")
    ] = None,
    job: Annotated[list[str] | None, typer.Option("--job", help="Only this job; may be given again.")] = None,
    instance: Annotated[list[str] | None, typer.Option("--instance", help="Only this engine (target:host).")] = None,
    venue: Annotated[list[str] | None, typer.Option("--venue", help="Only this venue.")] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="Only this symbol.")] = None,
) -> None:
    """Draw the dashboards with Grafana's own packages, from what a Prometheus answers now; one file, no network."""
    run = current()
    bundle = load()
    fleet, plan = _planned(run, target, language)
    read = _read(where) if where is not None else [json.loads(text) for text in boards.files(plan).values()]
    given = {"job": job, "instance": instance, "venue": venue, "symbol": symbol}
    chosen = {name: tuple(values) for name, values in given.items() if values}
    if target is not None and not instance:
        chosen["instance"] = tuple(engine.instance for engine in plan.engines)
    source = at_url(prometheus) if prometheus else _of_fleet(fleet, plan)
    source.until = time.monotonic() + run.remaining(ASKING_S)
    version = source.prove()
    made_ms = int(time.time() * 1000)
    try:
        scrape_ms = duration_ms(scrape)
        spans = [span_of(since or str((board.get("time") or {}).get("from", "now-1h")), made_ms) for board in read]
    except NotATime as error:
        raise UsageError(str(error)) from None
    if scrape_ms <= 0 or any(span.length_ms <= 0 for span in spans):
        raise UsageError("a time of nothing shows nothing", "Write it as 30s, 5m or 24h.")
    drawn = [shown(board, source, span, scrape_ms, chosen) for board, span in zip(read, spans, strict=True)]
    text = page(drawn, source.name, made_ms, bundle)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PreviewRefused(f"cannot write {out}: {error.strerror}", "Say where with --out FILE.html.") from None
    _tell(run, out, drawn, source, version)


def _planned(run: Run, target: str | None, language: str | None) -> tuple[Fleet, Plan]:
    if language is not None and language not in LANGUAGES:
        raise UsageError(f"there is no language {language!r}", f"one of {', '.join(LANGUAGES)}")
    fleet = load_fleet(run.fleet)
    spoken = next((each for each in LANGUAGES if each == language), None)
    return fleet, engines.plan_of(fleet, fleet.target(target) if target else None, spoken)


def _read(where: Path) -> list[dict[str, Any]]:
    files = sorted(where.glob("*.json")) if where.is_dir() else [where]
    if not files:
        raise PreviewRefused(f"{where} holds no dashboard", "Give a JSON file, or a folder of them, to --dashboards.")
    read = []
    for path in files:
        try:
            board = json.loads(path.read_text(encoding="utf-8"))
            fault = fault_of(board) if isinstance(board, dict) else "it has no panels"
            if fault:
                raise PreviewRefused(
                    f"{path} is no dashboard: {fault}", "`mmctl monitoring render` writes those of here."
                )
        except OSError as error:
            raise PreviewRefused(f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise PreviewRefused(f"{path} is not JSON: {error}") from None
        read.append({"uid": path.stem, "title": path.stem, **board})
    return read


def _of_fleet(fleet: Fleet, plan: Plan) -> Prometheus:
    """The Prometheus of the fleet's monitoring host, asked on that host. Raises UsageError where none is named."""
    host = fleet.monitoring.host
    if host is None:
        hint = "Say where Prometheus is with --prometheus http://HOST:PORT, or name monitoring.host in the fleet file."
        raise UsageError("the fleet names no monitoring host", hint)
    from mmctl.fleet.ssh import SshTransport

    return through(SshTransport(host), plan.prometheus_port)


def _tell(run: Run, out: Path, drawn: list[dict[str, Any]], source: Prometheus, version: str) -> None:
    """What was written, and every query that was refused. Exits 1 where one was, or where all answer nothing."""
    failed = empty = asked = 0
    for board in drawn:
        titles = {str(panel.get("id")): panel.get("title", "") for panel in board["json"]["panels"]}
        for number, panel in board["panels"].items():
            for target in panel["targets"]:
                asked += 1
                nothing = not target["error"] and not target["result"]["result"]
                failed, empty = failed + bool(target["error"]), empty + nothing
                if target["error"]:
                    told = f"{board['json']['uid']}: {titles.get(number)}: {target['refId']}: {target['error']}"
                    run.out.event("fault", message=told)
                    run.out.problem(told)
    run.out.result(
        page=str(out), prometheus=source.name, version=version, targets=asked, failed=failed, empty=empty,
        bytes=out.stat().st_size,
    )  # fmt: skip
    run.out.say(f"{out}: {len(drawn)} dashboards, {asked} queries to {source.name}; {failed} failed, {empty} empty")
    if failed or empty == asked:
        if not failed:
            run.out.problem(f"{source.name} has no series that a dashboard asks for: does it scrape an engine?")
        raise typer.Exit(FAILED)
