"""``mmctl status``: what the engines of a target are doing now, every number with its age."""

import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any

import typer

from mmctl.cli.beyond import CONNECT_SECONDS, Beyond, patience
from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.output import Output
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish
from mmctl.cli.run import Run, current
from mmctl.client.engine import Client, Document, age_of, pick, section
from mmctl.fleet.errors import FAILED, INCONCLUSIVE, DeadlineExceeded, HostKeyMismatch, OperatorError, Unreachable
from mmctl.fleet.parallel import Outcome
from mmctl.formats import age, digits, number
from mmctl.watch import drift as drifting

#: A state document older than this by the two clocks is stale: the numbers may no longer hold.
STALE_SECONDS = 10.0
#: The breaker's codes from which on an engine does not quote, and the exit code of a halted one.
OPEN, HALTED, EXIT_HALTED = 2, 3, 70


def status(
    target: TargetArg = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again until interrupted.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between looks with --watch.")] = 2.0,
    count: Annotated[int, typer.Option("--count", min=0, help="Looks with --watch; 0 = no end.")] = 0,
) -> None:
    """What the engines of a target are doing now. Exit code 6 when an engine's numbers are stale.

    1: an engine does not quote because its breaker is open; 70: because it is halted. 13: a host or an engine does
    not answer; then the exchange is asked from here how many orders of ours are open.
    """
    run = current()
    with ending_with_the_terminal() if watch else nullcontext(), engines(run, target, CONNECT_SECONDS) as found:
        looks = 0
        while True:
            beyond = Beyond(next(iter(found.values())).target)
            outcomes = ask_each(run, found, look)
            tell_beyond(run, beyond, outcomes)
            if watch and run.out.colour and not run.json:
                run.out.raw("\x1b[H\x1b[2J" + time.strftime("%H:%M:%S"))
            stale = [show(run.out, name, outcome) for name, outcome in outcomes.items()]
            looks += 1
            if not watch or looks == count:
                break
            time.sleep(run.remaining(interval))
    finish(run, outcomes)
    if any(stale):
        run.out.problem("numbers are stale; see mmctl health")
        raise typer.Exit(INCONCLUSIVE)
    tripped = {name: code for name, outcome in outcomes.items() if (code := breaker_code(outcome.value)) >= OPEN}
    if tripped:
        halted = max(tripped.values()) >= HALTED
        how = "halted" if halted else "open"
        run.out.problem(f"{', '.join(tripped)}: not quoting, breaker {how}; see mmctl breaker status")
        raise typer.Exit(EXIT_HALTED if halted else FAILED)


def breaker_code(state: Mapping[str, Any] | None) -> int:
    """0 closed, 1 half open, 2 open, 3 halted; 0 where the engine does not say."""
    code = pick(state or {}, "risk", "breaker", "code")
    return code if isinstance(code, int) else 0


def tell_beyond(run: Run, beyond: Beyond, outcomes: Mapping[str, Outcome[Document]]) -> None:
    """Where an engine does not answer: what the exchange says of its orders, and the way out."""
    # A host that answers with another key is as good as away: what is there may be another machine.
    away = Unreachable | DeadlineExceeded | HostKeyMismatch
    silent = [name for name, outcome in outcomes.items() if isinstance(outcome.error, away)]
    if silent:
        seen = beyond.seen(run.remaining(patience()))
        run.out.event(
            "exchange", hosts=silent, open_orders=seen.open_orders, message=seen.text, next_step=seen.next_step
        )
        run.out.problem(f"{', '.join(silent)}: {seen.text}")
        if seen.next_step:
            run.out.problem(seen.next_step)
    beyond.close()


def look(engine: Engine) -> Document:
    """The state document, with the engine's ``drift`` beside it: in what it differs from what lies on its host.

    Where the port is closed, the error says what the service manager knows.
    """
    there, silent = on_host(engine)
    try:
        document = reading(engine, there).state()
        return {**document, "drift": drifting.drift(document, there) or silent}
    except Unreachable as error:
        condition = service(engine)
        if not condition:
            raise
        raise Unreachable(
            f"{error.what}; the service is {condition}", f"See mmctl logs {engine.target.name}, or start it."
        ) from None


def on_host(engine: Engine) -> tuple[drifting.OnHost, str]:
    """What lies on the host, and why that is not known where it is not. Raises Unreachable for the host itself."""
    try:
        return drifting.read(engine.transport.run(drifting.script(engine.site.layout), 3.0).out), ""
    except Unreachable:
        raise
    except OperatorError as error:
        return drifting.OnHost(), f"not known: {error.what}"


def reading(engine: Engine, there: drifting.OnHost) -> Client:
    """Its client, on the port of the release that is current: the config here may name another one by now."""
    client = engine.client()
    return replace(client, port=there.port) if there.port else client


