"""Kill -9 at random moments: no order left behind, the ledger equal to the exchange's, and how soon it quotes again.

Each round starts an engine process on a sandbox exchange over real sockets and kills it at a random point: a third of
them while it still starts, the rest while it quotes. Every later engine that comes to quote is checked: what an older
epoch left must be gone, and with the market standing still the journal must hold exactly the exchange's trades. Warm
rounds fork from a process with the imports done (``benchmarks.forge``); cold rounds start Python. There is no peer.
"""

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import BenchmarkFailed, configure, exchange, get, post, spread_of, until
from benchmarks.side_by_side import ROOT
from engine.orders.ids import epoch_of
from engine.sandbox.settings import DEFAULT_ACCOUNTS

LIMIT_S: Final = 6.0  # promised from process start to quoting again
SETTLE_S: Final = 10.0  # leftovers gone and fills booked by then, or they count as orphans and mismatches
START_S: Final = 120.0
KILLED_STARTING: Final = 1 / 3
OPENED: Final = DEFAULT_ACCOUNTS[0].spot


@dataclass
class Findings:
    orphans: int = 0
    mismatches: list[str] = field(default_factory=list)
    checks: int = 0
    warm_s: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    armed: int = 0  # futures: the dead man's switch was armed again by an engine that quotes
    killed_starting: int = 0
    killed_quoting: int = 0


