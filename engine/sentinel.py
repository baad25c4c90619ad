"""The second composition root: the sentinel, which stops the engine's orders when the engine cannot.

``python -m engine.sentinel --config F`` watches for ever. ``--once cancel|halt|flatten|status`` acts once and ends with
0 only when the exchange itself proved the outcome. It needs neither the engine nor the kernel.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

from engine.config.errors import ConfigErrors
from engine.config.load import load_as_read
from engine.config.schema import Config
from engine.config.show import secrets
from engine.live.failures import Exit, StartError
from engine.live.outside.following import ConfigFollower
from engine.live.outside.sentinel_actions import SentinelActions, SentinelReport
from engine.live.rules import sentinel_rules
from engine.live.strategy.watching import Lookout
from engine.risk.sentinel import Act, Decision, EngineSeen, VenueSeen, decide
from engine.telemetry.logs import LogSettings, set_level, start_logging, stop_logging
from engine.telemetry.notify import Notifier

log = logging.getLogger("sentinel")

VENUE_EVERY_S: Final = 2.0  # while all is well; an engine in doubt makes it look at once
VERBS: Final = ("cancel", "halt", "flatten", "status")


class Sentinel:
    """The daemon: look, decide, act, and remember since when each side has not been seen.

    ``follower`` says with which configuration the engine runs; None: the sentinel keeps the one it began with.
    """

    def __init__(self, config: Config, actions: SentinelActions, follower: ConfigFollower | None = None) -> None:
        self.config, self.actions, self._follower = config, actions, follower
        self.rules = sentinel_rules(config)
        now = time.monotonic()
        self._engine_seen = self._venue_seen = now
        self._venue = VenueSeen(True)
        self._venue_at = 0.0
        self._said = ""
        self._lookout = Lookout(actions.memory)
        self._stuck = ""

    async def run(self, stop: asyncio.Event, notify: Notifier) -> None:
        """Look at engine and exchange once an interval until ``stop`` is set; a look that fails ends nothing."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a guard that dies guards nothing: told, and looked again
                log.critical("a look failed: %s: %s", type(error).__name__, error)
            notify.alive()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.config.sentinel.interval.seconds)

    async def look(self) -> Decision:
        """One round: see both sides, decide, and carry it out."""
        engine = await self.actions.see_engine(time.monotonic() - self._venue_seen)
        now = time.monotonic()
        if engine.reachable:
            self._engine_seen = now
            await self._follow(engine.config_sha256)
        doubtful = not _well(engine, self.rules.engine_stale_s)
        self._look_at_strategy(doubtful)
        if doubtful or now - self._venue_at > VENUE_EVERY_S:
            self._venue = await self.actions.see_venue()
            self._venue_at = now = time.monotonic()
            if self._venue.reachable:
                self._venue_seen = now
        decision = decide(
            self.rules,
            engine,
            self._venue,
            engine_unseen_s=now - self._engine_seen,
            venue_unseen_s=now - self._venue_seen,
            lead=self.actions.lead(),
        )
        await self._act(decision)
        return decision

    async def _follow(self, digest: str) -> None:
        """Take over what the engine has reloaded. Where that cannot be, the rules stay as they are, and it is told."""
        if self._follower is None:
            return
        fresh = await self._follower.follow(digest)
        if fresh is not None:
            self.config = self.actions.config = fresh
            self.rules = sentinel_rules(fresh)
            set_level(fresh.logging.level)

    def _look_at_strategy(self, doubtful: bool) -> None:
        """Where the engine is silent because its strategy does not return, say where that is."""
        try:
            stuck = self._lookout.stuck(self.rules.engine_stale_s) if not self.actions.direct else ""
        except OSError as error:
            stuck = f"the strategy's mark cannot be written: {error.strerror}"
        if stuck and doubtful and stuck.rpartition(" for ")[0] != self._stuck:
            self._stuck = stuck.rpartition(" for ")[0]
            log.critical("the strategy does not return: %s", stuck)

    async def _act(self, decision: Decision) -> None:
        if decision.act is Act.WATCH:
            self._say(logging.INFO, decision.reason)
            return
        self._say(logging.CRITICAL, f"{decision.act.value}: {decision.reason}")
        if decision.act is Act.HALT:
            report = await self.actions.halt(decision.reason, "sentinel")
        elif self.config.sentinel.flatten:
            report = await self.actions.flatten()
        else:
            report = await self.actions.cancel()
        self._venue_at = 0.0  # the picture has changed: look again in the next round
        if report.proved:
            self._venue_seen = time.monotonic()
            log.warning("proved: %s", report.message, extra={"report": report.as_dict()})
        else:
            log.critical("NOT proved: %s", report.message, extra={"report": report.as_dict()})

    def _say(self, level: int, text: str) -> None:
        """The same state is told once, not twice a second."""
        kind = text.split(" for ", 1)[0]
        if kind != self._said:
            self._said = kind
            log.log(level, text)


