"""From the TARGET on the command line to engines that can be asked, and one act on each of them at once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from engine.config.document import read
from engine.config.environment import parse
from mmctl.cli.offered import targets
from mmctl.cli.run import Run
from mmctl.client.engine import READ_SECONDS, Client
from mmctl.client.site import Site, site_of
from mmctl.fleet.accounts import obstacle
from mmctl.fleet.errors import FAILED, MIXED, OperatorError, Refused
from mmctl.fleet.inventory import Fleet, Host, Target, load_fleet
from mmctl.fleet.login import operator
from mmctl.fleet.open import open_transport
from mmctl.fleet.parallel import Outcome, exit_code_of, on_each
from mmctl.fleet.transport import CONNECT_SECONDS, Transport

T = TypeVar("T")


TargetArg = Annotated[
    str | None,
    typer.Argument(
        metavar="[TARGET]",
        help="A target of the fleet, or TARGET:HOST; the fleet's default if left out.",
        autocompletion=targets,
    ),
]

MONITORING = "monitoring"
#: What one look at one host may take, seconds: connecting and a few answers.
LOOK_SECONDS = 20.0
#: What reading one file of the control token's may take, seconds: an emergency has other ways to try.
TOKEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine of a target, reachable through ``transport``."""

    target: Target
    host: Host
    transport: Transport
    site: Site

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.host.name

    @property
    def label(self) -> str:
        """Target and host, as the audit trail names them."""
        return f"{self.target.name}:{self.host.name}"

    def client(self, read_seconds: float | None = None) -> Client:
        """Its HTTP client; the control token is read from the host when it is first needed."""
        return Client(self.transport, self.site.port, self.token, read_seconds or READ_SECONDS, operator())

    def token(self) -> str:
        """The control token the host's configuration gives; empty when it gives none: then the engine refuses.

        Read leniently: an engine whose configuration no longer loads must still be stopped.
        """
        layout = self.site.layout
        config = self.transport.get(layout.config, TOKEN_SECONDS).decode("utf-8", "replace")
        try:
            secrets = parse(self.transport.get(layout.env_file, TOKEN_SECONDS)).values
        except OperatorError:
            secrets = {}
        monitoring = read(config, layout.config, secrets.get).data.get("monitoring")
        token = monitoring.get("control_token") if isinstance(monitoring, Mapping) else None
        return str(token or "")


def target_of(run: Run, wanted: str | None) -> Target:
    """The target that is meant. Raises UsageError or FleetFileError."""
    return load_fleet(run.fleet).target(wanted)


def recorded_target(run: Run, wanted: str | None) -> Target:
    """``target_of``, or the monitoring host by the name of its section: it has a lock and an audit trail, too."""
    fleet = load_fleet(run.fleet)
    if wanted == MONITORING and MONITORING not in fleet.targets:
        return monitoring_target(fleet)
    return fleet.target(wanted)


def monitoring_target(fleet: Fleet) -> Target:
    """The monitoring host as a target of its own: its lock and its audit trail lie beside the files. Raises Refused."""
    from mmctl.monitoring.provisioning import ROOT

    host = fleet.monitoring.host
    if host is None:
        at = fleet.monitoring.at if fleet.file else "the fleet"
        raise Refused(f"{at} names no monitoring host", "write `monitoring: {host: {address: ...}}` into it")
    return Target(
        MONITORING, "ssh", (host,), environment="", account="", config=Path(), root=ROOT, members=(host,),
        at=fleet.monitoring.at,
    )  # fmt: skip


def quoting_target(run: Run, wanted: str | None) -> Target:
    """``target_of`` for a verb after which engines may quote. Raises Refused where two hosts would quote one account,
    or where the fleet file and the config name different ones."""
    fleet = load_fleet(run.fleet)
    target = fleet.target(wanted)
    error = obstacle(fleet, target)
    if error is not None:
        raise error
    return target


def not_to_quote(run: Run, wanted: str | None) -> str:
    """What ``quoting_target`` refuses the target with; empty where it does not."""
    fleet = load_fleet(run.fleet)
    return str(obstacle(fleet, fleet.target(wanted)) or "")


@contextmanager
def engines(run: Run, wanted: str | None, connect_seconds: float = CONNECT_SECONDS) -> Iterator[dict[str, Engine]]:
    """Every engine of the target by host name; connections are made when first used and closed at the end."""
    target = target_of(run, wanted)
    with ExitStack() as stack:
        found: dict[str, Engine] = {}
        for host in target.hosts:
            transport = open_transport(target, host, connect_seconds)
            stack.callback(transport.close)
            own = target.on(host)
            found[host.name] = Engine(own, host, transport, site_of(own))
        yield found


def ask_each(
    run: Run, found: Mapping[str, Engine], act: Callable[[Engine], T], seconds: float = LOOK_SECONDS
) -> dict[str, Outcome[T]]:
    """``act`` on every engine at once, each bounded by ``seconds`` and the run's deadline."""
    return on_each(found, lambda _, engine: act(engine), run.remaining(seconds))


def finish(run: Run, outcomes: Mapping[str, Outcome[T]]) -> None:
    """Reports every host that failed and ends the run with the code that fits: 0, the common one, or 3 when mixed."""
    from mmctl.cli.errors import describe

    first_hint = ""
    for name, outcome in outcomes.items():
        if outcome.error is None:
            continue
        code, what, hint = describe(outcome.error)
        run.out.event("host_error", host=name, exit_code=code, message=what, next_step=hint)
        run.out.problem(what if what.startswith(name) else f"{name}: {what}")
        first_hint = first_hint or hint
    code = exit_code_of(outcomes, MIXED, FAILED)
    if code:
        if first_hint:
            run.out.problem(first_hint)
        raise typer.Exit(code)


def only_one(run: Run, found: Mapping[str, Engine], what: str) -> Engine:
    """The one engine of the target. Raises UsageError when there are several and none was named."""
    from mmctl.fleet.errors import UsageError

    if len(found) != 1:
        names = ", ".join(f"{engine.target.name}:{name}" for name, engine in found.items())
        raise UsageError(f"{what} needs one host", f"Name one of {names}.")
    return next(iter(found.values()))
