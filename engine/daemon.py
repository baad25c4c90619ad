"""The daemon as a process: configuration, log, event loop, exit code. What it runs is ``engine.app``."""

import logging
import sys
from pathlib import Path

from engine.app import App
from engine.config.errors import ConfigErrors
from engine.config.load import load_as_read
from engine.config.schema import Config
from engine.config.show import secrets
from engine.live.failures import Exit, StartError
from engine.telemetry.descriptors import raise_limit
from engine.telemetry.export import export_logs
from engine.telemetry.logs import LogSettings, QueueWriter, start_logging, stop_logging

log = logging.getLogger("engine")


def run(path: Path, env_file: Path | None, *, verbose: bool = False) -> int:
    """Load the configuration, log, and run until a signal. Returns the exit code."""
    try:
        config, digest = load_as_read(path, env_file=env_file, deep=True)
    except ConfigErrors as errors:
        for error in errors.errors:
            print(error, file=sys.stderr)
        return int(Exit.CONFIG)
    raise_limit()
    try:
        writer = start_logging(LogSettings.of(config.logging), secrets(config))
    except OSError as error:
        print(f"cannot write the log {config.logging.file_path}: {error.strerror}", file=sys.stderr)
        return int(Exit.FAILED)
    for chatty in ("picows", "py.warnings"):
        logging.getLogger(chatty).setLevel(logging.WARNING if chatty == "picows" else logging.ERROR)
    try:
        import uvloop

        return uvloop.run(_run(config, digest, path, env_file, writer))
    except StartError as error:
        log.error("the engine does not start: %s", error)
        return int(error.code)
    except Exception as error:
        log.critical("the engine failed: %s: %s", type(error).__name__, error, exc_info=error if verbose else None)
        return int(Exit.FAILED)
    finally:
        stop_logging(writer)


async def _run(config: Config, digest: str, path: Path, env_file: Path | None, writer: QueueWriter) -> int:
    """One run after the other for as long as each hands over: the process stays, with all that is compiled in it."""
    warm = False
    while True:
        app = App(config, path, env_file, digest, warm=warm)
        export_logs(app.context.exporter, writer)
        code = await app.run()
        if code or not app.handed_over:
            return code
        # What it quoted with, reloads and all; the secrets are those of its start.
        config, digest, warm = app.context.config, app.context.reloader.digest, True
