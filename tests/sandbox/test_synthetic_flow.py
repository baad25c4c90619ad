"""The synthetic market's two tempers: the usual one is what it always was, the lively one trades through levels."""

import hashlib

from engine.sandbox.market.price_process import LIVELY, USUAL, Temper
from engine.sandbox.market.symbols import parse_names
from engine.sandbox.market.synthetic import SyntheticSource

STEPS = 3_000  # of 50 ms


def frames(temper: Temper, seed: int = 5) -> list[tuple[str, str]]:
    source = SyntheticSource(parse_names(("spot:ETHUSDT", "usdm:ETHUSDT")), seed, temper)
    return [(frame.kind, repr(frame.data)) for _ in range(STEPS) for frame in source.take(1)]


def test_the_usual_flow_is_what_it_always_was() -> None:
    """Tests, recordings and benchmarks rely on it frame by frame."""
    digest = hashlib.sha256("".join(f"('{kind}', {data})" for kind, data in frames(USUAL)).encode()).hexdigest()
    assert digest.startswith("da807f0ef4beefc0")


def test_the_lively_flow_repeats_by_its_seed_and_trades_more() -> None:
    lively = frames(LIVELY)
    assert lively == frames(LIVELY)
    assert lively != frames(LIVELY, seed=6)
    trades = [sum(kind == "trade" for kind, _ in found) for found in (frames(USUAL), lively)]
    assert trades[1] > 1.5 * trades[0]
