"""``mmctl demo``: a local exchange, the engine deployed to the local target, and the dashboard; all stopped at the end.

The engine goes the way of every release: the same plan as over SSH, with the local transport and the built-in
supervisor. Without a terminal the live summary is printed for a while instead of the dashboard.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.config.environment import parse, render
from mmctl.cli import remains
from mmctl.cli.hangup import ending_with_the_terminal
from mmctl.cli.run import Run, current
from mmctl.client.engine import Client, section
from mmctl.client.site import site_of
from mmctl.fleet.errors import OperatorError, Refused, Unproved
from mmctl.fleet.inventory import Target, parse_fleet
from mmctl.fleet.local import LocalTransport
from mmctl.formats import number
from mmctl.ledger import anchor

NAME = "demo"
#: The recording that is replayed when MM_DATA names a folder with data.
RECORDING = "binance/recordings-2024-08-08/usdm-ethusdt.gz"
SANDBOX_SECONDS = 30.0
QUOTING_SECONDS = 60.0
LOOK_SECONDS = 0.1


class DemoFailed(OperatorError):
    """A part of the demo did not come up."""


@dataclass(frozen=True, slots=True)
class Market:
    """What the local exchange offers first: ``spot`` or ``usdm``, and a symbol."""

    kind: str
    symbol: str


SYNTHETIC = Market("spot", "ETHUSDT")
#: Quotes close to a market that trades several times a second, on a pair without maker fees, and patience with it.
LIVELY = (
    ("  base_spread: 0.001", "  base_spread: 0.0001"),
    ("  requote_tolerance: 0.1", "  requote_tolerance: 0.5"),
    ("    threshold: 5", "    threshold: 50"),
)
FLOW = ("--flow", "lively", "--spot-fees", "0", "10")


def demo(
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Recordings to replay; default: a synthetic market.")
    ] = None,
    duration: Annotated[float, typer.Option("--seconds", min=1, help="How long without a terminal.")] = 20.0,
) -> None:
    """An engine quoting against a local exchange, with its state on screen. Ends with q, and leaves nothing running."""
    run = current()
    recordings = list(data or _recording())
    for file in recordings:
        if not file.is_file():
            raise Refused(f"there is no recording {file}", "Leave --data out for a synthetic market.")
    from mmctl.ledger.audit import state_folder

    folder = state_folder() / NAME
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = state_folder() / "unfinished" / f"{NAME}.json"
    with ending_with_the_terminal(), _alone(folder), ExitStack() as stack:
        left = remains.clear(folder, unfinished)
        if left:
            run.out.progress(f"ended {left} processes that an earlier demo had left")
        ports = _ports(folder)
        started = stack.enter_context(exchange(run, folder, ports["exchange"], recordings))
        # A recording decides what is traded; the synthetic market is known, so the build need not wait for it.
        market = started.wait() if recordings else SYNTHETIC
        target = configure(folder, ports, market)
        transport = LocalTransport(NAME)
        stack.callback(_stop_engine, run, target, transport)
        client = Client(transport, ports["engine"])
        try:
            deploy(run, target, transport, started, client)
        except DemoFailed:
            raise
        except OperatorError as error:
            run.out.problem(f"{error.what}; what was installed is made anew")
            remains.clear(folder, unfinished, keep=started.process.pid)
            remains.forget(folder, anchor.place(NAME, transport.name, str(target.root)))
            deploy(run, target, transport, started, client)
        seconds = wait_until_quoting(run, client)
        run.out.event("quoting", seconds=round(seconds, 2), market=market.kind, symbol=market.symbol)
        run.out.progress(f"quoting {market.symbol} {seconds:.1f} s after the command")
        if sys.stdout.isatty() and sys.stdin.isatty() and not run.json:
            _dashboard(client)
        else:
            _summary(run, client, duration)
    run.out.progress("stopped: no order is left, nothing runs")


def _recording() -> list[Path]:
    folder = os.environ.get("MM_DATA")
    file = Path(folder) / RECORDING if folder else None
    return [file] if file is not None and file.is_file() else []


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demo at a time for one user: they would share an engine."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused("another demo is running", "End it first, or use MMCTL_STATE for a second one.") from None
        yield


def _ports(folder: Path) -> dict[str, int]:
    """The ports of the last demo where they are still free, else others: the same ones make a deploy unchanged."""
    known = parse((folder / "ports").read_bytes()).values if (folder / "ports").exists() else {}
    ports = {name: _free(int(known.get(name, "0") or 0)) for name in ("exchange", "engine")}
    (folder / "ports").write_text("".join(f"{name}={port}\n" for name, port in ports.items()))
    return ports


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise DemoFailed("there is no free port on 127.0.0.1")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The sandbox exchange's process, and the files by which it says that it is ready and why it is not."""

    process: "subprocess.Popen[bytes]"
    ready: Path
    log: Path
    seconds: float

    def check(self) -> None:
        """Raises DemoFailed with its last words when it has ended."""
        if self.process.poll() is not None:
            raise DemoFailed(f"the local exchange ended: {_last_line(self.log)}", f"Its log is {self.log}.")

    def wait(self) -> Market:
        """Its first market, once it is up. Raises DemoFailed with its last words."""
        end = time.monotonic() + self.seconds
        while not self.ready.exists():
            self.check()
            if time.monotonic() > end:
                raise DemoFailed("the local exchange did not come up in time", f"Its log is {self.log}.")
            time.sleep(LOOK_SECONDS / 2)
        kind, _, symbol = json.loads(self.ready.read_text())["markets"][0].partition(":")
        return Market(kind, symbol)

    def end(self) -> None:
        """End the exchange's process: a request first, after 10 s by force."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def exchange(run: Run, folder: Path, port: int, recordings: list[Path]) -> Iterator[Exchange]:
    """The sandbox exchange as a process of its own; it ends with the context."""
    ready, log = folder / "exchange.ready", folder / "exchange.log"
    ready.unlink(missing_ok=True)
    # Listening begins here and goes on there: whoever connects before the exchange is up waits in the backlog, so the
    # engine's own start need not wait for the exchange's.
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    command = [sys.executable, "-m", "engine.sandbox", "--ready-file", str(ready), "--quiet"]
    command += ["--port", str(port), "--listen-fd", str(listener.fileno())]
    command += (
        ["--data", *map(str, recordings)]
        if recordings
        else ["--symbols", f"{SYNTHETIC.kind}:{SYNTHETIC.symbol}", *FLOW]
    )
    run.out.progress(f"starting the local exchange on port {port}" + (", replaying" if recordings else ", synthetic"))
    with listener, log.open("w") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=_module_path(),
            pass_fds=(listener.fileno(),),
        )
    started = Exchange(process, ready, log, run.remaining(SANDBOX_SECONDS))
    try:
        yield started
    finally:
        started.end()


def _module_path() -> dict[str, str]:
    """Our environment, in which ``-m engine.sandbox`` finds this very installation from any folder."""
    import mmctl

    top = str(Path(mmctl.__file__).resolve().parent.parent)
    path = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{top}{os.pathsep}{path}" if path else top}


def _last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def configure(folder: Path, ports: dict[str, int], market: Market) -> Target:
    """Writes the demo's config, secrets and fleet; the same content as before where nothing changed."""
    from mmctl.release.assets import asset

    template = asset("configs/config.yaml").read_text(encoding="utf-8")
    text = _replaced(template, "  market: spot", f"  market: {market.kind}")
    text = _replaced(text, "  symbol: ETHUSDT", f"  symbol: {market.symbol}")
    text = _replaced(text, "  # run it beside the engine\n  enabled: true", "  # the demo has none\n  enabled: false")
    for line, by in LIVELY if market == SYNTHETIC else ():
        text = _replaced(text, line, by)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    env_file = folder / "demo.env"
    known = parse(env_file.read_bytes()).values if env_file.exists() else {}
    token = known.get("MM_CONTROL_TOKEN") or secrets.token_hex(32)
    at = f"127.0.0.1:{ports['exchange']}"
    values = {
        "MM_SANDBOX_REST": f"http://{at}",
        "MM_SANDBOX_STREAM": f"ws://{at}",
        "MM_SANDBOX_WS_API": f"ws://{at}",
        "MM_PORT": str(ports["engine"]),
        "MM_CONTROL_TOKEN": token,
    }
    descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(render(values).decode())
    fleet = (
        f"default: {NAME}\ntargets:\n  {NAME}:\n    transport: local\n    environment: sandbox\n    account: sandbox\n"
        f"    root: host\n    config: config.yaml\n    env_file: demo.env\n    api_port: {ports['engine']}\n"
    )
    file_path = folder / "fleet.yaml"
    file_path.write_text(fleet, encoding="utf-8")
    return parse_fleet(fleet, file_path).target(NAME)


