"""The exchange's clock: wall time plus a step that faults can set."""

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int: ...


class ExchangeClock:
    """Wall clock in milliseconds since 1970, moved by ``step_ms``."""

    def __init__(self) -> None:
        self.step_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.step_ms
