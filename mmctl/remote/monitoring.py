"""What runs on a monitoring host: the files as a release of their own, the services' drop-ins, and the way back."""

from mmctl.remote.layout import Layout, q, script

UNITS = "/etc/systemd/system"
GRAFANA = "/etc/grafana/provisioning"
KEPT = 5
PROMETHEUS = "prometheus.service"
ALERTMANAGER = "prometheus-alertmanager.service"
DROP_IN = "market-maker.conf"
GRAFANA_UNIT = "grafana-server.service"
RELAY_UNIT = "market-maker-alert-relay.service"
RELAY = f"{UNITS}/{RELAY_UNIT}"
#: Grafana reads what lies here when it starts; both are links to the current files.
LINKED = "market-maker.yml"


def facts(layout: Layout) -> str:
    """Print as ``key=value`` lines what there is: programs, services, and the files that are current."""
    return "\n".join([
        'say() { printf "%s=%s\\n" "$1" "$2"; }',
        'say uid "$(id -u)"',
        "for program in prometheus promtool prometheus-alertmanager amtool grafana-server; do",
        '  if command -v "$program" >/dev/null 2>&1; then say "$program" yes; else say "$program" no; fi',
        "done",
        f'say prometheus_unit "$(systemctl show -p LoadState --value {PROMETHEUS} 2>/dev/null)"',
        f'say alertmanager_unit "$(systemctl show -p LoadState --value {ALERTMANAGER} 2>/dev/null)"',
        f'say current "$(basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null)"',
        f"say port \"$(sed -n 's/.*web.listen-address=127.0.0.1:\\([0-9]*\\).*/\\1/p'"
        f" {UNITS}/{PROMETHEUS}.d/{DROP_IN} 2>/dev/null)\"",
        f"say grafana \"$([ -d {GRAFANA} ] && echo yes || echo no)\"",
        'say python "$(/usr/bin/python3 -c "import sys; print(*sys.version_info[:2])" 2>/dev/null)"',
        f'say relay "$(systemctl is-active {RELAY_UNIT} 2>/dev/null || true)"',
    ])  # fmt: skip


def unpack(layout: Layout, release: str) -> str:
    """Take a tar stream of the files from stdin; the folder has its name only when all of it is there."""
    folder = q(layout.release(release))
    return script(
        f"mkdir -p {q(layout.at('releases'))}",
        f"chmod 0755 {q(layout.root)} {q(layout.at('releases'))}",
        f"rm -rf {folder}.part",
        f"mkdir -p {folder}.part",
        f"tar -x -f - -C {folder}.part --no-same-owner",
        f"chmod -R u=rwX,go=rX {folder}.part",
        f"find {folder}.part -type f -exec sync -d {{}} +",  # not all the host's files: that can take minutes
        f"[ -e {folder} ] || mv -T {folder}.part {folder}",
        f"rm -rf {folder}.part",
    )


def judged(layout: Layout, release: str, alertmanager: bool) -> str:
    """Ask the programs of the host itself what they think of the files."""
    folder = layout.release(release)
    return script(
        f"promtool check config {q(folder + '/prometheus/prometheus.yml')} 2>&1",
        f"amtool check-config {q(folder + '/alertmanager/alertmanager.yml')} 2>&1" if alertmanager else "",
    )


def remove(layout: Layout, release: str) -> str:
    """Forget files that were never current."""
    return script(f"rm -rf {q(layout.release(release))}")


def _switch(layout: Layout, release: str) -> list[str]:
    new = q(f"{layout.current}.new")
    return [f"ln -sfn {q(f'releases/{release}')} {new}", f"mv -T {new} {q(layout.current)}"]


def _drop_in(folder: str, unit: str) -> str:
    """Put the drop-in in place where it differs, and what was there before beside the files: it prints ``changed``."""
    live = f"{UNITS}/{unit}.d/{DROP_IN}"
    source = f"{folder}/monitoring/systemd/{unit}.d/{DROP_IN}"
    return _placed(source, live, f"{folder}/replaced/{unit}.conf", f"echo changed {unit}")


def _placed(source: str, live: str, saved: str, then: str = ":") -> str:
    """Copy ``source`` over ``live`` where it differs, and do ``then``; what was there is ``saved``."""
    source, folder, live, kept = q(source), q(live.rpartition("/")[0]), q(live), q(saved)
    return (
        f"if ! cmp -s {source} {live}; then mkdir -p {q(saved.rpartition('/')[0])} {folder};"
        f" if [ -e {live} ]; then cp -p {live} {kept}; else : > {kept}.none; fi;"
        f" cp {source} {live}.part; chmod 0644 {live}.part; mv -f {live}.part {live}; {then}; fi"
    )