def _replaced(text: str, line: str, by: str) -> str:
    if f"\n{line}\n" not in text:
        raise DemoFailed(f"configs/config.yaml has no line '{line.strip()}'", "Install mmctl again.")
    return text.replace(f"\n{line}\n", f"\n{by}\n", 1)


def deploy(run: Run, target: Target, transport: LocalTransport, started: Exchange, client: Client) -> None:
    """The eight steps on the local target; a start where the release is there already and only stopped."""
    from mmctl.cli.deploy import show
    from mmctl.release import runs, service
    from mmctl.release.plan import START
    from mmctl.release.prepare import Event

    def tell(event: Event) -> None:
        show(run, event)
        if event.state == "running" and event.number == START:
            run.out.progress("      starting; the first time here the kernels are compiled, which takes up to a minute")

    site = runs.Site(target, {transport.name: transport}, run.run_id, f"mmctl {NAME}")
    prepared = runs.prepare(site, tell)
    try:
        runs.deploy(site, prepared, tell)
    except OperatorError:
        started.check()  # an exchange that died is the cause, the engine that found none only its effect
        raise
    if not answers(client) and not service.read_state(transport, site.layout, sys.executable).running:
        service.start(transport, site.layout, sys.executable, site_of(target).port)


def answers(client: Client) -> bool:
    """Whether an engine answers: asking it is quicker than asking the supervisor, which is a process of its own."""
    try:
        client.state()
    except OperatorError:
        return False
    return True


