"""``mmctl secrets set|rotate|list|forget``: what only the host may know. Values come from a prompt, stdin or a file."""

import getpass
import re
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mmctl.cli.deploy import Yes, confirm, site
from mmctl.cli.offered import secret_names, targets
from mmctl.cli.reach import TargetArg, finish
from mmctl.cli.run import Run, current
from mmctl.client.site import site_of
from mmctl.fleet.errors import ConfigRefused, OperatorError, Refused, UsageError
from mmctl.fleet.parallel import on_each
from mmctl.formats import age
from mmctl.release import kept, runs
from mmctl.release import secrets as acts

LOOK_SECONDS = 20.0
STDIN = "-"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

app = typer.Typer(help="Secrets that are the hosts' own: set, rotated, listed; never shown.")

Target_ = Annotated[
    str, typer.Argument(metavar="TARGET", help="A target of the fleet, or TARGET:HOST.", autocompletion=targets)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", autocompletion=secret_names, help="Variables that the config names."),
]
From = Annotated[
    str, typer.Option("--from", metavar="FILE", help="Names and values as an environment file; - for stdin.")
]
All = Annotated[
    bool, typer.Option("--all-hosts", help="The same value on every host, although each has an account of its own.")
]


@app.command("set")
def set_(target: Target_, names: Names = None, source: From = "", all_hosts: All = False, yes: Yes = False) -> None:
    """Write secrets on the hosts: 0600, root's, over stdin. The engine takes them at its next start.

    A value comes from a prompt that shows nothing, or from stdin for one NAME, or from --from. What is set here is the
    host's own: a deploy keeps it, whatever the fleet's env_file says, until `mmctl secrets forget`.
    """
    _write("set", target, names, source, all_hosts, yes)


@app.command()
def rotate(target: Target_, names: Names = None, source: From = "", all_hosts: All = False, yes: Yes = False) -> None:
    """Set secrets and restart the engines with them, host by host. All hosts take them, or none does.

    The exchange is asked with the new key from each host before anything changes; an engine that does not come up
    with it gets the old one back (exit code 4).
    """
    _write("rotate", target, names, source, all_hosts, yes)


@app.command()
def forget(
    target: Target_,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=secret_names)],
    yes: Yes = False,
) -> None:
    """Give secrets back: the next deploy brings the env_file's value; where there is no env_file they are removed."""
    run = current()
    with site(run, target) as hosts:
        confirm(run, hosts.target, yes, f"Give back {', '.join(names)}")
        with runs.recorded(hosts, "secrets forget", {"names": names}) as outcome:
            found = kept.look_all(hosts.transports, hosts.layout)
            plans = {
                name: kept.without(there, tuple(names), remove=hosts.target.at_host(name).env_file is None)
                for name, there in found.items()
            }
            acts.change(hosts, plans, None, run.out.progress)
            outcome["hosts"] = {name: plan.fingerprints for name, plan in plans.items()}
    for name in plans:
        run.out.event("done", host=name, verb="secrets forget", names=names)
        run.out.say(f"{name}: {', '.join(names)}: no longer the host's own")
    run.out.result(verb="secrets forget", hosts=sorted(plans))


@app.command("list")
def list_(target: TargetArg = None) -> None:
    """Names, ages and fingerprints of the secrets on every host; never a value.

    The age of what came with a deploy is that of the file. `env_file`: what the fleet's file here says of the name.
    """
    run = current()
    with site(run, target) as hosts:
        outcomes = on_each(
            hosts.transports, lambda _, transport: kept.look(transport, hosts.layout), run.remaining(LOOK_SECONDS)
        )
        files = {name: _env_file(run, hosts, name) for name in outcomes}
    rows = []
    for host, outcome in outcomes.items():
        if outcome.value is None:
            continue
        for one in rows_of(outcome.value, files[host], time.time()):
            run.out.event("secret", host=host, **one)
            rows.append((host, one["name"], one["fingerprint"], age(one["age_s"]), one["by"], one["env_file"]))
    run.out.table(("host", "name", "fingerprint", "age", "set by", "env_file"), rows)
    run.out.result(secrets=len(rows))
    finish(run, outcomes)


def rows_of(found: kept.OnHost, file: Mapping[str, str] | None, now: float) -> list[dict[str, Any]]:
    """What ``list`` shows of one host. ``file``: the env_file's values here, None where the target has none."""
    rows: list[dict[str, Any]] = []
    for name, value in sorted(found.values.items()):
        mark = found.marks.get(name)
        since = datetime.fromisoformat(mark.at).timestamp() if mark else found.written
        here = "-" if file is None or name not in file else "same" if file[name] == value else "differs"
        if mark is not None and here == "differs":
            here = "differs; the host's own wins"
        rows.append({
            "name": name, "fingerprint": kept.fingerprint(name, value), "own": mark is not None,
            "age_s": None if since is None else max(0.0, now - since), "by": mark.by if mark else "a deploy",
            "env_file": here,
        })  # fmt: skip
    return rows


