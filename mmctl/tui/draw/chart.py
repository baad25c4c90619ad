"""Values over time as braille curves, with a scale, a legend, levels and marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from mmctl.tui.draw.canvas import ACROSS, DOWN, Canvas, Line, Lines, cut, length

F64 = npt.NDArray[np.float64]

#: Below this size a chart has no room for a scale.
SMALLEST: Final = (16, 3)
#: Room kept free above and below the curves, as a share of what they span.
MARGIN: Final = 0.06


@dataclass(frozen=True, slots=True)
class Curve:
    """``values`` at ``times`` (seconds), NaN where there is none. ``step``: a value holds until the next."""

    name: str
    style: str
    times: F64
    values: F64
    step: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A character at a time and a value, over the curves."""

    time: float
    value: float
    char: str
    style: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line: a limit, a threshold, zero. With ``reach`` the scale is stretched to show it."""

    value: float
    name: str
    style: str
    reach: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, from ``start`` to ``end`` (seconds since 1970). ``gap``: seconds without a value break a curve."""

    curves: Sequence[Curve]
    start: float
    end: float
    decimals: int = 2
    marks: Sequence[Mark] = ()
    levels: Sequence[Level] = ()
    gap: float = 10.0
    suffix: str = ""
    scale: float = 1.0  # shown = value * scale
    named: bool = False  # better fewer curves in the legend than one without its name


