"""From a host of the fleet to a transport: the one place that knows which kinds exist."""

from mmctl.fleet.inventory import Host, Target
from mmctl.fleet.transport import CONNECT_SECONDS, Transport


def open_transport(target: Target, host: Host | None = None, connect_seconds: float = CONNECT_SECONDS) -> Transport:
    """A transport to ``host`` (the target's only or first host when None). Connects at first use."""
    chosen = host or target.hosts[0]
    if target.local:
        from mmctl.fleet.local import LocalTransport

        return LocalTransport(chosen.name)
    from mmctl.fleet.ssh import SshTransport

    return SshTransport(chosen, connect_seconds)
