"""The services of a host: their unit files for this layout, and the scripts that install, start, stop and ask."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from mmctl.fleet.inventory import DEFAULT_ROOT
from mmctl.remote.beside import ALL, ENGINE
from mmctl.remote.layout import SERVICE_USER, Layout, q, script

SENTINEL = "market-maker-sentinel.service"
RECORDER = "market-maker-recorder.service"
GUARD = "market-maker-guard.service"
TIMERS = ("market-maker-backup.timer", "market-maker-health.timer")
UNIT_FILES = (
    ENGINE,
    SENTINEL,
    RECORDER,
    GUARD,
    "market-maker-backup.service",
    "market-maker-backup.timer",
    "market-maker-health.service",
    "market-maker-health.timer",
)
# The options by which journalctl finds what the engines of a host said.
LOGGED = f"-u {ENGINE} -u {ALL}"
START_SECONDS = 60
# Where this package itself lies: on the local target the operator's Python runs our supervisor from it.
CODE = str(PurePosixPath(__file__).parents[2])
STOP_SECONDS = 20

LAUNCHER = """#!/bin/sh
# Runs this release's code and no other's, whatever `current` points at later: run MODULE ARGUMENT...
set -eu
here=$(dirname "$(dirname "$(readlink -f "$0")")")
export MM_RELEASE="${here##*/}" NUMBA_CACHE_DIR="$here/cache/numba"
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
exec "$here/venv/bin/python" -P -m "$@"
"""


def render(text: str, layout: Layout) -> str:
    """A unit file as it stands in systemd/, moved to this layout's folders and user."""
    moved = text.replace("/var/log/market-maker", layout.logs).replace("/etc/market-maker", layout.etc)
    moved = moved.replace(DEFAULT_ROOT, layout.root)
    if layout.user != SERVICE_USER:
        moved = moved.replace(f"User={SERVICE_USER}", f"User={layout.user}")
        moved = moved.replace(f"Group={SERVICE_USER}", f"Group={layout.user}")
    return moved


@dataclass(frozen=True)
class Supervised:
    """What our own supervisor runs in place of a unit file; the same numbers as in systemd/market-maker.service."""

    argv: tuple[str, ...]
    cwd: str
    credentials: str
    log: str
    start_seconds: float = START_SECONDS
    stop_seconds: float = STOP_SECONDS
    watchdog_seconds: float = 10.0
    restart_seconds: float = 1.0
    restart_prevent: tuple[int, ...] = (70, 10, 7, 12)

    def text(self) -> str:
        """The specification as the supervisor reads it (JSON)."""
        return json.dumps(self.__dict__, indent=1) + "\n"


def supervised(layout: Layout) -> Supervised:
    """The engine under the built-in supervisor."""
    argv = (layout.at("current", "bin", "run"), "engine", "run", "--config", layout.config)
    return Supervised(argv, layout.at("shared"), layout.etc, f"{layout.logs}/engine.out")


def verify(layout: Layout, release: str) -> str:
    """systemd's own opinion of the new unit files, before they are installed."""
    if not layout.managed:
        return script("true")
    folder = layout.release(release, "units")
    files = " ".join(q(f"{folder}/{name}") for name in (ENGINE, SENTINEL, RECORDER, GUARD, *TIMERS))
    # Programs named in ExecStart lie under `current`, which may not exist yet: that one complaint is expected.
    return script(
        f"said=$(systemd-analyze verify --man=no --recursive-errors=no {files} 2>&1 | "
        "grep -v -e 'is not executable' -e 'No such file' || true)",
        '[ -z "$said" ] || { printf "%s\\n" "$said" >&2; exit 1; }',
    )


def install(layout: Layout, release: str) -> str:
    """The release's unit files become the host's; nothing where they are the same already."""
    folder, units = q(layout.release(release, "units")), q(layout.units)
    copy = f'cmp -s "$f" {units}/"$(basename "$f")" || {{ cp "$f" {units}/"$(basename "$f")"; changed=1; }}'
    if layout.managed:  # the engine's own stands there once for each engine
        copy = f'[ "$(basename "$f")" = {ENGINE} ] || {copy}'
    reload = '[ -z "$changed" ] || systemctl daemon-reload' if layout.managed else ""
    return "\n".join([f"changed=; for f in {folder}/*; do {copy}; done", reload]).rstrip()


def supervisor(layout: Layout, python: str, verb: str, *arguments: str) -> str:
    """A call of the built-in supervisor of this layout."""
    words = [q(python), "-P", "-m", "mmctl.fleet.supervisor", verb, "--root", q(layout.root), *arguments]
    return f"PYTHONPATH={q(CODE)} " + " ".join(words)


def start(layout: Layout, python: str) -> str:
    """Start the engine; ends when it says READY, or with the reason why not."""
    if not layout.managed:
        return supervisor(layout, python, "start")
    return begin("start", f"unit=$(systemctl show --property=Id --value {ENGINE})")


def begin(verb: str, unit: str) -> str:
    """``systemctl verb`` of the unit that the line ``unit`` puts into ``$unit``, also after systemd gave up on it."""
    forget = 'systemctl reset-failed "$unit" 2>/dev/null || true'
    return "\n".join((unit, forget, _or_why(f'systemctl {verb} "$unit"')))


