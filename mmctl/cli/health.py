"""``mmctl health``: gathers facts from hosts and engines, judges them, and ends with a plugin's exit code.

0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; bad arguments are 3 too. It answers within its own deadline, because a
monitor that kills a slow plugin learns nothing.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from mmctl.cli.beyond import CONNECT_SECONDS, Beyond
from mmctl.cli.errors import describe
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, target_of
from mmctl.cli.run import current
from mmctl.cli.status import service
from mmctl.client.engine import Client, Document, pick, section
from mmctl.client.metrics import Metrics
from mmctl.fleet.errors import UsageError
from mmctl.watch import drift as drifting
from mmctl.watch import plugin, probe
from mmctl.watch.health import Check, Facts, Feed, Status, evaluate, worst
from mmctl.watch.thresholds import DEFAULTS, with_overrides

#: A monitor's usual patience is 10 s; we answer before it, seconds.
SELF_TIMEOUT = 9.0
_STYLE = {Status.OK: "green", Status.WARNING: "yellow", Status.CRITICAL: "red", Status.UNKNOWN: "magenta"}


class Format(StrEnum):
    """How ``mmctl health`` prints what it found."""

    human = "human"
    nagios = "nagios"
    json = "json"
    prometheus = "prometheus"


def health(
    target: TargetArg = None,
    form: Annotated[Format, typer.Option("--format", help="How to print the result.")] = Format.human,
    warning: Annotated[
        list[str] | None, typer.Option("-w", "--warning", metavar="CHECK=RANGE", help="Warning range of one check.")
    ] = None,
    critical: Annotated[
        list[str] | None, typer.Option("-c", "--critical", metavar="CHECK=RANGE", help="Critical range of one check.")
    ] = None,
) -> None:
    """Process, port, log errors, memory, CPU, latency, WebSocket, database, clock, disk, quoting, sentinel, orders."""
    run = current()
    try:
        limits = with_overrides(DEFAULTS, warning or [], critical or [])
    except ValueError as error:
        raise UsageError(str(error), "Ranges are Nagios ranges: 10, 10:, ~:10, 10:20, @10:20.") from None
    with engines(run, target, CONNECT_SECONDS) as found, closing(Beyond(target_of(run, target))) as beyond:
        seconds = run.remaining(SELF_TIMEOUT)
        end = time.monotonic() + seconds
        outcomes = ask_each(run, found, lambda engine: gather(engine, seconds - 1.0), seconds - 2.0)
        judged: list[tuple[str, list[Check]]] = []
        for name, outcome in outcomes.items():
            facts = outcome.value
            if facts is None:
                said = describe(outcome.error)[1] if outcome.error else "no answer"
                facts = Facts(name, port=found[name].site.port, errors={"host": said, "engine": said})
            if facts.errors.get("engine"):
                seen = beyond.seen(end - time.monotonic())
                said = f"{seen.text}. {seen.next_step}".rstrip(". ")
                facts = replace(facts, exchange_orders=seen.open_orders, exchange_said=said)
            judged.append((name, evaluate(facts, limits)))
    status = worst([check.status for _, checks in judged for check in checks])
    _print(form, judged, status)
    raise typer.Exit(int(status))


def _print(form: Format, judged: list[tuple[str, list[Check]]], status: Status) -> None:
    run = current()
    if run.json or form is Format.json:
        import json

        document = plugin.document(judged)
        run.out.result(**document) if run.json else run.out.raw(json.dumps(document, ensure_ascii=False))
    elif form is Format.nagios:
        run.out.raw(plugin.nagios(judged))
    elif form is Format.prometheus:
        run.out.raw(plugin.prometheus(judged))
    else:
        for name, checks in judged:
            run.out.styled(f"{name}: {worst([check.status for check in checks]).name}", "bold")
            for check in checks:
                run.out.styled(f"  {check.status.name:<8} {check.name:<15} {check.message}", _STYLE[check.status])
        run.out.styled(status.name, _STYLE[status])


def gather(engine: Engine, seconds: float) -> Facts:
    """Everything that can be found out about one engine within ``seconds``. Never raises for what is silent."""
    end = time.monotonic() + seconds
    errors: dict[str, str] = {}

    def attempt(source: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - a silent source is a fact: it makes checks UNKNOWN or CRITICAL
            errors.setdefault(source, describe(error)[1])
            return None

    seen = attempt("host", lambda: _probe(engine, max(1.0, end - time.monotonic())))
    client = engine.client(max(0.5, (end - time.monotonic()) / 3))
    there = drifting.OnHost()
    if seen is not None:
        there = drifting.OnHost(seen[0].config_sha256, seen[0].release, seen[0].port)
        client = replace(client, port=there.port or client.port)
    state = attempt("engine", client.state)
    facts = Facts(engine.name, port=client.port, errors=errors)
    if state is not None and seen is not None and pick(state, "engine", "config_sha256"):
        facts = replace(facts, drift=drifting.drift(state, there))
    if seen is not None:
        found, skew = seen
        facts = replace(
            facts,
            process_alive=found.alive,
            pid=found.pid,
            uptime_s=found.uptime_s,
            port_open=found.port_open,
            log_errors=found.log_errors,
            log_lines=found.log_lines,
            memory_used_percent=found.memory_used_percent,
            rss_bytes=found.rss_bytes,
            cpu_percent=found.cpu_percent,
            disk_free_percent=found.disk_free_percent,
            guard_age_s=found.guard_age_s,
            clock_skew_s=skew,
            clock_source="between this host and that one",
        )
    if state is None:
        if facts.process_alive is False:
            facts = replace(facts, process_reason=attempt("service", lambda: service(engine)) or "")
        return facts
    components = attempt("health", lambda: client.health()[1])
    return _with_engine(facts, state, components, attempt("metrics", client.metrics), client)


def _probe(engine: Engine, seconds: float) -> tuple[probe.Probe, float | None]:
    """What the host says, and its clock against ours (seconds, positive = the host is ahead)."""
    from mmctl.remote import guard, units

    site = engine.site
    show = units.state(site.layout, sys.executable)
    script = probe.script(
        pid_command=f"( {show} ) | sed -n 's/^MainPID=//p'",
        port=site.port,
        log=site.log,
        log_command=None if site.log else f"journalctl --no-pager -q -o cat {units.LOGGED} -n {probe.LOG_LINES}",
        disk=site.layout.data,
        more=drifting.script(site.layout) + guard.age(site.layout),
    )
    before = time.time()
    result = engine.transport.run(script, seconds)
    after = time.time()
    found = probe.read(result.out)
    # The host reads its clock last, so the answer's way back is all that lies between the two readings.
    skew = None if found.clock_s is None else _least_skew(found.clock_s, before, after)
    return found, skew


def _least_skew(there: float, before: float, after: float) -> float:
    """How far the other clock is surely off: 0 when its time lies within our own two readings."""
    if there < before:
        return there - before
    return there - after if there > after else 0.0


def _with_engine(
    facts: Facts, state: Document, health_document: Document | None, metrics: Metrics | None, client: Client
) -> Facts:
    engine = section(state, "engine")
    feeds = state.get("feeds")
    symbols = section(state, "symbols").values()
    unknown = [pick(symbol, "unknown_orders") for symbol in symbols if isinstance(symbol, Mapping)]
    database = _component(health_document, ("database", "journal", "store"))
    facts = replace(
        facts,
        role=_text(engine.get("role")),
        quoting=engine.get("quoting") if isinstance(engine.get("quoting"), bool) else None,
        not_quoting_reason=_text(engine.get("not_quoting_reason")) or "",
        breaker=pick(state, "risk", "breaker", "code"),
        order_latency_p95_s=_latency(state, metrics),
        orders_timed=timed if isinstance(timed := pick(state, "latency", "ack", "count"), int) else None,
        feeds=_feeds(feeds) if isinstance(feeds, list) else None,
        unknown_orders=sum(int(n) for n in unknown if isinstance(n, int)) if unknown else None,
        database_ok=None if database is None else bool(database.get("ok")),
        database_message="" if database is None else str(database.get("message") or ""),
        database_lag_s=metrics.value("mm_journal_lag_seconds") if metrics else None,
    )
    sentinel = _component(health_document, ("sentinel",))
    if sentinel is not None:
        age = sentinel.get("age_s")
        facts = replace(
            facts,
            sentinel_ok=bool(sentinel.get("ok")),
            sentinel_message=str(sentinel.get("message") or "no word on it"),
            sentinel_age_s=float(age) if isinstance(age, int | float) else None,
        )
    skew = metrics.value("mm_clock_skew_seconds") if metrics else None
    if skew:  # absent: not measured lately; exactly zero: an engine that never measured, as older ones say
        facts = replace(facts, clock_skew_s=skew, clock_source="between the engine and the exchange")
    return facts


def _latency(state: Document, metrics: Metrics | None) -> float | None:
    """Submit to acknowledgement, 95th percentile, seconds: the engine's own window, else the histogram."""
    value = pick(state, "latency", "ack", "p95")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return metrics.quantile("mm_order_latency_seconds", 0.95, stage="ack") if metrics else None


def _feeds(feeds: list[Any]) -> tuple[Feed, ...]:
    return tuple(
        Feed(
            str(feed.get("name", "?")),
            bool(feed.get("connected")),
            float(feed["age_s"]) if isinstance(feed.get("age_s"), int | float) else None,
        )
        for feed in feeds
        if isinstance(feed, Mapping)
    )


def _component(document: Document | None, names: tuple[str, ...]) -> Mapping[str, Any] | None:
    components = section(document or {}, "components")
    return next((c for n in names if isinstance(c := components.get(n), Mapping)), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