def draw(chart: Chart, width: int, height: int) -> Lines:
    """The chart in ``width`` x ``height`` cells: legend, curves with their scale, times. Says so where nothing is."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return [[("too small", "dim")]] if width > 8 and height > 0 else []
    bounds = span(chart)
    if bounds is None:
        return [[("nothing measured in this window yet", "dim")]]
    low, high = bounds
    rows = height - 2
    labels = {row: _label(chart, high - (high - low) * (row + 0.5) / rows) for row in _label_rows(rows)}
    gutter = max(len(text) for text in labels.values()) + 1
    canvas = Canvas(width - gutter, rows)
    for level in chart.levels:
        _level(canvas, level, low, high)
    for curve in reversed(chart.curves):  # the first one lies over the others
        _curve(canvas, chart, curve, low, high)
    for mark in chart.marks:
        across = (mark.time - chart.start) / (chart.end - chart.start)
        if 0 <= across <= 1 and math.isfinite(mark.value):
            y = round(_from_top(mark.value, low, high, rows * DOWN)) // DOWN
            canvas.char(
                min(canvas.width - 1, int(across * canvas.width)), max(0, min(rows - 1, y)), mark.char, mark.style
            )
    lines: Lines = [_legend(chart, width)]
    lines += [[(labels.get(row, "").rjust(gutter - 1) + " ", "axis"), *canvas.line(row)] for row in range(rows)]
    lines.append([(" " * gutter + _times(chart, width - gutter), "axis")])
    return lines


def span(chart: Chart) -> tuple[float, float] | None:
    """Lowest and highest value to show, with a margin; None where no curve has a value in the window."""
    found: list[float] = [mark.value for mark in chart.marks if chart.start <= mark.time <= chart.end]
    seen = False
    for curve in chart.curves:
        inside = curve.values[(curve.times >= chart.start) & (curve.times <= chart.end)]
        inside = inside[np.isfinite(inside)]
        if inside.size:
            seen = True
            found += [float(inside.min()), float(inside.max())]
    if not seen:
        return None
    found += [level.value for level in chart.levels if level.reach]
    low, high = min(found), max(found)
    least = 10.0**-chart.decimals / chart.scale * 4
    if high - low < least:
        middle = (high + low) / 2
        low, high = middle - least / 2, middle + least / 2
    room = (high - low) * MARGIN
    return low - room, high + room


def _label_rows(rows: int) -> list[int]:
    """Rows that carry a label: first, last, and some between when there is room."""
    count = max(2, min(rows, 1 + rows // 4)) if rows > 1 else 1
    return sorted({round(i * (rows - 1) / max(1, count - 1)) for i in range(count)})


def _label(chart: Chart, value: float) -> str:
    return f"{value * chart.scale:,.{chart.decimals}f}{chart.suffix}"


def _from_top(value: float, low: float, high: float, dots: int) -> float:
    return (high - value) / (high - low) * (dots - 1)


def _level(canvas: Canvas, level: Level, low: float, high: float) -> None:
    if not low <= level.value <= high:
        return
    y = round(_from_top(level.value, low, high, canvas.height * DOWN)) // DOWN
    for x in range(canvas.width):
        canvas.ground(x, y, "╌", level.style)
    for x, char in enumerate(f"{level.name} "[: canvas.width]):
        canvas.ground(x, y, char, level.style)


def _curve(canvas: Canvas, chart: Chart, curve: Curve, low: float, high: float) -> None:
    inside = (curve.times >= chart.start) & (curve.times <= chart.end)
    times, values = curve.times[inside], curve.values[inside]
    width, dots = canvas.width * ACROSS, canvas.height * DOWN
    xs = np.minimum(((times - chart.start) / (chart.end - chart.start) * width).astype(np.int64), width - 1)
    ys = np.rint((high - values) / (high - low) * (dots - 1))
    before: tuple[int, int, float] | None = None
    for x, y, time in zip(xs.tolist(), ys.tolist(), times.tolist(), strict=True):
        if y != y:
            before = None
            continue
        row = int(y)
        if before is None or time - before[2] > chart.gap:
            canvas.column(x, row, row, curve.style)
        else:
            _joined(canvas, before[0], before[1], x, row, curve)
        before = (x, row, time)


def _joined(canvas: Canvas, x0: int, y0: int, x1: int, y1: int, curve: Curve) -> None:
    """From one point to the next: straight, or along and then up or down."""
    if x1 <= x0:
        canvas.column(x1, min(y0, y1), max(y0, y1), curve.style)
        return
    last = y0
    for x in range(x0 + 1, x1 + 1):
        y = (y0 if x < x1 else y1) if curve.step else round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        away = 1 if y > last else -1 if y < last else 0
        canvas.column(x, min(last + away, y), max(last + away, y), curve.style)
        last = y


def _legend(chart: Chart, width: int) -> Line:
    """Every curve with its last value; without names where they do not fit, and then those that do fit."""
    entries: list[tuple[Line, Line]] = []
    for curve in chart.curves:
        seen = curve.values[curve.times <= chart.end]
        last = _label(chart, float(seen[-1])) if seen.size and np.isfinite(seen[-1]) else "-"  # what is over has none
        short: Line = [("━ ", curve.style), (f"{last}  ", "")]
        entries.append(([short[0], (f"{curve.name} ", "dim"), short[1]], short))
    whole: Line = [run for full, _ in entries for run in full]
    if length(whole) <= width + 2:
        return cut(whole, width)
    named = _fitting([full for full, _ in entries], width)
    return cut(named if chart.named or len(named) >= 9 else _fitting([short for _, short in entries], width), width)


def _fitting(entries: Sequence[Line], width: int) -> Line:
    line: Line = []
    for entry in entries:
        if length(line) + length(entry) <= width + 2:
            line += entry
    return line


def _times(chart: Chart, width: int) -> str:
    """The window's first and last time, and one in the middle where it fits; UTC."""
    first, last = _clock(chart.start), _clock(chart.end)
    middle = _clock((chart.start + chart.end) / 2)
    if width < 2 * len(last) + 2:
        return last.rjust(width) if width >= len(last) else ""
    if width < 3 * len(last) + 6:
        return first + last.rjust(width - len(first))
    side = (width - len(middle)) // 2
    return first.ljust(side) + middle + last.rjust(width - side - len(middle))


def _clock(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # beyond every calendar
        return "-"


def width_of(lines: Lines) -> int:
    """The longest line, in cells."""
    return max((length(line) for line in lines), default=0)
