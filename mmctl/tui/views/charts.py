"""How a chart gets into its frame, and what its title says."""

from mmctl.formats import age as age_text
from mmctl.tui.draw import chart
from mmctl.tui.draw.chart import Chart
from mmctl.tui.views.base import Look
from mmctl.tui.widgets import Drawing


def paint_chart(drawing: Drawing, title: str, what: Chart | None, look: Look) -> None:
    """The chart in its frame; words where there is none to draw."""
    if what is None:
        drawing.show(title, ("none", look.symbol), lambda width, height: [[("nothing measured yet", "dim")]])
        return
    of = (title, look.window, len(what.marks), tuple(len(curve.values) for curve in what.curves))
    drawing.show(title, of, lambda width, height: chart.draw(what, width, height))


def span_text(span: float) -> str:
    """The span of the charts in words."""
    return f"last {age_text(span) if span < 100 else f'{span / 60:.0f} min' if span < 3600 else f'{span / 3600:.0f} h'}"
