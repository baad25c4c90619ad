"""``mmctl journal accept``: an engine that refuses its journal may read the ledger from the exchange's own trades."""

import shlex
from typing import Annotated

import typer

from mmctl.cli.emergency import Confirm, Done, confirmed, on_host
from mmctl.cli.reach import Engine, TargetArg, ask_each, engines, finish
from mmctl.cli.recorded import act_recorded
from mmctl.cli.run import current
from mmctl.fleet.errors import Refused, UsageError
from mmctl.fleet.login import operator
from mmctl.watch.proof import last_object

app = typer.Typer(help="The journal of an engine that refuses to start on it.")
SECONDS = 40.0


@app.callback()
def journal() -> None:
    """The journal of an engine that refuses to start on it."""


@app.command("accept")
def accept(
    target: TargetArg = None,
    reason: Annotated[str, typer.Option("--reason", help="Why the journal is lost; kept in the audit trail.")] = "",
    confirm: Confirm = "",
) -> None:
    """Let the next start read the ledger from every trade of ours the exchange lists, and prove it; nothing starts."""
    if not reason.strip():
        raise UsageError("why is the journal not the one the engine led with?", "Give --reason; the audit keeps it.")
    run = current()
    with engines(run, target) as found:
        confirmed(run, "journal accept", found, confirm)

        def one(engine: Engine) -> Done:
            return act_recorded(run, engine, "journal-accept", reason, lambda: _accept(engine, reason))

        outcomes = ask_each(run, found, one, SECONDS + 10)
        for name, outcome in outcomes.items():
            if outcome.value is not None:
                run.out.event("done", host=name, verb="journal-accept", message=outcome.value.text)
                run.out.styled(f"{name}: {outcome.value.text}; `mmctl start` does it", "green")
    finish(run, outcomes)


def _accept(engine: Engine, reason: str) -> Done:
    config = shlex.quote(engine.site.layout.config)
    words = f"--reason {shlex.quote(reason)} --actor {shlex.quote(operator())} --json"
    result = engine.transport.run(on_host(engine, f"engine accept --config {config} {words}"), SECONDS)
    answer = last_object(result.out)
    if result.rc != 0 or answer is None:
        said = (result.err.strip() or result.out.strip() or f"it ended with code {result.rc}").splitlines()[-1]
        raise Refused(f"{engine.name}: nothing was accepted: {said}", "`mmctl stop` first, where an engine runs.")
    return Done("host", str(answer.get("message") or "accepted"), answer)
