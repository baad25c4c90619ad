"""Everything an operator or a script reads: human text through one Rich console, or NDJSON events; progress on stderr.

With ``--json`` stdout holds nothing but one JSON object a line, each with ``run_id``, ``ts`` (UTC, seconds) and
``event``; the last one has ``event: "result"``. Colour appears only on a terminal and never when NO_COLOR is set
to anything.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any

Cell = str | int | float | None


def wants_colour(stream: IO[str]) -> bool:
    """True when ``stream`` is a terminal that may show colour: NO_COLOR empty or unset and TERM not ``dumb``."""
    return (
        stream is not None and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def plain(value: object) -> Any:
    """``value`` as JSON types: dataclasses become objects, enums their value, paths and others their text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float) and value != value:
        return None  # NaN is not JSON; "no number" is what it means
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value) if isinstance(value, Path | datetime) else repr(value)


class Output:
    """Where a verb prints. One per run; ``json`` and ``quiet`` decide what each method shows."""

    def __init__(self, *, run_id: str, json_mode: bool, quiet: bool, verbose: int) -> None:
        self.run_id = run_id
        self.json_mode = json_mode
        self.quiet = quiet
        self.verbose = verbose
        self.colour = wants_colour(sys.stdout)

    def event(self, event: str, /, **fields: object) -> None:
        """One NDJSON line with ``--json``; nothing otherwise. A field named ``event`` gives way to the line's own."""
        if self.json_mode:
            record = {"event": event, "run_id": self.run_id, "ts": round(time.time(), 3)}
            record.update({key: plain(value) for key, value in fields.items() if key != "event"})
            plainly = not (sys.stdout and "utf" in (sys.stdout.encoding or "utf").lower())
            self._write(json.dumps(record, separators=(",", ":"), ensure_ascii=plainly, allow_nan=False))

    def result(self, **fields: object) -> None:
        """The last event of a run with ``--json``: what the verb found or did."""
        self.event("result", **fields)

    def say(self, text: str = "") -> None:
        """Data for people on stdout: shown unless ``--json``."""
        if not self.json_mode:
            self._write(text)

    def raw(self, text: str) -> None:
        """Text that is itself the result (a file, a metrics page): stdout in every mode."""
        self._write(text)

    def styled(self, text: str, style: str) -> None:
        """``say`` in a colour (``green``, ``yellow``, ``red``, ``bold``, ``dim``) where the terminal allows it."""
        if self.json_mode:
            return
        if not self.colour:
            self._write(text)
            return
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(text, style=style, markup=False)

    def progress(self, text: str) -> None:
        """What is happening, on stderr; nothing with ``-q``."""
        if not self.quiet:
            _on_stderr(text)

    def problem(self, text: str) -> None:
        """What went wrong, on stderr, in every mode."""
        _on_stderr(text)

    def detail(self, text: str) -> None:
        """What only ``-v`` shows, on stderr."""
        if self.verbose:
            _on_stderr(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[str] = ()) -> None:
        """Rows under NAMES, aligned; columns listed in ``right`` are right-aligned. Nothing with ``--json``."""
        if self.json_mode:
            return
        text = [["" if cell is None else str(cell) for cell in row] for row in rows]
        widths = [max([len(name)] + [len(row[i]) for row in text]) for i, name in enumerate(columns)]

        def line(cells: Sequence[str]) -> str:
            parts = [
                cell.rjust(width) if name in right else cell.ljust(width)
                for cell, width, name in zip(cells, widths, columns, strict=True)
            ]
            return "  ".join(parts).rstrip()

        self.styled(line([name.upper() for name in columns]), "bold")
        for row in text:
            self._write(line(row))

    def silence(self) -> None:
        """Stdout takes no more."""
        _drop(sys.stdout)

    def _write(self, text: str) -> None:
        if sys.stdout is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


def _on_stderr(text: str) -> None:
    """A stderr that is closed or full keeps nobody from acting."""
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _drop(sys.stderr)


def _drop(stream: IO[str]) -> None:
    """What ``stream`` still holds goes nowhere, or Python would end with a code of its own for it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
