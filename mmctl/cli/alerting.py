"""``mmctl monitoring relay|test-alert|baseline``: what carries alerts to people, its proof, and what is usual."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from mmctl.cli.run import current, seconds
from mmctl.fleet.channels import PRIORITIES
from mmctl.fleet.errors import ConfigRefused, Unproved, UsageError
from mmctl.fleet.inventory import load_fleet
from mmctl.fleet.monitoring import Monitoring
from mmctl.monitoring import baseline as baselines
from mmctl.monitoring.alertmanager import gathered_s
from mmctl.monitoring.plan import ALERTMANAGER_PORT, PROMETHEUS_PORT, RELAY_PORT
from mmctl.monitoring.proof import Chain, links, prove
from mmctl.monitoring.relay.deadman import PATIENCE_S
from mmctl.monitoring.relay.running import relay_of
from mmctl.monitoring.send.ask import Service, at_url, on_host

PROMETHEUS = f"http://127.0.0.1:{PROMETHEUS_PORT}"
ALERTMANAGER = f"http://127.0.0.1:{ALERTMANAGER_PORT}"
PrometheusOption = Annotated[str, typer.Option("--prometheus", metavar="URL", help="Where Prometheus answers.")]
AlertmanagerOption = Annotated[str, typer.Option("--alertmanager", metavar="URL", help="Where Alertmanager answers.")]
#: A relay that was just started has the Watchdog within fifteen seconds.
PROOF_SECONDS = 60.0
ONLY = "this one, not the monitoring host's"
OtherPrometheus = Annotated[str | None, typer.Option("--prometheus", metavar="URL", help=f"Ask {ONLY}.")]
OtherAlertmanager = Annotated[str | None, typer.Option("--alertmanager", metavar="URL", help=f"Send to {ONLY}.")]
OtherRelay = Annotated[str | None, typer.Option("--relay", metavar="URL", help=f"Ask {ONLY}.")]


def relay(
    prometheus: PrometheusOption = PROMETHEUS,
    alertmanager: AlertmanagerOption = ALERTMANAGER,
    address: Annotated[str, typer.Option("--listen", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")] = RELAY_PORT,
    patience: Annotated[str, typer.Option(help="How long the Watchdog may stay away.")] = f"{PATIENCE_S:g}s",
) -> None:
    """Carry Alertmanager's alerts to channels it cannot speak to, and say so when alerting itself is dead."""
    run = current()
    fleet = load_fleet(run.fleet)
    channels = fleet.monitoring.channels
    if not channels:
        raise ConfigRefused(f"{fleet.file or 'the fleet'} has no channel", "write monitoring.channels into it")
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            run.out.event("relay", message=line)
            run.out.say(line)

    relay_of(channels, prometheus, alertmanager, seconds(patience), say).serve(address, port)


def send_test_alert(
    priority: Annotated[str, typer.Option(help="P0, P1, P2 or P3: whose channels are tried.")] = "P0",
    prometheus: OtherPrometheus = None,
    alertmanager: OtherAlertmanager = None,
    relay_at: OtherRelay = None,
) -> None:
    """Send one alert through the real chain and prove its arrival at every channel. Exit 5 where one is not proved."""
    run = current()
    if priority not in PRIORITIES:
        raise UsageError(f"there is no priority {priority!r}", f"one of {', '.join(PRIORITIES)}")
    fleet = load_fleet(run.fleet)
    wanted = [channel for channel in fleet.monitoring.channels if priority in channel.priorities]
    if not wanted:
        raise ConfigRefused(f"no channel of {fleet.file or 'the fleet'} takes {priority}", "write monitoring.channels")
    section = fleet.monitoring
    ports = (section.prometheus_port or PROMETHEUS_PORT, section.alertmanager_port or ALERTMANAGER_PORT, RELAY_PORT)
    with _services(section, (prometheus, alertmanager, relay_at), ports) as parts:
        chain = Chain(*parts)
        given = run.remaining(1.5 * PROOF_SECONDS + gathered_s(priority))
        end = time.monotonic() + given
        proofs = links(chain, min(PROOF_SECONDS, given) / 2)
        proofs += prove(chain, section.channels, priority, max(0.0, end - time.monotonic()))
    for proof in proofs:
        run.out.event("proof", what=proof.what, proved=proof.proved, message=proof.said, limits=proof.limits)
    rows = [("yes" if p.proved else "NO", p.what, p.said, p.limits) for p in proofs]
    run.out.table(("proved", "what", "seen", "not proved by it"), rows)
    lacking = [proof.what for proof in proofs if not proof.proved]
    run.out.result(priority=priority, proved=not lacking, lacking=lacking)
    if lacking:
        raise Unproved(f"not proved: {', '.join(lacking)}", "an alert of this priority may reach nobody")


def baseline(
    since: Annotated[str, typer.Option(help="How far back: 48h, 2d.")] = "2d",
    target: Annotated[str | None, typer.Option(help="Only the engines of this target: that of the testnet.")] = None,
    prometheus: OtherPrometheus = None,
) -> None:
    """Measure what is usual over a testnet run, and keep it beside the fleet file; render makes alerts of it."""
    run = current()
    fleet = load_fleet(run.fleet)
    file = baselines.place(fleet.file)
    of = fleet.target(target).name if target else ""
    port = fleet.monitoring.prometheus_port or PROMETHEUS_PORT
    with _services(fleet.monitoring, (prometheus,), (port,)) as (source,):
        found = baselines.collect(source, baselines.ago(seconds(since)), datetime.now(UTC), of)
    baselines.keep(found, file)
    for key, why in found.left_out.items():
        run.out.event("left_out", figure=key, message=why)
        run.out.problem(f"{key} is not in it: {why}")
    rows = [(key, f"{one.mean:.6g}", f"{one.spread:.6g}", str(one.samples)) for key, one in found.figures.items()]
    run.out.table(("figure", "mean", "spread", "averages"), rows)
    run.out.result(file=str(file), figures=len(rows), left_out=dict(found.left_out))
    run.out.say(f"{file}: {len(rows)} figures; `mmctl monitoring render` makes their alerts")


@contextmanager
def _services(section: Monitoring, given: Sequence[str | None], ports: Sequence[int]) -> Iterator[tuple[Service, ...]]:
    """Each part at the address that is given for it, or on its port of the monitoring host, or of this one."""
    from mmctl.fleet.ssh import SshTransport

    transport = SshTransport(section.host) if section.host is not None and None in given else None

    def part(url: str | None, port: int) -> Service:
        if url:
            return at_url(url.rstrip("/"))
        return on_host(transport, port) if transport else at_url(f"http://127.0.0.1:{port}")

    try:
        yield tuple(part(url, port) for url, port in zip(given, ports, strict=True))
    finally:
        if transport:
            transport.close()
