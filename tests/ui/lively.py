"""An engine that trades: its answers follow from how often it was asked, so pictures of it are always alike."""

import math
from typing import Any

from mmctl.tui.snapshot import Snapshot, snapshot_of
from tests.ui import samples
from tests.ui.bench import FakeSource

START_NS = 1_723_118_500_000_000_000
SECOND = 1_000_000_000
SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
METRICS = """# TYPE mm_portfolio_drawdown_ratio gauge
mm_portfolio_drawdown_ratio {drawdown}
mm_portfolio_drawdown_limit_ratio 0.05
mm_quote_uptime_ratio{{venue="binance",symbol="ETHUSDT"}} 0.981
mm_volatility_bps{{venue="binance",symbol="ETHUSDT"}} {volatility}
mm_market_spread_bps{{venue="binance",symbol="ETHUSDT"}} 0.41
mm_quote_spread_bps{{venue="binance",symbol="ETHUSDT"}} 2.86
mm_markout_bps{{horizon="0.1s"}} 0.42
mm_markout_bps{{horizon="1s"}} 0.31
mm_markout_bps{{horizon="5s"}} -0.12
mm_markout_bps{{horizon="30s"}} 0.09
mm_reject_ratio 0.012
mm_memory_bytes 412000000
mm_clock_skew_seconds 0.012
mm_journal_healthy 1
mm_journal_lag_seconds 0.01
mm_journal_queue 3
mm_lease_held 1
mm_lease_age_seconds 0.8
mm_start_timestamp_seconds 1723110000
"""


class LivelySource(FakeSource):
    """``without``: parts that this engine does not have, as one of an older release."""

    def __init__(self, name: str = "mm1", without: tuple[str, ...] = (), **changes: Any) -> None:
        super().__init__(name)
        self.asked = 0
        self.without = without
        self.changes = changes

    def poll(self) -> Snapshot:
        self.asked += 1
        now = START_NS + self.asked * SECOND
        mid = 2450.0 + 3.0 * math.sin(self.asked / 9) + math.sin(self.asked / 2)
        documents: dict[str, Any] = {
            "state": self._state(mid, now),
            "orders": {"orders": samples.ORDERS},
            "events": {"events": samples.EVENTS},
            "why": {"why": samples.WHY},
            "fills": {"fills": self._fills()},
            "book": self._book(mid),
            "latency": LATENCY,
        }
        for part in self.without:
            documents.pop(part, None)
        page = METRICS.format(drawdown=0.004 + 0.003 * math.sin(self.asked / 7), volatility=1 + self.asked % 7 / 10)
        snapshot = snapshot_of(self.name, now, documents, page)
        for part in self.without:
            assert part in snapshot.missing
        return snapshot

    def _state(self, mid: float, now: int) -> dict[str, Any]:
        state = samples.state(as_of_ns=now, pnl__total=self.asked / 40, **self.changes)
        one = state["symbols"]["ETHUSDT"]
        state["symbols"] = {
            symbol: {
                **one,
                "tick_size": "0.1",
                "lot_size": "0.001",
                "book": {"state": "live", "bid": mid - 0.1, "ask": mid + 0.1, "age_s": 0.04},
                "quote": {**one["quote"], "bid": mid - 0.4, "ask": mid + 0.4},
                "position": {**one["position"], "base": 0.3 * math.sin(self.asked / 5 + index)},
                "markouts_bps": {"5": 0.4 - index / 4},
            }
            for index, symbol in enumerate(SYMBOLS)
        }
        return state

    def _fills(self) -> list[dict[str, Any]]:
        """One every fifth second, newest first."""
        found = []
        for number in range(5, self.asked + 1, 5):
            mid = 2450.0 + 3.0 * math.sin(number / 9) + math.sin(number / 2)
            bought = number % 2 == 0
            found.append(
                {
                    "symbol": "ETHUSDT",
                    "trade_id": str(number),
                    "client_id": f"mm-7-{number}",
                    "side": "buy" if bought else "sell",
                    "price": f"{mid - 0.4 if bought else mid + 0.4:.1f}",
                    "quantity": "0.100",
                    "maker": True,
                    "fee_quote": "0.0490",
                    "position": "0.300",
                    "exchange_ns_text": str(START_NS + number * SECOND),
                }
            )
        return found[::-1]

    def _book(self, mid: float) -> dict[str, Any]:
        def side(sign: int) -> list[dict[str, Any]]:
            return [
                {
                    "price": f"{mid + sign * (0.1 + level / 10):.1f}",
                    "size": f"{1 + (level * 7) % 5 + level / 10:.3f}",
                    "ours": "0.100" if level == 3 else None,
                }
                for level in range(25)
            ]

        return {"symbol": "ETHUSDT", "tick_size": "0.1", "lot_size": "0.001", "bids": side(-1), "asks": side(1)}


LATENCY: dict[str, Any] = {
    "window": {"covered_s": 900.0},
    "stages": {
        stage: {
            **{name: scale * factor for name, factor in (("p50", 1), ("p90", 2), ("p95", 3), ("p99", 6), ("p999", 11))},
            "max": scale * 14,
            "count": 1200,
            "buckets": [
                {"upto_s": scale * 2**step / 4, "count": count} for step, count in enumerate((3, 90, 400, 520, 160, 27))
            ],
        }
        for stage, scale in (("decision", 31e-6), ("submit", 22e-6), ("ack", 0.9e-3), ("tick_to_order", 80e-6))
    },
}