class Engines:
    """Starts engines, warm or cold, and ends them by signal."""

    def __init__(self, config: Path, http: int, log: Path) -> None:
        self._config, self._http, self._log = config, http, log
        self._forge: subprocess.Popen[str] | None = None
        self._cold: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.began = 0.0

    def start(self, *, cold: bool) -> None:
        self.began = time.monotonic()
        if cold:
            with open(self._log, "ab") as out:
                command = [sys.executable, "-m", "engine", "run", "--config", str(self._config)]
                self._cold = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
            self.pid = self._cold.pid
            return
        forge = self._forge or self._make_forge()
        self.began = time.monotonic()
        self.pid = int(self._ask(forge))

    def _make_forge(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.forge", str(self._config), str(self._log)]
        forge = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._forge = forge
        if forge.stdout is None or forge.stdout.readline().strip() != "ready":
            raise BenchmarkFailed("the forge of warm engines did not start")
        return forge

    @staticmethod
    def _ask(forge: "subprocess.Popen[str]") -> str:
        if forge.stdin is None or forge.stdout is None:
            raise BenchmarkFailed("the forge of warm engines is gone")
        forge.stdin.write("engine\n")
        forge.stdin.flush()
        return forge.stdout.readline()

    def quoting(self) -> dict[str, Any] | None:
        """The engine's own word that it quotes, from the process started last."""
        state = get(self._http, "/api/state")
        if state and state["engine"]["pid"] == self.pid and state["engine"]["quoting"]:
            found: dict[str, Any] = state["engine"]
            return found
        if not self.alive():
            raise BenchmarkFailed(f"the engine ended by itself:\n{self._log.read_text()[-2000:]}")
        return None

    def alive(self) -> bool:
        """Whether any thread of the engine started last still runs: until then its port and its lease are taken."""
        if self._cold is not None and self._cold.pid == self.pid:
            return self._cold.poll() is None
        return Path(f"/proc/{self.pid}").exists()  # the forge lets the kernel reap it, which waits for every thread

    def end(self, number: int, seconds: float = 30.0) -> None:
        """Send a signal and wait for the end."""
        os.kill(self.pid, number)
        if self._cold is not None and self._cold.pid == self.pid:
            self._cold.wait(seconds)
            self._cold = None
            return
        until("the engine ends", lambda: not self.alive(), seconds, 0.002)

    def close(self) -> None:
        if self.pid and self.alive():
            self.end(signal.SIGKILL)
        if self._forge is not None and self._forge.stdin is not None:
            self._forge.stdin.close()
            self._forge.wait(20)


def held_by_journal(journal: Path) -> dict[str, Any]:
    """Trades, position, fees and money moved, as the journal has them."""
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT side, price, quantity, fee, fee_asset FROM trades").fetchall()
        positions = database.execute("SELECT quantity FROM positions").fetchall()
    position = sum((side * Decimal(quantity) for side, _, quantity, _, _ in rows), Decimal(0))
    paid = -sum((side * Decimal(price) * Decimal(quantity) for side, price, quantity, _, _ in rows), Decimal(0))
    fees: dict[str, Decimal] = {}
    for *_, fee, asset in rows:
        fees[asset] = fees.get(asset, Decimal(0)) + Decimal(fee)
    kept = Decimal(positions[0][0]) if positions else Decimal(0)
    return {"fills": len(rows), "position": position, "kept": kept, "paid": paid, "fees": fees}


def ledger_differs(venue: int, journal: Path, market: str) -> str:
    """Where journal and exchange differ now; empty when every trade, the position, fees and money are equal."""
    ours, theirs = held_by_journal(journal), get(venue, "/sandbox/accounts")["sandbox"]
    if ours["fills"] != theirs["fills"]:
        return f"{ours['fills']} trades in the journal, {theirs['fills']} at the exchange"
    if ours["kept"] != ours["position"]:
        return f"the journal's position is {ours['kept']}, its trades add up to {ours['position']}"
    if market == "usdm":
        position = Decimal(theirs["positions"].get("ETHUSDT", "0"))
        return "" if position == ours["position"] else f"position {ours['position']}, at the exchange {position}"
    expected = {
        "ETH": Decimal(OPENED["ETH"]) + ours["position"] - ours["fees"].get("ETH", Decimal(0)),
        "USDT": Decimal(OPENED["USDT"]) + ours["paid"] - ours["fees"].get("USDT", Decimal(0)),
    }
    for asset, amount in expected.items():
        balance = theirs["spot"][asset]
        held = Decimal(balance["free"]) + Decimal(balance["locked"])
        if held != amount:
            return f"{asset}: the journal adds up to {amount}, the exchange has {held}"
    return ""


def check(venue: int, journal: Path, market: str, epoch: int, found: Findings) -> None:
    """Leftovers of older epochs gone, and the ledgers equal while the market stands still."""
    found.checks += 1

    def leftovers() -> int:
        orders = get(venue, "/sandbox/orders?account=sandbox&open=1")["orders"]
        return sum(1 for order in orders if (epoch_of(order["clientOrderId"]) or epoch) < epoch)

    with contextlib.suppress(BenchmarkFailed):
        until("leftovers are cancelled", lambda: not leftovers(), SETTLE_S)
    found.orphans += leftovers()
    post(venue, "/sandbox/pause", {})
    try:
        until("the ledgers agree", lambda: not ledger_differs(venue, journal, market), SETTLE_S, 0.02)
    except BenchmarkFailed:
        found.mismatches.append(ledger_differs(venue, journal, market))
    post(venue, "/sandbox/resume", {})


def forget_weight(venue: int) -> None:
    """So many starts a minute would spend the address's request weight, and an engine then waits, as it should."""
    post(venue, "/sandbox/limits", {})


def one_round(
    engines: Engines, dice: random.Random, found: Findings, venue: int, journal: Path, market: str, cold: bool
) -> None:
    forget_weight(venue)
    engines.start(cold=cold)
    usual = min(found.cold_s if cold else found.warm_s, default=0.0)
    if usual and dice.random() < KILLED_STARTING:
        time.sleep(dice.uniform(0.0, usual))
        found.killed_starting += 1
        engines.end(signal.SIGKILL)
        return
    state = until("the engine quotes", engines.quoting, START_S, 0.02)
    (found.cold_s if cold else found.warm_s).append(time.monotonic() - engines.began)
    found.armed += get(venue, "/sandbox/state")["armed"] == [f"sandbox:{market}:ETHUSDT"]
    check(venue, journal, market, state["epoch"], found)
    time.sleep(dice.uniform(0.0, 0.6))
    found.killed_quoting += 1
    engines.end(signal.SIGKILL)


@contextlib.contextmanager
def engines_on(folder: Path, venue: int, market: str) -> Iterator[Engines]:
    config, http = configure(folder, venue, market)
    engines = Engines(config, http, folder / "engine.log")
    try:
        yield engines
    finally:
        engines.close()


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks recovery")
    parser.add_argument("--seeds", type=int, default=300, help="rounds, each ending in a kill (default 300)")
    parser.add_argument("--seed-base", type=int, default=1, help="seed of market and kill points")
    parser.add_argument("--cold", type=int, help="how many of the rounds start a cold process (default one in 15)")
    parser.add_argument("--market", choices=("spot", "usdm"), default="spot")
    options = parser.parse_args(argv)
    rounds, dice, found = options.seeds, random.Random(options.seed_base), Findings()
    cold = min(options.cold if options.cold is not None else -(-rounds // 15), rounds)
    order = [True] * cold + [False] * (rounds - cold)
    dice.shuffle(order)
    market = ("--symbols", f"{options.market}:ETHUSDT", "--speed", "5", "--seed", str(options.seed_base), "--no-limits")
    with exchange(*market) as (folder, venue), engines_on(folder, venue, options.market) as engines:
        journal = folder / "data" / "journal.db"
        for is_cold in order:
            one_round(engines, dice, found, venue, journal, options.market, is_cold)
        forget_weight(venue)
        engines.start(cold=False)
        state = until("the last engine quotes", engines.quoting, START_S, 0.02)
        found.warm_s.append(time.monotonic() - engines.began)
        check(venue, journal, options.market, state["epoch"], found)
        engines.end(signal.SIGTERM)
        left = len(get(venue, "/sandbox/orders?account=sandbox&open=1")["orders"])
        final = ledger_differs(venue, journal, options.market)
        fills = held_by_journal(journal)["fills"]
    starts = found.warm_s + found.cold_s
    return {
        "name": "recovery",
        "unit": "s from process start to quoting",
        "ours": spread_of(starts)["p95"],
        "peer": None,
        "limit_s": LIMIT_S,
        "rounds": rounds,
        "cold_rounds": cold,
        "killed_starting": found.killed_starting,
        "killed_quoting": found.killed_quoting,
        "checks": found.checks,
        "dead_man_armed": found.armed if options.market == "usdm" else None,
        "fills": fills,
        "orphans": found.orphans + left,
        "ledger_mismatches": len(found.mismatches) + bool(final),
        "mismatches": [*found.mismatches, final] if final else found.mismatches,
        "start_to_quote": spread_of(starts),
        "warm": spread_of(found.warm_s),
        "cold": spread_of(found.cold_s) if found.cold_s else None,
        "within_limit": max(starts) <= LIMIT_S,
        "load": [round(load, 1) for load in os.getloadavg()],
        "market": options.market,
        "seed_base": options.seed_base,
    }