def _env_file(run: Run, hosts: runs.Site, name: str) -> Mapping[str, str] | None:
    from mmctl.release.desired import read_environment

    target = hosts.target.at_host(name)
    if target.env_file is None:
        return None
    try:
        return read_environment(target)[1]
    except OperatorError as error:
        run.out.problem(error.what)
        return None


def _write(verb: str, wanted: str, names: list[str] | None, source: str, all_hosts: bool, yes: bool) -> None:
    run = current()
    with site(run, wanted, quotes=verb == "rotate") as hosts:
        target = hosts.target
        accounts = {target.at_host(name).account for name in hosts.transports}
        if len(accounts) > 1 and not all_hosts:
            raise Refused(
                f"the hosts of {target.name} have an account each: {', '.join(sorted(accounts))}",
                f"name one host, {target.name}:{next(iter(hosts.transports))}, or say --all-hosts",
            )
        new = read_new(names or [], source, run.json)
        confirm(run, target, yes, f"{verb.capitalize()} {', '.join(new)}")
        detail = {"names": {name: kept.fingerprint(name, value) for name, value in new.items()}}
        with runs.recorded(hosts, f"secrets {verb}", detail) as outcome:
            plans = {
                host: kept.with_new(found, new) for host, found in kept.look_all(hosts.transports, hosts.layout).items()
            }
            outcome["hosts"] = {host: plan.fingerprints for host, plan in plans.items()}
            ports = {host: site_of(target.at_host(host)).port for host in plans} if verb == "rotate" else None
            said = acts.change(hosts, plans, ports, run.out.progress)
    for host, message in said.items():
        run.out.event("done", host=host, verb=f"secrets {verb}", message=message, names=detail["names"])
        shown = ", ".join(f"{name} {print_}" for name, print_ in detail["names"].items())
        run.out.styled(f"{host}: {shown}: {message}", "green")
    run.out.result(verb=f"secrets {verb}", hosts=sorted(said), names=detail["names"])


def read_new(names: list[str], source: str, json_mode: bool) -> dict[str, str]:
    """The names and values that are asked for: of ``source``, of stdin for one name, or of a prompt.

    Raises UsageError and ConfigRefused; what they say holds no value.
    """
    for name in names:
        if not NAME.fullmatch(name):
            shown = name.partition("=")[0]
            if "=" in name and NAME.fullmatch(shown):
                raise UsageError(
                    f"a value of {shown} on the command line stays in the shell's history and was seen by every "
                    "process here: it is not used",
                    "Take another secret, and give it at the prompt, by stdin or --from FILE.",
                )
            raise UsageError("a name holds letters, digits and _, and does not begin with a digit")
    if source:
        return _from_file(names, source)
    if not names:
        raise UsageError("which secret?", "Give a NAME, or --from FILE.")
    if sys.stdin.isatty() and not json_mode:
        return {name: checked_value(name, getpass.getpass(f"{name}: ").encode()) for name in names}
    if len(names) > 1:
        raise UsageError("stdin holds one value; here are several names", "Give NAME=value lines with --from -.")
    return {names[0]: checked_value(names[0], sys.stdin.buffer.read())}


def _from_file(names: list[str], source: str) -> dict[str, str]:
    from engine.config.environment import parse
    from mmctl.release.desired import refuse_open

    if source == STDIN:
        data = sys.stdin.buffer.read()
    else:
        refuse_open(Path(source))
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {source}: {error.strerror}") from None
    found = parse(data)
    if found.faults:
        raise ConfigRefused("\n".join(f"{source}:{fault.line}: {fault.message}" for fault in found.faults))
    missing = [name for name in names if name not in found.values]
    if missing:
        raise ConfigRefused(f"{source} does not hold {', '.join(missing)}")
    chosen = {name: found.values[name] for name in names or found.values}
    if not chosen:
        raise ConfigRefused(f"{source} holds no NAME=value line")
    return {name: checked_value(name, value.encode()) for name, value in chosen.items()}


def checked_value(name: str, data: bytes) -> str:
    """A value as it was typed, piped or pasted, without the end of its line. Raises ConfigRefused without it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigRefused(f"the value of {name} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigRefused(f"the value of {name} is empty", "Was nothing piped in?")
    if text != text.strip():
        raise ConfigRefused(f"the value of {name} begins or ends with a blank", "Was more copied than the secret?")
    if "\0" in text:
        raise ConfigRefused(f"the value of {name} holds a NUL byte")
    if text.startswith(f"{name}="):
        raise ConfigRefused(f"the value of {name} begins with {name}=", "Give the value alone, or lines with --from -.")
    return text
