"""The exchange's clock: wall time plus a step that faults can set, or a time set by hand."""

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


class ManualClock:
    """Stands still until told; for schedules without sockets."""

    def __init__(self, start_ms: int = 1_723_161_256_000) -> None:
        self.time_ms = start_ms

    def now_ms(self) -> int:
        return self.time_ms
