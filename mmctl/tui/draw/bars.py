"""Bars as text: sparklines, shares of a limit, a histogram, values around zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mmctl.tui.draw.canvas import Line, Lines, cut

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_ACROSS: Final = " ▏▎▍▌▋▊▉█"


def spark(values: Sequence[float], width: int) -> str:
    """The last ``width`` values as one line of bars from their least to their greatest; blanks for no value."""
    shown = list(values)[-width:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return " " * width
    low, high = min(finite), max(finite)
    flat = high - low <= abs(high) * 1e-12
    cells = [
        " " if not math.isfinite(v) else "▄" if flat else _EIGHTHS[1 + min(7, int((v - low) / (high - low) * 7.999))]
        for v in shown
    ]
    return "".join(cells).rjust(width)


def bar(share: float, width: int) -> str:
    """A bar of ``width`` cells filled to ``share`` (0-1) in eighths of a cell; full beyond."""
    eighths = max(0, min(width * 8, round(share * width * 8))) if math.isfinite(share) else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_ACROSS[rest] if rest else "")).ljust(width)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram: what it holds, how often, and the style of its level."""

    label: str
    count: float
    style: str = ""


def histogram(bins: Sequence[Bin], width: int, height: int) -> Lines:
    """One line a bin: label, bar, count and share of all. Bins that are empty at both ends are left out."""
    inside = [index for index, one in enumerate(bins) if one.count > 0]
    if not inside:
        return [[("nothing measured yet", "dim")]]
    shown = bins[inside[0] : inside[-1] + 1]
    while len(shown) > height > 0:
        shown = _halved(shown)
    total, most = sum(one.count for one in shown), max(one.count for one in shown)
    label = max(len(one.label) for one in shown)
    count = max(len(f"{one.count:,.0f}") for one in shown)
    room = max(4, width - label - count - 10)
    return [
        [
            (f"{one.label:>{label}} ", "dim"),
            (bar(one.count / most, room), one.style or "curve"),
            (f" {one.count:>{count},.0f}", ""),
            (f" {one.count / total * 100:5.1f}%", "dim"),
        ]
        for one in shown
    ]


def _halved(bins: Sequence[Bin]) -> list[Bin]:
    """Neighbours together, under the label of the upper one."""
    pairs = [bins[i : i + 2] for i in range(0, len(bins), 2)]
    return [Bin(pair[-1].label, sum(one.count for one in pair), pair[-1].style) for pair in pairs]


def around_zero(values: Sequence[tuple[str, float | None, str]], width: int, unit: str) -> Lines:
    """One line a value: label, bar to the left or right of zero, and the figure with ``unit``; "-" for None."""
    if not values:
        return [[("nothing measured yet", "dim")]]
    most = max((abs(value) for _, value, _ in values if value is not None), default=0.0) or 1.0
    label = max(len(name) for name, _, _ in values)
    figures = ["-" if value is None else f"{value:+,.2f} {unit}" for _, value, _ in values]
    figure = max(len(text) for text in figures)
    half = max(2, (width - label - figure - 4) // 2)
    lines: Lines = []
    for (name, value, note), text in zip(values, figures, strict=True):
        share = 0.0 if value is None else abs(value) / most
        cells = math.ceil(share * half) if value else 0
        left = ("█" * cells).rjust(half) if value is not None and value < 0 else " " * half
        right = ("█" * cells).ljust(half) if value is not None and value > 0 else " " * half
        line: Line = [
            (f"{name:>{label}} ", "dim"),
            (left, "bad"),
            ("│", "axis"),
            (right, "good"),
            (f" {text:>{figure}}", ""),
        ]
        if note:
            line.append((f"  {note}", "dim"))
        lines.append(cut(line, width))
    return lines
