"""Charts as inline SVG, drawn twice: wide and narrow, so that words stay readable on a desk and on a phone.

Colours are the page's own properties (``--gain``, ``--line``, ...), which its light and dark themes set.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mmctl.report.document import Chart, Shape, Unit, Words
from mmctl.report.shown import signed

MOST_POINTS: Final = 720  # of a line: more than pixels show nothing more


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of a drawing and its margins, in its own pixels."""

    width: int
    height: int
    left: int
    right: int = 12
    top: int = 12
    bottom: int = 26

    @property
    def across(self) -> float:
        """Width of the plot, in units of the drawing."""
        return self.width - self.left - self.right

    @property
    def down(self) -> float:
        """Height of the plot, in units of the drawing."""
        return self.height - self.top - self.bottom


WIDE: Final = Frame(720, 240, 68)
NARROW: Final = Frame(350, 220, 58)


def steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` steps apart (1, 2 or 5 times a power of ten)."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def short(value: float, step: float) -> str:
    """A number of an axis: as many decimals as its step needs, thousands as k, millions as M."""
    for factor, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor or (step >= factor / 10 and value):
            divisor = 1e3 if name == "k" else factor
            return signed(Decimal(f"{value / divisor:.6g}"), None) + name
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 0
    return signed(Decimal(f"{value:.{min(digits, 8)}f}"), min(digits, 8))


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels of one frame."""

    frame: Frame
    low: float
    high: float
    end: float  # of the x axis

    def y(self, value: float) -> float:
        """Where a value stands, in units of the drawing from its top."""
        return self.frame.top + self.frame.down * (1 - (value - self.low) / (self.high - self.low))

    def x(self, value: float) -> float:
        """Where a time stands, in units of the drawing from its left."""
        return self.frame.left + self.frame.across * value / self.end


def scale_of(chart: Chart, frame: Frame) -> Scale:
    """Zero is always in sight, and there is some room above and below."""
    values = [value for value in (*chart.y, *chart.y2) if value is not None] or [0.0]
    if chart.shape is Shape.WATERFALL:
        sums, running = [0.0], 0.0
        for value in values[:-1]:
            running += value
            sums.append(running)
        values = [*sums, values[-1]]
    low, high = min(0.0, *values), max(0.0, *values)
    if low == high:
        low, high = -1.0, 1.0
    room = (high - low) * 0.06
    end = max((tick for tick, _ in chart.ticks), default=1.0)
    numbers = [float(value) for value in chart.x if not isinstance(value, str)]
    low, high = low - room if low < 0 else low, high + room if high > 0 else high
    return Scale(frame, low, high, max([end, *numbers, 1e-9]))


def draw(chart: Chart, title: str, language: str) -> str:
    """Both drawings of a chart; ``title`` is what a screen reader says."""
    return "".join(_one(chart, frame, name, title, language) for frame, name in ((WIDE, "wide"), (NARROW, "narrow")))


def _one(chart: Chart, frame: Frame, name: str, title: str, language: str) -> str:
    scale = scale_of(chart, frame)
    body = _grid(chart, scale)
    match chart.shape:
        case Shape.LINE | Shape.AREA | Shape.STEPS:
            body += _line(chart, scale)
        case Shape.BARS | Shape.COUNTS:
            body += _bars(chart, scale)
        case Shape.STACK:
            body += _stack(chart, scale)
        case Shape.WATERFALL:
            body += _waterfall(chart, scale, language)
    return (
        f'<svg class="chart {name}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{html.escape(title)}">{body}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", style: str = "") -> str:
    added = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{added}>{html.escape(text)}</text>'


def _grid(chart: Chart, scale: Scale) -> str:
    frame = scale.frame
    marks = steps(scale.low, scale.high)
    if chart.unit is Unit.COUNT:
        marks = sorted({float(round(mark)) for mark in marks})
    step = marks[1] - marks[0] if len(marks) > 1 else abs(marks[0]) or 1.0
    made = []
    for mark in marks:
        y, value = scale.y(mark), 0.0 if abs(mark) < step * 1e-6 else mark
        style = "zero" if value == 0 else "grid"
        made.append(
            f'<line class="{style}" x1="{frame.left}" x2="{frame.width - frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        label = value * 100 if chart.unit is Unit.RATIO else value
        text = short(label, step * 100 if chart.unit is Unit.RATIO else step)
        made.append(_text(frame.left - 6, y + 4, text + ("%" if chart.unit is Unit.RATIO else ""), "end"))
    ticks = list(chart.ticks)
    if frame is NARROW and len(ticks) > 4:
        ticks = ticks[::2]
    for at, text in ticks:
        x = scale.x(at)
        anchor = "end" if x > frame.width - frame.right - 14 else "start" if x < frame.left + 14 else "middle"
        made.append(_text(x, frame.height - 8, text, anchor))
    return "".join(made)


def thinned(x: Sequence[float], y: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """At most ``MOST_POINTS`` points, with the lowest and highest of each stretch kept, and every gap."""
    points = list(zip(x, y, strict=True))
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(len(points) / (MOST_POINTS // 3))
    found: list[tuple[float, float | None]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        known = [(at, value) for at, value in part if value is not None]
        kept = {part[0], part[-1], *[point for point in part if point[1] is None]}
        if known:
            kept |= {min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])}
        found += [point for point in part if point in kept]
    return found


def _line(chart: Chart, scale: Scale) -> str:
    x = [float(value) for value in chart.x]
    strokes: list[list[tuple[float, float]]] = [[]]
    for at, value in thinned(x, chart.y):
        if value is None:
            strokes.append([])
            continue
        if chart.shape is Shape.STEPS and strokes[-1]:
            strokes[-1].append((scale.x(at), strokes[-1][-1][1]))
        strokes[-1].append((scale.x(at), scale.y(value)))
    style = "loss" if chart.shape is Shape.AREA else "line"
    zero, made = scale.y(0.0), []
    for stroke in strokes:
        if not stroke:
            continue
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in stroke)
        if chart.shape is not Shape.STEPS:
            area = f"{stroke[0][0]:.1f},{zero:.1f} {path} {stroke[-1][0]:.1f},{zero:.1f}"
            made.append(f'<polygon class="fill-{style}" points="{area}"/>')
        if len(stroke) == 1:
            made.append(f'<circle class="dot-{style}" cx="{stroke[0][0]:.1f}" cy="{stroke[0][1]:.1f}" r="2.5"/>')
        else:
            made.append(f'<polyline class="stroke-{style}" points="{path}"/>')
    return "".join(made)


def _bar(x: float, width: float, top: float, bottom: float, style: str, title: str) -> str:
    high, low = min(top, bottom), max(top, bottom)
    return (
        f'<rect class="{style}" x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{max(low - high, 1):.1f}">'
        f"<title>{html.escape(title)}</title></rect>"
    )


def _category(scale: Scale, at: int, count: int) -> tuple[float, float]:
    """Left edge and width of the bar of one of ``count`` categories."""
    slot = scale.frame.across / count
    width = min(slot * 0.72, 56)
    return scale.frame.left + slot * at + (slot - width) / 2, width


def _names(chart: Chart, scale: Scale, names: Sequence[str]) -> str:
    count, frame = len(names), scale.frame
    longest = max((len(name) for name in names), default=1)
    fits = max(1, int(frame.across / (longest * 7 + 8)))
    every = math.ceil(count / fits)
    made = []
    for at in range(0, count, every):
        x, width = _category(scale, at, count)
        made.append(_text(x + width / 2, frame.height - 8, names[at]))
    return "".join(made)


def _bars(chart: Chart, scale: Scale) -> str:
    names = [str(name) for name in chart.x]
    made = [_names(chart, scale, [name[5:] if len(name) == 10 else name for name in names])]
    for at, value in enumerate(chart.y):
        x, width = _category(scale, at, len(names))
        if value is None:
            made.append(_text(x + width / 2, scale.y(0) - 4, "?", style="faint"))
            continue
        if chart.shape is Shape.COUNTS and not value:
            continue
        style = "bar-warn" if chart.shape is Shape.COUNTS else "bar-gain" if value >= 0 else "bar-loss"
        said = f"{names[at]}: {signed(Decimal(f'{value:.8g}'), None)}"
        made.append(_bar(x, width, scale.y(value), scale.y(0), style, said))
    return "".join(made)


def _stack(chart: Chart, scale: Scale) -> str:
    names = [str(name) for name in chart.x]
    made = [_names(chart, scale, names)]
    for at, (up, down) in enumerate(zip(chart.y, chart.y2, strict=True)):
        x, width = _category(scale, at, len(names))
        for value, style in ((up, "bar-gain"), (down, "bar-loss")):
            if value:
                said = f"{names[at]}: {signed(Decimal(f'{value:.8g}'), None)}"
                made.append(_bar(x, width, scale.y(value), scale.y(0), style, said))
    return "".join(made)


def _waterfall(chart: Chart, scale: Scale, language: str) -> str:
    names = [name.of(language) if isinstance(name, Words) else str(name) for name in (chart.names or chart.x)]
    made, running = [_names(chart, scale, names)], 0.0
    for at, value in enumerate(chart.y):
        x, width = _category(scale, at, len(names))
        last = at == len(names) - 1
        begin, end = (0.0, value or 0.0) if last else (running, running + (value or 0.0))
        running = end
        style = "bar-total" if last else "bar-gain" if (value or 0.0) >= 0 else "bar-loss"
        text = signed(Decimal(f"{value or 0.0:.4f}"), 2 if abs(value or 0) >= 1000 else 4)
        made.append(_bar(x, width, scale.y(end), scale.y(begin), style, f"{names[at]}: {text}"))
        if scale.frame is WIDE:
            made.append(_text(x + width / 2, min(scale.y(begin), scale.y(end)) - 4, text, style="strong"))
    return "".join(made)
