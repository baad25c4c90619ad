"""The commands of a document, typed as they stand there: what ``docs/deployment/DEPLOYMENT.md`` promises a person.

``commands`` reads the ``sh`` blocks of a document; a ``Reader`` types them into bash, one line after the other, in one
folder, with HOST and ACCOUNT put in, and keeps what was said. ``$EDITOR`` is a script that writes what the document
tells a person to write.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.needs import ROOT

FENCE = re.compile(r"^```(\w*)\s*$")
COMMAND_SECONDS = 400.0
SCRIPT_LINES = 3


def commands(document: Path) -> list[str]:
    """Every command of the document's ``sh`` blocks, in its order; comments and blank lines are not commands."""
    found, inside = [], False
    for line in document.read_text(encoding="utf-8").splitlines():
        fence = FENCE.match(line)
        if fence:
            inside = not inside and fence[1] == "sh"
        elif inside and line.strip() and not line.lstrip().startswith("#"):
            found.append(line.strip())
    return found


@dataclass(frozen=True)
class Typed:
    """A command as it stands in the document, what it said (as a terminal shows it), and how it ended."""

    command: str
    said: str
    code: int
    seconds: float


@dataclass
class Reader:
    """A person with a shell in ``folder``; ``words`` are put in for the document's capitals (HOST, ACCOUNT)."""

    folder: Path
    words: Mapping[str, str]
    files: Mapping[str, str]  # what the document tells to write into a file of this name
    typed: list[Typed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._place = self.folder
        for name, text in self.files.items():
            (self.folder / f".written.{name}").write_text(text)
        editor = self.folder / ".editor"
        editor.write_text(f'#!/bin/sh\ncat "{self.folder}/.written.$(basename "$1")" >"$1"\n')
        editor.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        own = {
            "HOME": str(self.folder), "EDITOR": str(self.folder / ".editor"), "LANG": "C.UTF-8", "COLUMNS": "120",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "MMCTL_OPERATOR": "operator",
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MM", "BINANCE", "XDG_"))}
        return kept | own

    def type(self, command: str) -> Typed:
        """Run one line in the folder that the lines before it left the shell in."""
        line = command
        for word, value in self.words.items():
            line = re.sub(rf"\b{word}\b", value, line)
        begun = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", f"{line}\ncode=$?; pwd >'{self.folder}/.place'; exit $code"],
            cwd=self._place, env=self._environment(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS,
        )  # fmt: skip
        self._place = Path((self.folder / ".place").read_text().strip())
        seen = Typed(command, done.stdout, done.returncode, time.monotonic() - begun)
        self.typed.append(seen)
        return seen


def shortened(lines: Iterable[str]) -> Iterator[str]:
    """Of each script (lines of a dry run that begin with a bar) the first lines, and how many more there are."""
    for script, block in groupby(lines, key=lambda line: line.startswith("  |")):
        kept = list(block)
        yield from kept[:SCRIPT_LINES] if script else kept
        if script and len(kept) > SCRIPT_LINES:
            yield f"  | ... {len(kept) - SCRIPT_LINES} more lines"


def transcript(typed: list[Typed], private: Mapping[str, str]) -> Iterator[str]:
    """The lines of a Markdown transcript; ``private`` maps addresses and folders of this machine to neutral words."""
    yield "```console"
    for each in typed:
        command = each.command
        for real, neutral in private.items():
            command = command.replace(real, neutral)
        yield f"$ {command}"
        said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", each.said).rstrip()
        for real, neutral in private.items():
            said = said.replace(real, neutral)
        if said:
            yield from shortened(line.rstrip() for line in said.splitlines())
        yield f"# exit {each.code}, {each.seconds:.1f} s"
        yield ""
    yield "```"


def deployment() -> list[str]:
    """The commands of DEPLOYMENT.md."""
    return commands(ROOT / "docs/deployment/DEPLOYMENT.md")
