"""``mmctl preflight``: everything that can stop a deploy, found before it begins."""

import typer

from mmctl.cli.deploy import site
from mmctl.cli.reach import TargetArg
from mmctl.cli.run import current
from mmctl.client.site import site_of
from mmctl.fleet.inventory import load_fleet
from mmctl.release import preflight as checking


def preflight(target: TargetArg = None) -> None:
    """Check versions, disk, memory, clock, port, keys, config and lock, here and on every host. Changes nothing."""
    run = current()
    with site(run, target) as hosts:
        checks, settings = checking.check_here(load_fleet(run.fleet), hosts.target)
        ports = {
            name: settings[name].api_port if name in settings else site_of(hosts.target.at_host(name)).port
            for name in hosts.transports
        }
        checks += checking.check_hosts(hosts.target, hosts.transports, ports)
    for check in checks:
        fields = {"where": check.where, "name": check.name, "ok": check.ok, "detail": check.detail}
        run.out.event("check", **fields)
        mark = "ok  " if check.ok else "FAIL"
        run.out.styled(f"{mark}  {check.where:<10} {check.name:<20} {check.detail}", "green" if check.ok else "red")
    failed = [check for check in checks if not check.ok]
    run.out.result(ok=not failed, failed=len(failed), checks=len(checks))
    if failed:
        raise typer.Exit(failed[0].exit_code)
