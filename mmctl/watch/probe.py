"""What is asked of a host for its health: one shell script, and the reading of what it prints. Pure.

The script needs only a POSIX shell, coreutils, awk and /proc; it never fails as a whole, it leaves lines out.
"""

import shlex
from dataclasses import dataclass

#: Between the two looks at the process's CPU time, seconds.
CPU_WINDOW_S = 0.5
LOG_LINES = 1000


@dataclass(frozen=True, slots=True)
class Probe:
    """What the host said; None where it said nothing usable. Bytes, seconds, percent."""

    pid: int | None = None
    alive: bool | None = None
    port_open: bool | None = None
    uptime_s: float | None = None
    cpu_percent: float | None = None
    rss_bytes: float | None = None
    memory_used_percent: float | None = None
    disk_free_percent: float | None = None
    log_lines: int | None = None
    log_errors: int | None = None
    config_sha256: str = ""  # of the live configuration file
    release: str = ""  # the current one
    port: int = 0  # where its engine listens
    guard_age_s: float | None = None  # since the guard last looked, None where none ever did
    clock_s: float | None = None  # the host's time of day, seconds since 1970


def script(
    *, pid_command: str, port: int, disk: str, log: str | None, log_command: str | None = None, more: str = ""
) -> str:
    """The shell script; ``more`` are lines of :func:`mmctl.watch.drift.script`.

    ``pid_command`` prints the engine's pid or nothing; ``log`` and ``disk`` are paths; ``log_command``
    prints the log's last lines where there is no file (the service manager keeps it).
    """
    path = shlex.quote(log or "")
    lines = log_command or f"[ -r {path} ] && tail -n {LOG_LINES} {path}"
    return f"""export LC_ALL=C
pid=$( {{ {pid_command} ; }} 2>/dev/null | head -n 1)
case "$pid" in ''|0|*[!0-9]*) pid= ;; esac
echo "pid=$pid"
cpu() {{ sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '{{print $12 + $13}}'; }}
if [ -n "$pid" ] && [ -r "/proc/$pid/stat" ]; then
  echo alive=1
  sed 's/.*) //' "/proc/$pid/stat" | awk '{{print "start=" $20; print "state=" $1}}'
  awk '/^VmRSS:/ {{print "rss_kb=" $2}}' "/proc/$pid/status"
  echo "cpu0=$(cpu)"; cut -d' ' -f1 /proc/uptime | sed 's/^/at0=/'
  sleep {CPU_WINDOW_S}
  echo "cpu1=$(cpu)"; cut -d' ' -f1 /proc/uptime | sed 's/^/at1=/'
else
  echo alive=0
fi
echo "tick=$(getconf CLK_TCK 2>/dev/null)"
awk '/^MemTotal:/ {{print "total_kb=" $2}} /^MemAvailable:/ {{print "free_kb=" $2}}' /proc/meminfo
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
  awk '$2 ~ /:{port:04X}$/ && $4 == "0A" {{n++}} END {{print "listen=" n + 0}}'
df -P -k {shlex.quote(disk)} 2>/dev/null | awk 'NR == 2 {{print "disk_kb=" $2; print "disk_free_kb=" $4}}'
{{ {lines} ; }} 2>/dev/null | awk '
  /"level": *"(error|critical|ERROR|CRITICAL)"/ || / (ERROR|CRITICAL) / {{bad++}}
  END {{print "log_lines=" NR; print "log_errors=" bad + 0}}'
{more}date +clock=%s.%N
"""


def read(text: str) -> Probe:
    """What the script printed, as a Probe. Never raises: a line that cannot be read is a fact that is missing."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key.strip()] = value.strip()

    def number(key: str) -> float | None:
        try:
            return float(values[key])
        except (KeyError, ValueError):
            return None

    def whole(key: str) -> int | None:
        value = number(key)
        return None if value is None else int(value)

    alive = None if "alive" not in values else values["alive"] == "1" and values.get("state") not in ("Z", "X")
    total, free = number("total_kb"), number("free_kb")
    disk, disk_free = number("disk_kb"), number("disk_free_kb")
    rss = number("rss_kb")
    listen = number("listen")
    return Probe(
        pid=whole("pid"),
        alive=alive,
        port_open=None if listen is None else listen > 0,
        uptime_s=_uptime(number("start"), number("tick"), number("at1")),
        cpu_percent=_cpu(number("cpu0"), number("cpu1"), number("at0"), number("at1"), number("tick")),
        rss_bytes=None if rss is None else rss * 1024,
        memory_used_percent=None if not total or free is None else 100 * (1 - free / total),
        disk_free_percent=None if not disk or disk_free is None else 100 * disk_free / disk,
        log_lines=whole("log_lines"),
        log_errors=whole("log_errors"),
        config_sha256=values.get("config", ""),
        release=values.get("current", ""),
        port=whole("port") or 0,
        guard_age_s=number("guard_age"),
        clock_s=number("clock"),
    )


def _cpu(
    before: float | None, after: float | None, start: float | None, end: float | None, tick: float | None
) -> float | None:
    if before is None or after is None or start is None or end is None or not tick or end <= start:
        return None
    return 100 * (after - before) / tick / (end - start)


def _uptime(start: float | None, tick: float | None, now: float | None) -> float | None:
    return None if start is None or now is None or not tick else max(0.0, now - start / tick)
