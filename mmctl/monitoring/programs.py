"""What Prometheus' and Alertmanager's own programs say of the files, where they are installed."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from mmctl.monitoring.folder import Fault

SECONDS: Final = 30.0
#: File -> the command that judges it.
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "prometheus/prometheus.yml": ("promtool", "check", "config"),
    "alertmanager/alertmanager.yml": ("amtool", "check-config"),
}


def checked_by_programs(folder: Path) -> tuple[list[str], list[Fault]]:
    """The programs that were asked, and what they refuse. A file that is not there is not asked about."""
    asked: list[str] = []
    faults: list[Fault] = []
    for path, command in COMMANDS.items():
        file = folder / path
        if not file.is_file() or shutil.which(command[0]) is None:
            continue
        asked.append(command[0])
        try:
            done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            faults.append(Fault(path, f"{command[0]} said nothing within {SECONDS:g} s"))
            continue
        if done.returncode:
            said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            faults.append(Fault(path, f"{command[0]} refuses it: {'; '.join(said[-3:])}"))
    return asked, faults
