"""``mmctl halt|resume|cancel|flatten``: act now, by three ways, and end with 0 only on the exchange's own proof.

The engine is asked first. When it does not answer, refuses, or cannot prove, the sentinel's code runs on the host
with its own key and asks the exchange itself: that works with the engine dead, frozen or cut off. When that cannot be
proved either, or with ``--direct``, it runs on the operator's machine (``mmctl.cli.direct``).
"""

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish, quoting_target
from mmctl.cli.recorded import Minutes
from mmctl.cli.run import Run, current
from mmctl.client.engine import Document
from mmctl.fleet.errors import (
    ConfigRefused,
    OperatorError,
    Refused,
    Unproved,
    Unreachable,
    UsageError,
)
from mmctl.fleet.login import operator, readable
from mmctl.fleet.parallel import Outcome
from mmctl.remote.environment import with_secrets
from mmctl.remote.layout import script
from mmctl.remote.users import as_service
from mmctl.watch.proof import last_object, proof_of

Confirm = Annotated[str, typer.Option("--confirm", metavar="ACCOUNT", help="The exchange account's name, typed out.")]
Direct = Annotated[
    bool,
    typer.Option("--direct", help="From this machine straight at the exchange, without asking any host."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")]

#: How long the engine may take before the second way is tried, and how long that one may take, seconds.
ENGINE_SECONDS = 10.0
SENTINEL_SECONDS = 30.0
#: Verbs that end with no open order; ``flatten`` ends with no position as well.
_PROVING = ("halt", "cancel", "flatten")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended on one host: by which way, and what was said."""

    way: str
    text: str
    answer: Mapping[str, Any]


def halt(target: TargetArg = None, confirm: Confirm = "", reason: Reason = "", direct: Direct = False) -> None:
    """Stop quoting, cancel every order, stay stopped until a person resets it. Works with the engine dead."""
    command("halt", target, confirm, {"reason": reason or "operator"}, direct=direct)


def resume(target: TargetArg = None, confirm: Confirm = "", reason: Reason = "") -> None:
    """Let an engine that an operator paused quote again. A breaker that halted needs mmctl breaker reset."""
    quoting_target(current(), target)
    command("resume", target, confirm, {"reason": reason or "operator"})


def cancel(target: TargetArg = None, confirm: Confirm = "", reason: Reason = "", direct: Direct = False) -> None:
    """Cancel every open order of the account's engines and prove it. Works with the engine dead."""
    command("cancel", target, confirm, {"reason": reason or "operator"}, direct=direct)


def flatten(target: TargetArg = None, confirm: Confirm = "", reason: Reason = "", direct: Direct = False) -> None:
    """Cancel every order, close the position at the market and prove both. Works with the engine dead."""
    command("flatten", target, confirm, {"reason": reason or "operator"}, direct=direct)


def command(verb: str, wanted: str | None, confirm: str, body: Mapping[str, Any], *, direct: bool = False) -> None:
    """``verb`` on every engine of the target. Ends the run with 0 only when every one of them is proved.

    Hosts on which it could not be proved are made up for at the exchange, once for all: it knows accounts, not hosts.
    What is recorded is recorded beside and after the act; what could not be is told, and changes no exit code.
    """
    run = current()
    with engines(run, wanted) as found:
        accounts = confirmed(run, verb, found, confirm)
        account = ",".join(dict.fromkeys(accounts.values()))
        reason = readable(str(body.get("reason") or "operator"))
        request = {**body, "reason": reason, "idempotency_key": f"{run.run_id}-{verb}"}
        minutes = Minutes(run, verb, reason)

        def one(engine: Engine) -> Done:
            return _act(run, engine, verb, {**request, "confirm": accounts[engine.name]})

        outcomes: dict[str, Outcome[Done]] = {}
        untold = set(found) if direct else set()  # hosts that nobody could be told on; their trails neither
        try:
            if not direct:
                for engine in found.values():
                    minutes.intend(engine.label)
                outcomes = ask_each(run, found, one, ENGINE_SECONDS + SENTINEL_SECONDS + 10)
            untold |= {name for name, outcome in outcomes.items() if isinstance(outcome.error, Unreachable)}
            left = [name for name in found if direct or _undone(outcomes[name].error)]
            for own in dict.fromkeys(accounts[name] for name in left if verb in _PROVING):
                these = [name for name in left if accounts[name] == own]
                outcomes |= _past_the_hosts(run, found, verb, request, these, outcomes, minutes)
            _tell(run, verb, outcomes)
        finally:
            told = {name: engine for name, engine in found.items() if name not in untold}
            recorded = _record(run, minutes, found, outcomes, told)
    finish(run, outcomes)
    _printed(run, lambda: run.out.result(verb=verb, account=account, hosts=sorted(outcomes), trail=recorded))


def _undone(error: Exception | None) -> bool:
    """Whether a host has left an order possibly open: anything but success, and but a refusal to act at all."""
    return error is not None and not isinstance(error, Refused | UsageError)


def _tell(run: Run, verb: str, outcomes: Mapping[str, Outcome[Done]]) -> None:
    for name, outcome in outcomes.items():
        if outcome.value is not None:
            _printed(run, partial(_tell_one, run, verb, name, outcome.value))


def _tell_one(run: Run, verb: str, name: str, done: Done) -> None:
    run.out.event("done", host=name, verb=verb, way=done.way, message=done.text, answer=done.answer)
    run.out.styled(f"{name}: {verb} done by the {done.way}: {done.text}", "green")


def _printed(run: Run, write: Callable[[], None]) -> None:
    """A full disk or a closed pipe behind stdout does not change what was done."""
    try:
        write()
    except (OSError, ValueError) as error:
        run.out.problem(f"the result could not be printed: {error}")
        run.out.silence()


def _record(
    run: Run,
    minutes: Minutes,
    found: Mapping[str, Engine],
    outcomes: Mapping[str, Outcome[Done]],
    told: Mapping[str, Engine],
) -> dict[str, Any]:
    """Close the minutes, here and on the hosts ``told``; whether the trails took it, as the result has it."""
    ends: dict[str, tuple[bool, str]] = {}
    for name, engine in found.items():
        outcome = outcomes.get(name)
        error = outcome.error if outcome is not None else None
        done = outcome.value if outcome is not None else None
        ends[engine.label] = (True, str(done)) if done is not None else (False, _what(error) or "interrupted")
    faults = minutes.close(ends, {engine.label: engine for engine in told.values()})
    for fault in faults:
        run.out.problem(f"NOT RECORDED: {fault}")
    _printed(run, lambda: run.out.event("trail", recorded=not faults, faults=faults))
    return {"recorded": not faults, "faults": faults}


def _what(error: BaseException | None) -> str:
    if error is None:
        return ""
    return error.what if isinstance(error, OperatorError) else f"{type(error).__name__}: {error}"


def _past_the_hosts(
    run: Run,
    found: Mapping[str, Engine],
    verb: str,
    request: Mapping[str, Any],
    left: list[str],
    asked: Mapping[str, Outcome[Done]],
    minutes: Minutes,
) -> dict[str, Outcome[Done]]:
    """Act at the exchange from here in place of the hosts ``left``; the same outcome for each of them.

    Where that cannot even be tried, for want of keys here, what the hosts answered stands.
    """
    from mmctl.cli.direct import act

    for name in left:
        minutes.intend(found[name].label, way="direct")
        if name in asked:
            run.out.problem(f"{name}: {_what(asked[name].error).removeprefix(f'{name}: ')}")
    if asked:
        run.out.problem("acting from this machine straight at the exchange")
    begun = time.monotonic()
    outcome: Outcome[Done]
    try:
        proof, answer = act(run, found[left[0]].target, verb, str(request["reason"]), left)
        outcome = Outcome(Done("exchange", proof.text, answer), None, time.monotonic() - begun)
    except ConfigRefused as error:
        if asked:
            run.out.problem(error.what)
            return {}
        outcome = Outcome(None, error, time.monotonic() - begun)
    except OperatorError as error:
        outcome = Outcome(None, error, time.monotonic() - begun)
    return dict.fromkeys(left, outcome)


def confirmed(run: Run, verb: str, found: Mapping[str, Engine], typed: str) -> dict[str, str]:
    """Each host's account as the operator typed it: the account's name, or where hosts have an account each all of
    them with commas between. Raises UsageError without one, Refused for another one."""
    target = next(iter(found.values())).target.name
    names = ",".join(dict.fromkeys(engine.site.accounts[0] for engine in found.values()))
    if not typed and sys.stdin is not None and sys.stdin.isatty() and not run.json:
        sys.stderr.write(f"{verb} {target}: type the account's name ({names}): ")
        sys.stderr.flush()
        with suppress(UnicodeDecodeError):
            typed = sys.stdin.readline().strip()
    if not typed:
        raise UsageError(f"{verb} needs the account's name", f"Add --confirm {names}.")
    given = {name.strip() for name in typed.split(",")}
    chosen = {host: next((a for a in engine.site.accounts if a in given), "") for host, engine in found.items()}
    if not all(chosen.values()) or given - set(chosen.values()):
        raise Refused(
            f"{target} trades the account {names}, not {readable(typed)}; nothing was done",
            f"Check the target's name. All of its accounts: --confirm {names}. One host: TARGET:HOST.",
        )
    return chosen


def _act(run: Run, engine: Engine, verb: str, request: Mapping[str, Any]) -> Done:
    try:
        return _by_engine(run, engine, verb, request)
    except Exception as error:
        if verb == "breaker-reset" and isinstance(error, Unreachable):
            return _reset_stored(run, engine, request)
        if verb not in _PROVING:
            raise
        first = _what(error)  # whatever it was: the next way is tried
    run.out.progress(f"{engine.name}: {first}")
    run.out.progress(f"{engine.name}: the engine cannot prove it; asking the exchange by the sentinel")
    try:
        return _by_sentinel(run, engine, verb, str(request["reason"]))
    except Unreachable:
        raise
    except Exception as error:
        raise Unproved(
            f"{engine.name}: {verb} is NOT proved. Engine: {first}. Sentinel: {_what(error)}",
            "Check the account's open orders on the exchange itself, now.",
        ) from error


def _by_engine(run: Run, engine: Engine, verb: str, request: Mapping[str, Any]) -> Done:
    seconds = run.remaining(ENGINE_SECONDS)
    answer: Document = engine.client().control(verb, request, seconds)
    if verb not in _PROVING:
        return Done("engine", str(answer.get("message") or "acknowledged"), answer)
    proof = proof_of(answer, flat=verb == "flatten")
    if not proof.proved:
        raise Unproved(f"the engine answered, but {proof.text}")
    return Done("engine", proof.text, answer)


def sentinel_script(engine: Engine, verb: str, reason: str) -> str:
    """The remote command: the current release's sentinel, once, as the service's user with the host's secrets."""
    config, why, who = (shlex.quote(text) for text in (engine.site.layout.config, reason, operator()))
    return on_host(engine, f"engine.sentinel --config {config} --once {verb} --json --reason={why} --actor={who}")


def on_host(engine: Engine, arguments: str) -> str:
    """The remote command that runs a module of the current release as the service does; ``arguments`` are quoted."""
    layout = engine.site.layout
    command = as_service(layout, f"{shlex.quote(engine.site.launcher)} {arguments}")
    return script(f"cd {shlex.quote(layout.at('shared'))}", with_secrets(layout, command))


def _by_sentinel(run: Run, engine: Engine, verb: str, reason: str) -> Done:
    result = engine.transport.run(sentinel_script(engine, verb, reason), run.remaining(SENTINEL_SECONDS))
    answer = last_object(result.out)
    if answer is None:
        said = (result.err.strip() or result.out.strip() or f"it ended with code {result.rc}").splitlines()[-1]
        raise Unproved(f"the sentinel gave no answer: {said}")
    proof = proof_of(answer, flat=verb == "flatten")
    if result.rc != 0 or not proof.proved:
        raise Unproved(f"the sentinel ended with code {result.rc}: {proof.text}")
    return Done("sentinel", proof.text, answer)


def _reset_stored(run: Run, engine: Engine, request: Mapping[str, Any]) -> Done:
    """With no engine running, the halt is ended where it is stored; the next start may quote again."""
    config, reason = shlex.quote(engine.site.layout.config), shlex.quote(str(request.get("reason", "")))
    arguments = f"engine reset --config {config} --reason {reason} --actor {shlex.quote(operator())} --json"
    result = engine.transport.run(on_host(engine, arguments), run.remaining(SENTINEL_SECONDS))
    answer = last_object(result.out)
    if result.rc != 0 or answer is None:
        said = (result.err.strip() or result.out.strip() or f"it ended with code {result.rc}").splitlines()[-1]
        raise Refused(f"{engine.name}: the stored halt was not ended: {said}", "See mmctl breaker status.")
    return Done("stored state", str(answer.get("message") or "reset"), answer)
