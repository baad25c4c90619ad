"""Runs a sandbox in the foreground: options to settings, ready file, reports, signals."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import uvloop
import yaml

from engine.sandbox.decimals import parse_e8
from engine.sandbox.errors import SandboxError
from engine.sandbox.server import SandboxExchange
from engine.sandbox.settings import AccountSettings, KeySettings, Settings


def run(settings: Settings, ready_file: Path | None = None, *, quiet: bool = False, busy: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. What goes wrong is said in one line on stderr."""
    try:
        sandbox = SandboxExchange(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if busy:
                _never_sleep(runner.get_loop())
            runner.run(_serve(sandbox, ready_file, quiet))
    except SandboxError as reason:
        print(f"sandbox: {reason}", file=sys.stderr)
        return 1
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    return 0


def _never_sleep(loop: asyncio.AbstractEventLoop) -> None:
    """Keep the loop turning: then who sends to us does not pay for waking us, as it would not over a real network."""

    def turn() -> None:
        loop.call_soon(turn)

    loop.call_soon(turn)


async def _serve(sandbox: SandboxExchange, ready_file: Path | None, quiet: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with sandbox:
        if not quiet:
            _announce(sandbox)
        if ready_file is not None:
            write_ready_file(ready_file, sandbox)
        watch = asyncio.ensure_future(stopped.wait())
        while not stopped.is_set():
            await asyncio.wait([watch], timeout=0.5)
            failure = sandbox.failure()
            if failure is not None:
                raise SandboxError(f"the market stopped: {failure!r}")


def write_ready_file(path: Path, sandbox: SandboxExchange) -> None:
    """{"port", "pid", "rest", "markets"}: written whole, by rename, once connections are accepted."""
    content = {
        "port": sandbox.port,
        "pid": os.getpid(),
        "rest": sandbox.addresses.rest,
        "markets": [f"{m.value}:{s}" for m, s in sandbox.core.exchange.markets],
    }
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.rename(path)


def _announce(sandbox: SandboxExchange) -> None:
    for report in sandbox.reports:
        print(f"replaying {report['market']}: {report['frames']} frames, {report['seconds']:.1f} s, {report['file']}")
        for note in report["notes"]:
            print(f"  {note}", file=sys.stderr)
    markets = ", ".join(f"{m.value}:{s}" for m, s in sandbox.core.exchange.markets)
    print(f"sandbox exchange on {sandbox.addresses.rest} with {markets}", flush=True)


def read_faults(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The fault rules of a YAML or JSON file: a list, or a mapping with the key ``faults``."""
    content = _read(path)
    if isinstance(content, Mapping):
        content = content.get("faults")
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise SandboxError(f"{path}: expected a list of faults, each a mapping with a kind")
    return tuple(content)


def read_accounts(path: Path) -> tuple[AccountSettings, ...]:
    """Accounts from YAML: {name: {keys: [{key, secret|ed25519_public, trade, withdraw}], spot: {...}, usdm: {...}}}.

    Also ``hedge_mode``, ``multi_assets``, ``portfolio`` (true) and ``isolated`` (symbols).
    """
    content = _read(path)
    if not isinstance(content, Mapping) or not content:
        raise SandboxError(f"{path}: expected a mapping of account names")
    accounts = []
    for name, body in content.items():
        try:
            keys = tuple(KeySettings(**key) for key in body["keys"])
            given: dict[str, Any] = {k: {a: str(v) for a, v in body[k].items()} for k in ("spot", "usdm") if k in body}
            given |= {k: bool(body[k]) for k in ("hedge_mode", "multi_assets", "portfolio") if k in body}
            isolated = tuple(str(symbol) for symbol in body.get("isolated", ()))
            accounts.append(AccountSettings(str(name), keys, **given, isolated=isolated))
        except (TypeError, KeyError, AttributeError) as wrong:
            raise SandboxError(f"{path}: account {name}: {wrong}") from None
    return tuple(accounts)


def read_balances(words: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """``[spot:|usdm:]ASSET=AMOUNT`` as balances on spot and on futures; without a market it is spot's."""
    found: dict[str, dict[str, str]] = {"spot": {}, "usdm": {}}
    for word in words:
        asset, equals, amount = word.partition("=")
        market, colon, name = asset.partition(":")
        if not colon:
            market, name = "spot", asset
        try:
            if not equals or not name or market not in found or parse_e8(amount) < 0:
                raise ValueError
        except (ValueError, ArithmeticError):
            raise SandboxError(f"--balances {word}: expected [spot:|usdm:]ASSET=AMOUNT, e.g. ETH=0.5") from None
        found[market][name.upper()] = amount
    return found["spot"], found["usdm"]


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise SandboxError(f"{path}: {reason.strerror or reason}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        raise SandboxError(f"{path}: not YAML or JSON: {reason}") from None
