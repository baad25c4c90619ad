"""``python -m engine.recorder --config F [INSTRUMENT...]``: records until SIGTERM or Ctrl-C; a process of its own.

It trades nothing, uses no key, and needs neither engine nor kernel.
"""

import argparse
import asyncio
import logging
import re
import signal
import sys
from pathlib import Path
from typing import Any

from engine.config.errors import ConfigErrors
from engine.config.load import load_as_read
from engine.config.schema import Config
from engine.config.show import secrets
from engine.live.failures import Exit
from engine.recorder.folder import FolderError
from engine.recorder.keeping import Rules
from engine.recorder.recorder import Recorder, RecorderSettings, by_market
from engine.recorder.ship import store_of
from engine.recorder.tape import RecordedPair
from engine.telemetry.descriptors import raise_limit
from engine.telemetry.http import Listener, ListenError
from engine.telemetry.logs import LogSettings, start_logging, stop_logging
from engine.telemetry.notify import Notifier
from engine.venue.binance.endpoints import endpoints

log = logging.getLogger("recorder")

MB = 1_000_000
ALIVE_S = 2.0


def settings_of(config: Config, named: list[str], out: Path | None) -> RecorderSettings:
    """What the configuration and the command line ask for."""
    exchange, recorder, venue = config.exchange, config.recorder, config.venue
    names = named or recorder.instruments or [config.strategy.symbol]
    full = dict.fromkeys(name if ":" in name else f"{exchange.market}:{name}" for name in names)
    instruments = tuple(RecordedPair(exchange.name, *name.split(":")) for name in full)
    given = {"rest": venue.rest or "", "stream": venue.stream or "", "ws_api": venue.ws_api or ""}
    places = {market: endpoints(market, testnet=exchange.testnet, **given) for market in by_market(instruments)}
    address = recorder.store or ""
    store = store_of(address, recorder.store_key, recorder.store_known_hosts) if address else None
    return RecorderSettings(
        root=out or config.recordings(),
        instruments=instruments,
        places=places,
        rules=Rules(int(recorder.keep), recorder.max_size * MB, store, address),
        rotate_ns=int(recorder.rotate),
        min_free=recorder.min_free * MB,
        request_s=venue.request_timeout.seconds,
    )


async def _run(config: Config, settings: RecorderSettings) -> int:
    loop, stop, notify = asyncio.get_running_loop(), asyncio.Event(), Notifier()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    recorder = Recorder(settings)
    listener = Listener(recorder.figures, recorder.figures.exporter, None, hosts=config.monitoring.hosts)
    await listener.start(config.monitoring.host, config.recorder.port)
    recorder.start()
    log.info(
        "recording %s into %s; metrics on port %d",
        *(", ".join(one.name for one in settings.instruments), settings.root, listener.port),
        extra={"port": listener.port},
    )
    notify.ready("recording")
    while not stop.is_set() and not recorder.broken.done():
        notify.alive()
        state = recorder.standing.paused or f"recording {len(recorder.tapes)} instruments"
        notify.status(state)
        try:
            async with asyncio.timeout(ALIVE_S):
                await stop.wait()
        except TimeoutError:
            continue
    notify.stopping()
    written = await recorder.stop()
    await listener.stop()
    summary = {"frames": sum(tape.frames for tape in recorder.tapes), "gaps": recorder.standing.gaps}
    log.info("ended: %d frames, %d gaps", summary["frames"], summary["gaps"], extra=summary)
    if not written:
        log.critical("the disk did not take what was left; the next start says which files were cut")
    return int(Exit.FAILED if recorder.broken.done() or not written else Exit.OK)


def main(argv: list[str] | None = None) -> int:
    """Record until a signal; returns the exit code."""
    parser = argparse.ArgumentParser("mmctl record run", description="Writes the market down as it comes.")
    parser.add_argument(
        "instruments", nargs="*", metavar="INSTRUMENT", help="spot:ETHUSDT usdm:BTCUSDT; else the config's"
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--env-file", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="DIR", help="record into this folder instead of the config's")
    parser.add_argument("--json", action="store_true", help="the log as JSON lines")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args(argv)
    try:
        config, _ = load_as_read(options.config, env_file=options.env_file)
        if options.instruments or not config.recorder.enabled:
            config = _with(config, options.instruments)
        settings = settings_of(config, options.instruments, options.out)
    except ConfigErrors as errors:
        for problem in errors.errors:
            print(problem, file=sys.stderr)
        return int(Exit.CONFIG)
    except ValueError as wrong:
        print(f"{options.config}: {wrong}", file=sys.stderr)
        return int(Exit.CONFIG)
    raise_limit()
    kind: Any = "json" if options.json else config.logging.format
    writer = start_logging(LogSettings(config.logging.level, kind, ("stdout",)), secrets(config))
    logging.getLogger("picows").setLevel(logging.WARNING)
    try:
        import uvloop

        return uvloop.run(_run(config, settings))
    except (FolderError, ListenError) as error:
        log.error("the recorder does not start: %s", error)
        return int(Exit.REFUSED)
    finally:
        stop_logging(writer)


def _with(config: Config, named: list[str]) -> Config:
    """The configuration as if it asked for the recorder and ``named``, held to the same rules.

    Raises ValueError naming what cannot be recorded.
    """
    from engine.config.recording import INSTRUMENT, RecorderSection
    from engine.config.rules import broken_rules

    for name in named:
        if not re.fullmatch(INSTRUMENT, name):
            raise ValueError(f"{name} is no instrument; write spot:ETHUSDT or usdm:BTCUSDT")
    given = {name: getattr(config.recorder, name) for name in config.recorder.model_fields_set}
    wanted = RecorderSection.model_validate(
        {**given, "enabled": True, "instruments": named or config.recorder.instruments}
    )
    asked = config.model_copy(update={"recorder": wanted})
    for path, text, hint in broken_rules(asked):
        if path[0] == "recorder":
            raise ValueError(f"{'.'.join(map(str, path))}: {text}; {hint}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
