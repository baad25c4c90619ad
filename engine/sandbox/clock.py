"""The exchange's clock: wall time plus a step that faults can set."""

import time
from typing import Protocol


class Clock(Protocol):
    """The exchange's time: the wall's, or one that a test moves."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""


class ExchangeClock:
    """Wall clock in milliseconds since 1970, moved by ``step_ms``."""

    def __init__(self) -> None:
        self.step_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + self.step_ms
