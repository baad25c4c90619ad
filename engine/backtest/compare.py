"""Two backtests over the same data, compared in pairs: second by second, so that the market's share cancels out."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.backtest.metrics import stationary_bootstrap
from engine.backtest.runfile import KeptRun

RESAMPLES: Final = 2_000
FEWEST: Final = 20  # paired changes below this carry no interval
COUNTED: Final = ("orders", "cancels", "max_drawdown")


class CompareError(ValueError):
    """The two runs cannot be paired; the message says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A, with its 95 % stationary-bootstrap interval; ``shown`` when that excludes zero."""

    what: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None

    @property
    def shown(self) -> bool:
        """Whether the confidence interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def compare(a: KeptRun, b: KeptRun, *, seed: int = 0) -> dict[str, Any]:
    """Paired differences of profit and per-second Sharpe ratio, and plain ones of what is only counted.

    Raises CompareError when the runs are not over the same data: other symbols, files or times.
    """
    _same_data(a, b)
    grid: NDArray[np.float64] = np.arange(0.0, min(a.seconds, b.seconds) + 1.0, dtype=np.float64)
    changes_a, changes_b = _changes(a, grid), _changes(b, grid)
    n = changes_a.size
    rows = [*_paired(changes_a, changes_b, seed)] if n >= FEWEST else _unpaired(changes_a, changes_b)
    for name in COUNTED:
        x, y = float(a.result[name]), float(b.result[name])
        rows.append(Difference(name, x, y, y - x, None, None))
    for name, x in a.result["pnl"].items():
        y = b.result["pnl"][name]
        if name != "total":
            rows.append(Difference(f"pnl {name}", float(x), float(y), float(y) - float(x), None, None))
    return {
        "a": a.name,
        "b": b.name,
        "seconds": float(grid[-1]),
        "paired_changes": int(n),
        "correlation": _correlation(changes_a, changes_b),
        "differences": [asdict(row) | {"shown": row.shown} for row in rows],
    }


def _same_data(a: KeptRun, b: KeptRun) -> None:
    if a.equity.keys() != b.equity.keys():
        raise CompareError(f"{a.name} ran on {', '.join(a.equity)}, {b.name} on {', '.join(b.equity)}")
    first, second = a.made_from.get("data_sha256"), b.made_from.get("data_sha256")
    if first != second:
        raise CompareError(f"{a.name} and {b.name} ran on different data files; only runs over the same data pair up")


def _changes(run: KeptRun, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per-second changes of the account's equity, quote currency."""
    total = np.zeros_like(grid)
    for rows in run.equity.values():
        at = np.searchsorted(rows[:, 0], grid, side="right") - 1
        total += np.where(at >= 0, rows[np.maximum(at, 0), 1], 0.0)
    return np.diff(total)


def _paired(a: NDArray[np.float64], b: NDArray[np.float64], seed: int) -> list[Difference]:
    """The same resampled seconds are drawn from both, which is what makes the interval one of the difference."""
    picked = stationary_bootstrap(a.size, RESAMPLES, max(2.0, a.size ** (1 / 3)), seed)
    gap = (b - a)[picked].sum(axis=1)
    low, high = np.quantile(gap, (0.025, 0.975))
    rows = [Difference("pnl total", float(a.sum()), float(b.sum()), float((b - a).sum()), float(low), float(high))]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = [s[picked].mean(axis=1) / s[picked].std(axis=1, ddof=1) for s in (a, b)]
        x, y = (float(s.mean() / s.std(ddof=1)) for s in (a, b))
    spread = (ratio[1] - ratio[0])[np.isfinite(ratio[1] - ratio[0])]
    if np.isfinite(x) and np.isfinite(y) and spread.size > RESAMPLES // 2:
        low, high = np.quantile(spread, (0.025, 0.975))
        rows.append(Difference("sharpe per second", x, y, y - x, float(low), float(high)))
    return rows


def _unpaired(a: NDArray[np.float64], b: NDArray[np.float64]) -> list[Difference]:
    return [Difference("pnl total", float(a.sum()), float(b.sum()), float(b.sum() - a.sum()), None, None)]


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if a.size < FEWEST or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