def _well(engine: EngineSeen, stale_s: float) -> bool:
    return engine.reachable and engine.age_s is not None and engine.age_s <= stale_s


async def once(actions: SentinelActions, verb: str, reason: str, actor: str) -> SentinelReport:
    """One act with its proof. Raises ``StartError`` where the exchange cannot be asked at all."""
    if verb == "halt":  # the mark first: it must stand even when the exchange cannot be reached
        actions.mark_halt(reason, actor)
        await actions.open()
        return await actions.halt(reason, actor)
    if verb == "status":
        await actions.open()
        return await actions.status()
    marked = actions.mark_off(verb, reason, actor)
    await actions.open()
    report = await (actions.cancel() if verb == "cancel" else actions.flatten())
    report.proved, report.message = report.proved and not marked, report.message + marked
    return report


async def _main(options: argparse.Namespace, config: Config, digest: str) -> int:
    actions = SentinelActions(config, direct=options.direct)
    try:
        if options.once:
            report = await once(actions, options.once, options.reason, options.actor)
            report.message += f"; {actions.key_said}" if actions.key_said else ""
            _print(report.as_dict(), as_json=options.json)
            return int(Exit.OK if report.proved else Exit.UNPROVED)
        return await _watch(config, actions, ConfigFollower(config, digest, options.config, options.env_file))
    finally:
        await actions.close()


async def _watch(config: Config, actions: SentinelActions, follower: ConfigFollower) -> int:
    loop, stop, notify = asyncio.get_running_loop(), asyncio.Event(), Notifier()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    opened = False
    while not opened and not stop.is_set():
        try:
            await actions.open()
            opened = True
        except StartError as error:
            if error.code is not Exit.UNREACHABLE:
                raise
            log.critical("%s; trying again", error)  # without sight it can do nothing else, and it must not go away
    log.info("watching account %s, symbol %s", actions.account_name, actions.symbol)
    notify.ready("watching")
    if not stop.is_set():
        await Sentinel(config, actions, follower).run(stop, notify)
    notify.stopping()
    return int(Exit.OK)


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer))
        return
    proved = "proved" if answer["proved"] else "NOT PROVED"
    print(f"{answer['verb']} {answer['account']}: {proved}; {answer['message']}")


def main(argv: list[str] | None = None) -> int:
    """Watch, or act once (``--once``); returns the exit code, 0 only when what was asked for is proved."""
    parser = argparse.ArgumentParser("python -m engine.sentinel", description="Watches the engine from outside.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--env-file", type=Path, metavar="FILE")
    parser.add_argument("--once", choices=VERBS, help="act once and end with 0 only when proved")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    direct = "this is not the engine's host: leave and read no files, and see that no order comes back (with --once)"
    parser.add_argument("--direct", action="store_true", help=direct)
    parser.add_argument("--confirm", metavar="ACCOUNT", help="refuse unless the configuration names this account")
    parser.add_argument("--reason", default="no reason given", help="kept in the mark")
    parser.add_argument("--actor", default="operator", help="kept in the mark")
    options = parser.parse_args(argv)
    try:
        config, digest = load_as_read(options.config, env_file=options.env_file, stopping=True)
    except ConfigErrors as errors:
        for problem in errors.errors:
            print(problem, file=sys.stderr)
        return int(Exit.CONFIG)
    if options.confirm is not None and options.confirm != config.exchange.account:
        print(f"this configuration is of account {config.exchange.account}, not {options.confirm}", file=sys.stderr)
        return int(Exit.REFUSED)
    settings = LogSettings(level="warning", format="text", outputs=("stderr",))
    if not options.once:
        settings = LogSettings(config.logging.level, config.logging.format, ("stdout",))
    writer = start_logging(settings, secrets(config))
    try:
        return asyncio.run(_main(options, config, digest))
    except StartError as error:
        if options.json:
            failed = SentinelReport(options.once or "watch", config.exchange.account, message=str(error))
            print(json.dumps(failed.as_dict()))
        print(f"sentinel: {error}", file=sys.stderr)
        return int(error.code)
    finally:
        stop_logging(writer)


if __name__ == "__main__":
    sys.exit(main())