def wait_until_quoting(run: Run, client: Client) -> float:
    """Waits for the first quote; returns the seconds since the command. Raises DemoFailed with the engine's reason."""
    end = time.monotonic() + run.remaining(QUOTING_SECONDS)
    reason = "it does not answer"
    while time.monotonic() < end:
        try:
            engine = section(client.state(), "engine")
            if engine.get("quoting"):
                return time.monotonic() - run.started
            reason = str(engine.get("not_quoting_reason") or "it gives no reason")
        except OperatorError as error:
            reason = error.what
        time.sleep(LOOK_SECONDS)
    raise DemoFailed(f"the engine is not quoting after {QUOTING_SECONDS:.0f} s: {reason}")


def _dashboard(client: Client) -> None:
    from mmctl.tui.app import Dashboard
    from mmctl.tui.live import EngineSource
    from mmctl.tui.terminal import show

    show(Dashboard(NAME, [EngineSource(NAME, client)]))


def _summary(run: Run, client: Client, duration: float) -> None:
    """One line a second: prices, our quotes, position, profit, orders. An engine that falls silent is said so."""
    end = time.monotonic() + run.remaining(duration)
    silent = 0
    while time.monotonic() < end:
        try:
            state = client.state()
        except OperatorError as error:
            silent += 1
            run.out.problem(error.what)
            if silent >= 5:
                raise
        else:
            silent = 0
            run.out.event("summary", state=state)
            run.out.say(summary_line(state))
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))


def summary_line(state: dict[str, Any]) -> str:
    """One line of live figures; ``-`` for what the engine does not say."""
    symbol, values = next(iter(section(state, "symbols").items()), ("?", {}))
    book, quote, position = section(values, "book"), section(values, "quote"), section(values, "position")
    pnl, orders, engine = section(state, "pnl"), section(state, "orders"), section(state, "engine")
    doing = "quoting" if engine.get("quoting") else f"not quoting ({engine.get('not_quoting_reason')})"
    return (
        f"{symbol} {number(book.get('bid'))}/{number(book.get('ask'))}  "
        f"ours {number(quote.get('bid'))}/{number(quote.get('ask'))}  "
        f"position {number(position.get('base'))}  profit {number(pnl.get('total'), 4)} {pnl.get('currency') or ''}  "
        f"markout 1s {number(section(values, 'markouts_bps').get('1'), 2)} bps  "
        f"orders {number(orders.get('placed'))} fills {number(pnl.get('fills'))}  {doing}"
    )


def _stop_engine(run: Run, target: Target, transport: LocalTransport) -> None:
    """Stops the engine with its proof of zero open orders, whatever happened before."""
    from mmctl.release import service
    from mmctl.remote.layout import layout_of

    run.out.progress("stopping the engine")
    try:
        service.stop(transport, layout_of(target), sys.executable)
    except Refused:
        return  # nothing was ever deployed, so nothing runs
    except Unproved as error:
        run.out.problem(f"{error.what}; the exchange was a local one and ends now")