def service(engine: Engine) -> str:
    """The service's state in a few words with the engine's own reason, or nothing when it cannot be found out."""
    from mmctl.release.blame import blame
    from mmctl.remote import units

    python = engine.site.python if engine.site.layout.managed else sys.executable
    try:
        result = engine.transport.run(units.state(engine.site.layout, python), 10.0)
        said = dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)
        active, code = said.get("ActiveState", ""), said.get("ExecMainStatus", "0")
        if not active or (code in ("", "0") and active != "failed"):
            return active
        words = engine.transport.run(units.last_words(engine.site.layout, python), 10.0).out
    except OperatorError:
        return ""
    if said.get("SubState") == "auto-restart":
        active += f", started again {said.get('NRestarts', '?')} times"
    halted = " (halted: needs mmctl breaker reset)" if code == "70" else ""
    return f"{active}: {blame(words).text}{halted}"


def show(out: Output, name: str, outcome: Outcome[Document]) -> bool:
    """One engine on screen or as one ``status`` event; True when its numbers are stale."""
    document = outcome.value
    if document is None:
        return False
    seconds = age_of(document)
    stale = seconds is not None and seconds > STALE_SECONDS
    drift = document.get("drift", "")
    state = {key: value for key, value in document.items() if key != "drift"}
    out.event(
        "status", host=name, as_of_ns=document.get("as_of_ns"), age_s=seconds, stale=stale, drift=drift, state=state
    )
    if out.json_mode:
        return stale
    for line, style in lines(name, document, seconds, stale):
        out.styled(line, style) if style else out.say(line)
    return stale


def lines(name: str, state: Mapping[str, Any], seconds: float | None, stale: bool) -> list[tuple[str, str]]:
    """The human text of one engine: (line, style)."""
    engine, pnl, risk = section(state, "engine"), section(state, "pnl"), section(state, "risk")
    quoting = bool(engine.get("quoting"))
    reason = engine.get("not_quoting_reason") or "no reason given"
    doing = "standby" if engine.get("role") == "standby" else f"not quoting: {reason}"
    if quoting:
        doing = "quoting on paper" if engine.get("mode") == "paper" else "quoting"
    mark = f"STALE, as of {age(seconds)} ago" if stale else f"as of {age(seconds)} ago"
    head = f"{name}: {doing} ({mark})"
    shown: list[tuple[str, str]] = [(head, "red" if stale else "green" if quoting else "yellow")]
    shown.append(
        (
            f"  {_v(engine, 'role')} epoch {_v(engine, 'epoch')}, release {_v(engine, 'release')}, "
            f"account {_v(engine, 'account')} ({_v(engine, 'environment')}), pid {_v(engine, 'pid')}, "
            f"up {age(_uptime(state))}",
            "",
        )
    )
    if state.get("drift"):
        shown.append((f"  DRIFT: {state['drift']}", "red"))
    for symbol, values in section(state, "symbols").items():
        shown += [(line, "") for line in _symbol(symbol, values)]
    parts = [f"{key} {number(pnl.get(key), 4)}" for key in ("realized", "unrealized", "fees", "funding") if key in pnl]
    shown.append((f"  profit {number(pnl.get('total'), 4)} {pnl.get('currency') or ''} ({', '.join(parts)})", ""))
    breaker = section(risk, "breaker")
    text = f"  breaker {str(breaker.get('state', 'unknown')).lower()}, risk {risk.get('level_name', 'unknown')}"
    if breaker.get("reason"):
        text += f": {breaker['reason']}"
    shown.append((text, "" if breaker.get("code") == 0 else "red"))
    limits = risk.get("limits")
    for limit in limits if isinstance(limits, list) else []:
        ratio = limit.get("ratio") if isinstance(limit, Mapping) else None
        if isinstance(ratio, int | float) and ratio >= 0.75:
            shown.append((f"  limit {limit.get('name')} is used to {ratio * 100:.0f}%", "red"))
    return shown


def _symbol(symbol: str, values: Any) -> list[str]:
    book, quote, position = section(values, "book"), section(values, "quote"), section(values, "position")
    unknown = pick(values, "unknown_orders") or 0
    tick, lot = digits(pick(values, "tick_size")), digits(pick(values, "lot_size"))

    def prices(of: Mapping[str, Any]) -> str:
        return f"{number(of.get('bid'), tick)} / {number(of.get('ask'), tick)}"

    return [
        f"  {symbol} book {book.get('state', 'unknown')} {prices(book)} ({age(book.get('age_s'))} old); "
        f"our quotes {prices(quote)} ({age(quote.get('age_s'))} old)",
        f"    position {number(position.get('base'), lot)} of {number(position.get('limit_base'))}, "
        f"{number(pick(values, 'open_orders'))} open orders" + (f", {unknown} UNKNOWN" if unknown else ""),
    ]


def _v(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return "unknown" if value is None or value == "" else str(value)


def _uptime(state: Mapping[str, Any]) -> float | None:
    started, now = pick(state, "engine", "started_ns"), state.get("as_of_ns")
    return (now - started) / 1e9 if isinstance(started, int) and isinstance(now, int) and started else None
