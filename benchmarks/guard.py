"""The guard's own errors: rollbacks for nothing in a month of noise, and faults that it does not find in time.

Every measure of every sample is bad with a probability of 0.1 %, independently; as many samples are missing. The peer
is a limit on the failures in all, without "in a row" (``failureLimit`` of Argo Rollouts), over the same noise.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mmctl.watch.gates import GatesFile, parse
from mmctl.watch.guard import Act, Situation, decide
from mmctl.watch.rules import Gates, Rule, Sample

NOISE: Final = 0.001
SAMPLES: Final = 2_600_000
FAULTS: Final = 1_000
SHIPPED: Final = Path(__file__).parents[1] / "configs" / "gates.yaml"
GOOD: Final = {"health": 1.0, "order_latency_p95": 0.02, "memory": 4e8, "breaker": 0.0}
BAD: Final = {"health": 0.0, "order_latency_p95": 0.35, "memory": 3e9, "breaker": 3.0}
NUMBERS: Final = ("order_latency_p95", "memory")
#: As many failures in all are one too many for the peer: the seed's three.
PEER_LIMIT: Final = 2


def noisy(chance: random.Random, fault: str = "") -> dict[str, float | None]:
    """One sample. Under a ``fault`` its measure is bad, but for what is missing; a latency is now and then low."""
    values: dict[str, float | None] = {}
    for measure, good in GOOD.items():
        draw = chance.random()
        if draw < NOISE:
            values[measure] = None
        elif measure == fault:
            values[measure] = good if measure == "order_latency_p95" and draw < 2 * NOISE else BAD[measure]
        else:
            # A measure that is a number moves with its draw; an answer or a state does not.
            values[measure] = (
                BAD[measure] if draw < 2 * NOISE else good * (0.8 + 0.4 * draw) if measure in NUMBERS else good
            )
    return values


def false_rollbacks(shipped: GatesFile, samples: int, seed: int) -> tuple[int, int]:
    """Acts of the guard, and of the peer, in ``samples`` samples without a fault."""
    chance = random.Random(seed)
    gates = Gates.of(shipped.rules, shipped.interval)
    ours = theirs = peer = 0
    for number in range(samples):
        values = noisy(chance)
        gates = gates.read(Sample(number * shipped.interval, values))
        if gates.failed:
            ours += decide(gates, Situation()).act is not Act.NONE
            gates = gates.fresh()
        peer += any(value == BAD[name] for name, value in values.items())
        if peer > PEER_LIMIT:
            theirs, peer = theirs + 1, 0
    return ours, theirs


def latencies(shipped: GatesFile, faults: int, seed: int) -> Iterator[tuple[Rule, float | None]]:
    """For each injected fault its rule, and the seconds from its begin to the act; None where none came."""
    for number in range(faults):
        chance = random.Random(seed * 1_000_003 + number)
        rule = shipped.rules[number % len(shipped.rules)]
        gates = Gates.of(shipped.rules, shipped.interval)
        begin = chance.uniform(50, 100) * shipped.interval
        at, found = 0.0, None
        while at < begin + 2 * rule.seconds(shipped.interval) + 10 * shipped.interval:
            gates = gates.read(Sample(at, noisy(chance, rule.measure if at >= begin else "")))
            cause = "mismatch" if gates.failed and rule.measure == "breaker" else ""
            if at >= begin and decide(gates, Situation(cause=cause)).act is Act.ROLL_BACK:
                found = at - begin
                break
            at += shipped.interval
        yield rule, found


def main(argv: Sequence[str]) -> dict[str, Any]:
    """The benchmark's one object."""
    words = argparse.ArgumentParser(prog="python -m benchmarks guard")
    words.add_argument("--samples", type=int, default=SAMPLES)
    words.add_argument("--faults", type=int, default=FAULTS)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args(argv)
    shipped = parse(SHIPPED.read_text(), str(SHIPPED))
    begun = time.perf_counter()
    ours, theirs = false_rollbacks(shipped, given.samples, given.seed)
    seconds = time.perf_counter() - begun
    caught, slowest = 0, 0.0
    for rule, took in latencies(shipped, given.faults, given.seed):
        in_time = took is not None and took <= rule.seconds(shipped.interval) + shipped.interval
        caught += in_time
        if took is not None:
            slowest = max(slowest, took - rule.seconds(shipped.interval))
    return {
        "name": "guard", "false_rollbacks": ours, "samples": given.samples, "noise": NOISE,
        "injected": given.faults, "caught": caught, "worst_beyond_rule_s": round(slowest, 3),
        "ours": ours, "peer": "a limit on failures in all", "theirs": theirs, "unit": "false rollbacks",
        "ratio": round(theirs / max(1, ours), 1), "runs": 1, "us_per_sample": round(seconds / given.samples * 1e6, 2),
    }  # fmt: skip