def restart(layout: Layout, python: str) -> str:
    """The supervisor's command that ends the engine and starts it anew; under systemd see ``beside.take_over``."""
    return supervisor(layout, python, "restart")


def stop(layout: Layout, python: str) -> str:
    """SIGTERM, which is quoting off, cancel all and proof; ends when the process has ended."""
    return f"systemctl stop {ALL} {ENGINE}" if layout.managed else supervisor(layout, python, "stop")


def reload(layout: Layout, python: str) -> str:
    """The command that has the engine read its configuration again."""
    return f"systemctl reload {ENGINE}" if layout.managed else supervisor(layout, python, "reload")


def state(layout: Layout, python: str) -> str:
    """Print the service's state as ``key=value`` lines, in systemd's words for both managers."""
    if not layout.managed:
        return supervisor(layout, python, "show")
    names = "ActiveState,SubState,MainPID,ExecMainStatus,NRestarts,Result,ActiveEnterTimestampMonotonic"
    return f"systemctl show {ENGINE} --property={names}"


def activity(layout: Layout, python: str) -> str:
    """Print ``active``, ``inactive``, ``failed`` or ``activating``."""
    if layout.managed:
        return f"systemctl is-active {ENGINE}"
    return supervisor(layout, python, "show") + " | sed -n s/^ActiveState=//p"


def enable(layout: Layout, extras: tuple[str, ...] = ()) -> str:
    """Start with the machine; ``extras`` are started now as well."""
    if not layout.managed:
        return ""
    if not extras:
        return ""
    return f"systemctl enable --quiet {' '.join(extras)}\nsystemctl restart {' '.join(extras)}"


def retire(layout: Layout, unit: str) -> str:
    """What an earlier configuration asked for and this one does not: stopped, and not started with the machine."""
    if not layout.managed:
        return ""
    return f"systemctl is-enabled --quiet {unit} 2>/dev/null && systemctl disable --quiet --now {unit} || true"


def writable(text: str, paths: tuple[str, ...]) -> str:
    """A unit file whose service may write below ``paths`` (absolute), too, where they exist."""
    if not paths:
        return text
    quoted = " ".join('"-' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"' for path in paths)
    return text.replace("\nPrivateTmp=", f"\nReadWritePaths={quoted}\nPrivateTmp=", 1)


ENDING = "Result,ExecMainCode,ExecMainStatus"
WORDS = 200  # lines of one start's log that are looked through for its reason


def _or_why(command: str) -> str:
    """``command`` on ``$unit``, and when it fails how it ended and what the service said in this very start.

    What ran before writes into the same journal while it is stopped: its words are told apart by the invocation's id.
    """
    return (
        'before=$(systemctl show "$unit" --property=InvocationID --value 2>/dev/null || true)\n'
        "since=$(date +%s)\n"
        f"if ! told=$({command} 2>&1); then\n"
        f'  systemctl show "$unit" --property={ENDING} >&2\n'
        # systemctl's own complaint matters only where the service itself did not fail.
        '  [ "$(systemctl show "$unit" --property=Result --value)" != success ] || printf "%s\\n" "$told" >&2\n'
        '  systemctl stop "$unit" 2>/dev/null || true\n'
        f"{{\n{_words('since', 'before')}\n  }} >&2\n"
        "  exit 1\n"
        "fi"
    )


def _words(since: str, other: str) -> str:
    """Print what the engine logged since ``$since`` (seconds), without the run whose id is in ``$other``.

    Matches of one field are alternatives to journalctl, so every run since then that is not the other one is named.
    """
    log = f'journalctl --no-pager -q --since "@${since}" _SYSTEMD_UNIT="$unit"'
    pick = r's/.*"_SYSTEMD_INVOCATION_ID" *: *"\([0-9a-f]*\)".*/\1/p'
    return (
        "  journalctl --sync 2>/dev/null || true\n"
        f"  runs=$({log} -o json --output-fields=_SYSTEMD_INVOCATION_ID 2>/dev/null | sed -n '{pick}' | sort -u |\n"
        f'    grep -v "^${{{other}:-none}}$" | sed s/^/_SYSTEMD_INVOCATION_ID=/ || true)\n'
        f'  [ -z "$runs" ] || {log} -o cat -n {WORDS} $runs 2>/dev/null'
    )


def last_words(layout: Layout, python: str) -> str:
    """Print how the engine stands and how it ended last, and what it said in its present or last run."""
    if not layout.managed:
        return supervisor(layout, python, "words")
    names = f"ActiveState,SubState,NRestarts,{ENDING}"
    return (
        f"unit=$(systemctl show {ENGINE} --property=Id --value)\n"
        f'systemctl show "$unit" --property={names}\n'
        'run=$(systemctl show "$unit" --property=InvocationID --value)\n'
        f'[ -z "$run" ] || journalctl --no-pager -q -o cat -n {WORDS} '
        '_SYSTEMD_INVOCATION_ID="$run" _SYSTEMD_UNIT="$unit" 2>/dev/null || true'
    )
