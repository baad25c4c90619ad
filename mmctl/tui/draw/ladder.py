"""The book around its mid as a ladder: asks above, bids below, sizes as bars, and our orders in their rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmctl.tui.draw.bars import bar
from mmctl.tui.draw.canvas import Line, Lines, cut


@dataclass(frozen=True, slots=True)
class Rung:
    """One price: what the market has there, and what of it is ours (0 = nothing)."""

    price: float
    size: float
    ours: float = 0.0


def draw(bids: Sequence[Rung], asks: Sequence[Rung], width: int, height: int, digits: tuple[int, int]) -> Lines:
    """Best prices in the middle; ``digits``: decimals of prices and of sizes.

    Rows are shared evenly, the spread between them. An order of ours beyond what is shown is told in the outermost row.
    """
    if not bids and not asks:
        return [[("no book", "dim")]]
    tick, lot = digits
    rows = max(1, (height - 1) // 2)
    upper, lower = _shown(asks, rows), _shown(bids, rows)
    every = [*upper, *lower]
    price = max(len(f"{rung.price:,.{tick}f}") for rung in every)
    size = max(len(f"{rung.size:,.{lot}f}") for rung in every)
    ours = max((len(f"{rung.ours:,.{lot}f}") for rung in every if rung.ours), default=0)
    most = max((rung.size for rung in every), default=0.0) or 1.0
    room = width - price - size - 3 - (ours + 3 if ours else 0)

    def line(rung: Rung, style: str) -> Line:
        found: Line = [(f"{rung.price:>{price},.{tick}f} ", style), (f"{rung.size:>{size},.{lot}f} ", "")]
        if ours:
            own = f"◆ {rung.ours:>{ours},.{lot}f} " if rung.ours else " " * (ours + 3)
            found.append((own, "ours"))
        if room > 0:
            found.append((bar(rung.size / most, room), f"{style}-bar"))
        return cut(found, width)

    lines = [line(rung, "ask") for rung in reversed(upper)]
    lines.append(_between(bids, asks, width, tick))
    lines += [line(rung, "bid") for rung in lower]
    return lines


def _shown(side: Sequence[Rung], rows: int) -> list[Rung]:
    """The first ``rows`` prices; where ours lie further out, the last rows are theirs."""
    near, beyond = list(side[:rows]), [rung for rung in side[rows:] if rung.ours]
    if not beyond or rows < 2:
        return near
    kept = beyond[: max(1, rows // 3)]
    return [*near[: rows - len(kept)], *kept]


def _between(bids: Sequence[Rung], asks: Sequence[Rung], width: int, tick: int) -> Line:
    if not bids or not asks:
        return [("one side only", "warn")]
    bid, ask = bids[0].price, asks[0].price
    mid = (bid + ask) / 2
    text = f"── {mid:,.{tick + 1}f}  spread {ask - bid:,.{tick}f}"
    bps = f" ({(ask - bid) / mid * 1e4:.2f} bps)" if mid > 0 else ""
    whole = text + bps if len(text) + len(bps) <= width else text
    return cut([(whole, "axis"), (" " + "─" * max(0, width - len(whole) - 1), "axis")], width)