def activate(layout: Layout, release: str, units: tuple[str, ...], grafana: bool, relay: bool) -> str:
    """Make ``release`` current, in one step, with the drop-ins of ``units``; prints ``changed UNIT`` for each."""
    folder = layout.release(release)
    source = "grafana/provisioning/datasources.yml"
    links = [f"{GRAFANA}/{kind}/{LINKED}" for kind in ("datasources", "dashboards")]
    known = f"cmp -s {q(f'{layout.current}/{source}')} {q(f'{folder}/{source}')}"
    found = [f"if {known} && [ -e {q(links[0])} ] && [ -e {q(links[1])} ]; then same=yes; else same=no; fi"]
    relayed = f"diff -rq {q(f'{layout.current}/relay')} {q(f'{folder}/relay')}"
    found += [f"if {relayed} >/dev/null 2>&1 && [ -e {RELAY} ]; then relayed=yes; else relayed=no; fi"]
    found += [*_switch(layout, release), *(_drop_in(folder, unit) for unit in units)]
    if relay:
        found.append(_placed(f"{folder}/relay/{RELAY_UNIT}", RELAY, f"{folder}/replaced/{RELAY_UNIT}"))
    if grafana:
        for kind in ("datasources", "dashboards"):
            at = f"{GRAFANA}/{kind}/{LINKED}"
            found += [f"mkdir -p {q(f'{GRAFANA}/{kind}')}"]
            found += [f"ln -sfn {q(f'{layout.current}/grafana/provisioning/{kind}.yml')} {q(at)}"]
        found.append(f'[ "$same" = yes ] || echo changed {GRAFANA_UNIT}')
    if relay:
        found.append(f'[ "$relayed" = yes ] && systemctl is-active -q {RELAY_UNIT} || echo changed {RELAY_UNIT}')
    return script(*found, "systemctl daemon-reload")


def take_back(layout: Layout, release: str, before: str, units: tuple[str, ...]) -> str:
    """Undo ``activate``: the files that were current before, and the drop-ins that were there."""
    folder = layout.release(release)
    found = _switch(layout, before) if before else [f"rm -f {q(layout.current)}"]
    places = [(f"{UNITS}/{unit}.d/{DROP_IN}", f"{folder}/replaced/{unit}.conf") for unit in units]
    places.append((RELAY, f"{folder}/replaced/{RELAY_UNIT}"))
    for live, saved in ((q(live), q(saved)) for live, saved in places):
        found.append(f"if [ -e {saved} ]; then cp -p {saved} {live}; elif [ -e {saved}.none ]; then rm -f {live}; fi")
    # Grafana does not start where one of its files leads nowhere.
    links = (q(f"{GRAFANA}/{kind}/{LINKED}") for kind in ("datasources", "dashboards"))
    found += [f"if [ -L {link} ] && [ ! -e {link} ]; then rm -f {link}; fi" for link in links]
    found.append(f"[ -e {RELAY} ] || rm -f {UNITS}/multi-user.target.wants/{RELAY_UNIT}")
    return script(*found, "systemctl daemon-reload")


def tell(unit: str, again: bool) -> str:
    """Have the service read its files: by a restart where its command line is a new one or it does not run."""
    if again:
        # One that has died too often is not started again by systemd until it is told to forget that.
        again_and_again = f"systemctl reset-failed {unit} 2>/dev/null || true"
        return script(f"systemctl enable {unit} >/dev/null 2>&1 || true", again_and_again, f"systemctl restart {unit}")
    return script(f"if systemctl is-active -q {unit}; then systemctl reload {unit}; else systemctl restart {unit}; fi")


def tell_if_there(unit: str) -> str:
    """Restart our own service where it is installed, and end it where it no longer is."""
    there = f"[ -e {UNITS}/{unit} ]"
    return f"if {there}; then systemctl restart {unit}; else systemctl stop {unit} 2>/dev/null || true; fi"


def rest(unit: str) -> str:
    """Stop our own service for good and remove it, where it is there."""
    file = f"{UNITS}/{unit}"
    return f"if [ -e {file} ]; then systemctl disable --now {unit} && rm -f {file} && systemctl daemon-reload; fi"


def follow(unit: str) -> str:
    """Restart a service that reads its files only when it starts; prints ``restarted``, or nothing where it rests."""
    return f"if systemctl is-active -q {unit}; then systemctl restart {unit} && echo restarted; fi"


def condition(unit: str) -> str:
    """The service's state in systemd's word."""
    return f"systemctl show -p ActiveState --value {unit}"


def last_words(unit: str) -> str:
    """The last error the service told, or where it told none its last line."""
    said = f"journalctl -u {unit} -n 60 --no-pager -o cat 2>/dev/null"
    return f"{said} | grep -E 'level=error|err=' | tail -1 | grep . || {said} | tail -1"


def own_words(unit: str) -> str:
    """The last line that the program of a service printed, whatever systemd says of it."""
    return f"journalctl _SYSTEMD_UNIT={unit} -n 1 --no-pager -o cat 2>/dev/null"


def prune(layout: Layout) -> str:
    """Keep the newest files and the current ones."""
    return script(
        f"cd {q(layout.at('releases'))}",
        f'current=$(basename "$(readlink {q(layout.current)})")',
        f'ls -1 | sort -r | tail -n +{KEPT + 1} | while read -r old; do [ "$old" = "$current" ] || rm -rf "$old"; done',
    )
