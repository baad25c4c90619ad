"""Logging: JSON lines or text, redacted, written by a thread of its own so that no tick ever waits for a disk.

``logging.getLogger(...)`` everywhere; values go into ``extra={...}`` and become fields. When the queue is full lines
are dropped and counted, and the count is logged once there is room again.
"""

import json
import logging
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from engine.telemetry.logfile import LogFile
from engine.telemetry.redact import MASK, Redactor

if TYPE_CHECKING:
    from engine.config.schema import LoggingSection

QUEUE: Final = 10_000
MAX_LINE: Final = 16_384  # characters; a longer message is cut
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_SYSLOG: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_SECRET_NAME: Final = re.compile(r"secret|password|passwd|token|api_?key|authorization|private_?key|signature", re.I)
_STANDARD: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True)
class LogSettings:
    """As in the configuration's section ``logging``; ``max_size`` in MB, ``max_age`` in days."""

    level: str = "info"
    format: Literal["json", "text"] = "json"
    outputs: tuple[str, ...] = ("stdout",)
    file_path: Path | None = None
    max_size: int = 100
    max_backups: int = 10
    max_age: int = 30

    @classmethod
    def of(cls, section: "LoggingSection") -> "LogSettings":
        """From the configuration's section ``logging``."""
        names = ("level", "format", "file_path", "max_size", "max_backups", "max_age")
        return cls(outputs=tuple(section.outputs), **{name: getattr(section, name) for name in names})


@dataclass(frozen=True, slots=True)
class Line:
    """One log line on its way to the writer."""

    time: float  # wall clock, s
    level: str
    logger: str
    message: str
    fields: dict[str, Any]
    trace: str


class QueueWriter(logging.Handler):
    """Takes records on any thread without I/O; its own thread redacts, formats and writes them."""

    def __init__(self, settings: LogSettings, redact: Redactor) -> None:
        super().__init__()
        self._settings, self._redact = settings, redact
        self._queue: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._streams: list[TextIO] = []
        self._file: LogFile | None = None
        self._journal = False
        self.dropped = 0
        self.counts = dict.fromkeys(LEVELS, 0)
        self._told = 0
        self._open_outputs()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> int:
        """Lines that an output could not take."""
        return self._file.failed if self._file is not None else 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record for the writer's thread; a full queue drops it, and counts it."""
        level = record.levelname.lower()
        self.counts[level] = self.counts.get(level, 0) + 1
        if self._queue.qsize() >= QUEUE:
            self.dropped += 1
            return
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = f"{record.msg} (the log call's arguments do not fit its text)"
        fields = {name: _shown(name, value) for name, value in vars(record).items() if name not in _STANDARD}
        trace = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = logging.Formatter().formatException(record.exc_info)
        self._queue.put(Line(record.created, level, record.name, message, fields, trace))

    def close(self) -> None:
        """Write what waits (for at most 2 s) and close the outputs."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(2.0)
        if self._file is not None:
            self._file.close()
        super().close()

    def _open_outputs(self) -> None:
        for output in self._settings.outputs:
            match output:
                case "stdout":
                    self._streams.append(sys.stdout)
                    self._journal = _is_journal(sys.stdout)
                case "stderr":
                    self._streams.append(sys.stderr)
                    self._journal = _is_journal(sys.stderr)
                case "file" if self._settings.file_path is not None:
                    size, age = self._settings.max_size * 1_000_000, self._settings.max_age * 86_400.0
                    backups = self._settings.max_backups
                    self._file = LogFile(self._settings.file_path, max_size=size, max_backups=backups, max_age_s=age)
                    self._file.open()
                case _:
                    raise ValueError(f"unknown log output {output}, or file without file_path")

    def _run(self) -> None:
        while True:
            line = self._queue.get()
            if line is None:
                return
            self._write(line)
            if self.dropped != self._told:
                count, self._told = self.dropped - self._told, self.dropped
                text = f"{count} log lines were dropped: they came faster than they could be written"
                self._write(Line(time.time(), "warning", __name__, text, {"dropped": count}, ""))

    def _write(self, line: Line) -> None:
        try:
            text = self._redact(as_json(line) if self._settings.format == "json" else as_text(line))
        except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not end the log
            text = json.dumps(
                {"level": "error", "logger": __name__, "message": f"unprintable log line: {type(error).__name__}"}
            )
        for stream in self._streams:
            prefix = f"<{_SYSLOG.get(line.level, 6)}>" if self._journal else ""
            try:
                stream.write(f"{prefix}{text}\n")
                stream.flush()
            except (OSError, ValueError):
                continue  # a closed pipe: the other outputs go on
        if self._file is not None:
            self._file.write(text.encode("utf-8", "backslashreplace") + b"\n")


def _shown(name: str, value: Any) -> Any:
    """A field's value; whatever its name calls a secret is masked, whoever logged it."""
    return MASK if _SECRET_NAME.search(name) else value


def as_json(line: Line) -> str:
    """One JSON object: ts, level, logger, message, then the fields of the call, then trace."""
    body: dict[str, Any] = {
        "ts": _stamp(line.time),
        "level": line.level,
        "logger": line.logger,
        "message": line.message[:MAX_LINE],
    }
    body.update((name, value) for name, value in line.fields.items() if name not in body)
    if line.trace:
        body["trace"] = line.trace[-MAX_LINE:]
    return json.dumps(body, default=str, ensure_ascii=False, separators=(",", ":"))


def as_text(line: Line) -> str:
    """One line for people: time, LEVEL, logger, message, fields as name=value; control characters made visible."""
    fields = "".join(f" {name}={value}" for name, value in line.fields.items())
    head = f"{_stamp(line.time)} {line.level.upper():<8} {line.logger}: {line.message[:MAX_LINE]}{fields}"
    visible = head.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\x1b", "\\x1b")
    return f"{visible}\n{line.trace[-MAX_LINE:]}" if line.trace else visible


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_journal(stream: TextIO) -> bool:
    """Whether ``stream`` goes to systemd's journal, which reads a priority from a prefix (sd-daemon(3))."""
    try:
        about = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def start_logging(settings: LogSettings, secrets: Iterable[str] = ()) -> QueueWriter:
    """Send the root logger's records to the configured outputs only. Raises ``OSError`` when the file cannot be made.

    ``secrets`` (``engine.config.secrets(config)``) never appear in any output. Call ``stop_logging`` at the end.
    """
    writer = QueueWriter(settings, Redactor(secrets))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(writer)
    root.setLevel(settings.level.upper())
    for chatty in ("aiohttp.access", "asyncio", "ccxt", "urllib3", "paramiko"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    return writer


def set_level(level: str) -> None:
    """Change the level while running (a reload)."""
    logging.getLogger().setLevel(level.upper())


def stop_logging(writer: QueueWriter) -> None:
    """Write what is queued, then log no more."""
    logging.getLogger().removeHandler(writer)
    writer.close()
