"""What to do about a breach: the section of the runbook that its alert is headed with, as Markdown."""

import re
from functools import lru_cache
from pathlib import Path

import mmctl

_PLACES = (
    Path(mmctl.__file__).resolve().parent.parent / "docs" / "runbooks.md",  # a checkout
    Path(mmctl.__file__).resolve().parent / "assets" / "docs" / "runbooks.md",  # an installed package
)


@lru_cache(maxsize=1)
def text() -> str:
    """All of the runbook; empty where this installation has none."""
    for path in _PLACES:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def section_of(alert: str, runbook: str | None = None) -> str:
    """The part under the heading that is the alert's name, without it; says so where there is none."""
    whole = text() if runbook is None else runbook
    if not whole:
        return "This installation has no runbook (docs/runbooks.md)."
    lines = whole.splitlines()
    for at, line in enumerate(lines):
        found = re.match(r"(#{1,6})\s+(.*?)\s*#*\s*$", line)
        if found and found[2].strip("`") == alert:
            level = len(found[1])
            end = next((i for i in range(at + 1, len(lines)) if _heading(lines[i], level)), len(lines))
            return "\n".join(lines[at + 1 : end]).strip() or f"The runbook says nothing under {alert}."
    return f"The runbook has no section {alert}."


def _heading(line: str, level: int) -> bool:
    found = re.match(r"(#{1,6})\s", line)
    return found is not None and len(found[1]) <= level
