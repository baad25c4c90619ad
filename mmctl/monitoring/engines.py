"""From the fleet to the plan of a monitoring host: every engine host of every target, and where its metrics are."""

from mmctl.client.site import site_of
from mmctl.fleet.errors import UsageError
from mmctl.fleet.inventory import Fleet, Host, Target
from mmctl.monitoring import baseline
from mmctl.monitoring.boards.model import LANGUAGES, Language
from mmctl.monitoring.plan import COMMITTED, RELAY_PORT, Plan, Scraped, canonical


def plan_of(fleet: Fleet, target: Target | None = None, language: Language | None = None) -> Plan:
    """The plan for all targets of ``fleet`` that are not this machine itself, or for ``target`` alone.

    Where the fleet names no host, the plan is that of the committed files: one engine on the monitoring host itself.
    """
    section = fleet.monitoring
    chosen = [target] if target is not None else [each for each in fleet.targets.values() if not each.local]
    engines = tuple(_scraped(each, host, section.host) for each in chosen for host in each.hosts)
    return Plan(
        engines=engines or COMMITTED.engines,
        language=language or spoken(section.language),
        runbooks=section.runbooks or COMMITTED.runbooks,
        grafana=section.grafana or COMMITTED.grafana,
        prometheus_port=section.prometheus_port or COMMITTED.prometheus_port,
        alertmanager_port=section.alertmanager_port or COMMITTED.alertmanager_port,
        channels=section.channels,
        baseline=baseline.load(baseline.place(fleet.file)),
    )


def spoken(word: str) -> Language:
    """The language of that name. Raises UsageError."""
    for language in LANGUAGES:
        if language == word:
            return language
    raise UsageError(f"there is no language {word!r}", f"one of {', '.join(LANGUAGES)}")


def _scraped(target: Target, host: Host, monitoring: Host | None) -> Scraped:
    """An engine that runs on the monitoring host itself is reached there, whatever its listener is bound to."""
    site = site_of(target.on(host))
    here = target.local or (monitoring is not None and canonical(monitoring.address) == canonical(host.address))
    return Scraped(
        instance=f"{target.name}:{host.name}",
        address="127.0.0.1" if here else host.address,
        port=site.metrics_port,
        target=target.name,
        environment=target.environment,
        listens=site.listens,
        account=target.on(host).account,
    )


def faults(plan: Plan) -> list[str]:
    """What keeps Prometheus from reading the engines as planned, for people; empty where nothing does."""
    found = [
        f"{engine.instance}: its metrics listen on {engine.listens} alone, so Prometheus cannot read {engine.place};"
        " write the address of its own network into monitoring.host of its config"
        for engine in plan.engines
        if engine.unreachable
    ]
    own: dict[int, str] = {RELAY_PORT: "the alert relay"} if plan.channels else {}
    for port, name in ((plan.prometheus_port, "Prometheus"), (plan.alertmanager_port, "Alertmanager")):
        first = own.setdefault(port, name)
        if first != name:
            found.append(f"port {port} is {first}'s, and {name} is given it too; each needs one of its own")
    for engine in plan.engines:
        if engine.address == "127.0.0.1" and engine.port in own:
            found.append(
                f"{engine.instance}: port {engine.port} is {own[engine.port]}'s on the same host; give the engine"
                " another monitoring.prometheus_port, or move the other in the section monitoring of the fleet file"
            )
    places: dict[str, str] = {}
    for engine in plan.engines:
        first = places.setdefault(engine.place, engine.instance)
        if first != engine.instance:
            found.append(f"{engine.instance} and {first} have their metrics at one place, {engine.place}")
    return found
