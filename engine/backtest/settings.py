"""What a backtest assumes beyond the configuration: queue model, latencies, fees, partial fills."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.backtest.candles import CandleModel
from engine.backtest.funding import Funding
from engine.kernel.sim import queue
from engine.kernel.sim.latency import OrderLatency, constant, recorded, sampled

MS: Final = 1_000_000

MOST_SAMPLES: Final = 50_000  # points of the equity curve of one run

#: Binance's fees without discount, fractions of notional: (maker, taker).
FEES: Final = {"spot": (0.001, 0.001), "usdm": (0.0002, 0.0005)}


class SettingsError(Exception):
    """A simulation setting that makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class LatencySpec:
    """Order latencies. ``kind``: constant, recorded (``rows``), or lognormal around the constants."""

    kind: str = "constant"
    entry_ns: int = 10 * MS
    response_ns: int = 10 * MS
    spread: float = 0.5  # lognormal: standard deviation of the logarithm
    seed: int = 0
    rows: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)

    def build(self) -> OrderLatency:
        """The kernel's form. Raises SettingsError."""
        try:
            if self.kind == "constant":
                return constant(self.entry_ns, self.response_ns)
            if self.kind == "recorded":
                return recorded(np.array(self.rows, np.int64).reshape(-1, 3))
            if self.kind == "lognormal":
                draw = np.random.default_rng(self.seed)
                factors = draw.lognormal(0.0, self.spread, (2, 1 << 14))
                entry, response = (np.array([[self.entry_ns], [self.response_ns]]) * factors).astype(np.int64)
                return sampled(entry, response)
        except ValueError as error:
            raise SettingsError(f"latency: {error}") from error
        raise SettingsError(f"latency {self.kind!r}: there are constant, recorded, lognormal")


@dataclass(frozen=True, slots=True)
class Simulation:
    """The assumptions of one run."""

    queue_model: str = "power_prob"
    n: float = 2.0
    partial_fills: bool = False
    latency: LatencySpec = LatencySpec()
    maker_fee: float = 0.0002
    taker_fee: float = 0.0005
    queue_ticks: int = 0
    overlap: bool = False
    start_after_s: float = 0.0
    starts: dict[str, int] = field(default_factory=dict)  # symbol -> ns of its first possible quote, where it differs
    sample_s: float = 1.0  # made longer where the data would give more than MOST_SAMPLES
    funding: tuple[Funding, ...] = ()
    skip_bad_lines: bool = False
    candles: CandleModel = field(default_factory=CandleModel)

    def queue_code(self) -> int:
        """The kernel's number of the queue model. Raises SettingsError naming the known ones."""
        if self.queue_model not in queue.MODELS:
            raise SettingsError(f"queue model {self.queue_model!r}: there are {', '.join(queue.MODELS)}")
        return queue.MODELS[self.queue_model]
