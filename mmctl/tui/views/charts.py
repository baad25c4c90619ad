"""How a chart gets into its frame, and what its title says."""

from collections.abc import Callable

from mmctl.formats import age as age_text
from mmctl.tui.draw import chart
from mmctl.tui.draw.chart import Chart
from mmctl.tui.views.base import Look
from mmctl.tui.widgets import Drawing


def paint_chart(drawing: Drawing, title: str, make: Callable[[], Chart | None], look: Look) -> None:
    """The chart in its frame; words where there is none to draw, or where a strange answer makes none."""
    try:
        what = make()
    except Exception as error:  # noqa: BLE001 - a chart that cannot be drawn takes no figure off the screen
        drawing.clear(f"the engine's answer cannot be drawn ({type(error).__name__})")
        return
    if what is None:
        drawing.show(title, ("none", look.symbol), lambda width, height: [[("nothing measured yet", "dim")]])
        return
    of = (title, look.window, len(what.marks), tuple(len(curve.values) for curve in what.curves))
    drawing.show(title, of, lambda width, height: chart.draw(what, width, height))


def span_text(span: float) -> str:
    """The span of the charts in words."""
    return f"last {age_text(span) if span < 100 else f'{span / 60:.0f} min' if span < 3600 else f'{span / 3600:.0f} h'}"
