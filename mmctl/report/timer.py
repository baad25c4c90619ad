"""A systemd service and timer that make and send a target's daily review. Pure text."""

import re
from dataclasses import dataclass

from mmctl.fleet.errors import UsageError
from mmctl.report.period import zone_of

CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z")
#: What making and sending one report may take before systemd ends it, seconds.
LONGEST_S = 900
#: Of a person's own unit too.
LIMITS = (
    "MemoryMax=1G", "TasksMax=128", "CPUWeight=50", "LimitNOFILE=4096", "LimitCORE=0", "UMask=0077",
    "NoNewPrivileges=yes", "LockPersonality=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
)  # fmt: skip
#: Of a system unit. What it reads and writes lies in the person's home, and it speaks with hosts and mail servers.
HARDENING = (
    "ProtectSystem=full", "PrivateTmp=yes", "PrivateMounts=yes", "PrivateDevices=yes", "ProtectClock=yes",
    "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes", "ProtectProc=invisible", "RestrictNamespaces=yes", "RemoveIPC=no",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", "AmbientCapabilities=",
    # A journal on the same host lies in a folder that is the engine's alone.
    "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH",
    "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources @obsolete",
    "SystemCallErrorNumber=EPERM",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """When whose review is made: ``at`` is HH:MM or HH:MM:SS of ``zone``, ``command`` what is run, word by word.

    ``environment`` holds no secret: those are read from where the fleet file says, when the report is sent.
    """

    target: str
    at: str
    zone: str
    command: tuple[str, ...]
    folder: str
    environment: tuple[tuple[str, str], ...] = ()
    user: str = ""  # of a system unit; empty in a user's own

    @property
    def name(self) -> str:
        """The units' name, without their kind."""
        return f"mmctl-report-{re.sub(r'[^A-Za-z0-9_.-]', '-', self.target)}"


def checked(at: str, zone: str) -> str:
    """``at`` as systemd writes it, with seconds. Raises UsageError for what is no time of day, or no zone."""
    found = CLOCK.match(at)
    if found is None:
        raise UsageError(f"'{at}' is no time of day", "Write HH:MM, as 22:00.")
    zone_of(zone)
    return f"{found[1]}:{found[2]}:{found[3] or '00'}"


def word(text: str) -> str:
    """One word of a command line as systemd reads it: quoted, and nothing in it expanded."""
    return quoted(text).replace("$", "$$")


def quoted(text: str) -> str:
    """One assignment as systemd reads it: quoted, and no specifier in it expanded."""
    if any(ord(c) < 32 for c in text):
        raise UsageError(f"a unit cannot hold {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def service(schedule: Schedule) -> str:
    """The service's unit file."""
    environment = [f"Environment={quoted(f'{name}={value}')}" for name, value in schedule.environment]
    return "\n".join(
        [
            "# Written by mmctl report schedule; it is written anew by the next one.",
            "[Unit]",
            f"Description=Daily review of {schedule.target}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            *([f"User={schedule.user}"] if schedule.user else []),
            f"WorkingDirectory={schedule.folder.replace('%', '%%')}",
            *environment,
            f"ExecStart={' '.join(word(part) for part in schedule.command)}",
            f"TimeoutStartSec={LONGEST_S}",
            *LIMITS,
            *(HARDENING if schedule.user else ()),
            "",
        ]
    )


def timer(schedule: Schedule) -> str:
    """The timer's unit file. One that was missed while the machine was off is made up for at the next start."""
    at = checked(schedule.at, schedule.zone)
    return "\n".join(
        [
            "# Written by mmctl report schedule; it is written anew by the next one.",
            "[Unit]",
            f"Description=Daily review of {schedule.target} at {schedule.at} {schedule.zone}",
            "",
            "[Timer]",
            f"OnCalendar=*-*-* {at} {schedule.zone}",
            "AccuracySec=1s",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )
