"""What each type of panel looks like: Grafana's options of the panel, and those of its fields."""

from collections.abc import Callable
from typing import Any, Final

from mmctl.monitoring.boards.model import Kind, Panel

Json = dict[str, Any]
TOOLTIP: Final = {"mode": "multi", "sort": "desc"}
LEGEND: Final = {"calcs": ["lastNotNull"], "displayMode": "list", "placement": "bottom", "showLegend": True}
LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
HIDDEN: Final = {"legend": False, "tooltip": False, "viz": False}


def _stat(panel: Panel) -> Json:
    return {
        "colorMode": "value",
        "graphMode": "none" if panel.shown or panel.unit.startswith("bool") else "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": LAST,
        "showPercentChange": False,
        "textMode": "value_and_name",
        "wideLayout": True,
    }


def _gauge(_panel: Panel) -> Json:
    return {
        "minVizHeight": 75,
        "minVizWidth": 75,
        "orientation": "auto",
        "reduceOptions": LAST,
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "sizing": "auto",
    }


def _bar_gauge(_panel: Panel) -> Json:
    return {
        "displayMode": "gradient",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": LAST,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }


def _bar_chart(_panel: Panel) -> Json:
    return {
        "barRadius": 0,
        "barWidth": 0.7,
        "fullHighlight": False,
        "groupWidth": 0.7,
        "legend": LEGEND | {"calcs": []},
        "orientation": "auto",
        "showValue": "auto",
        "stacking": "none",
        "tooltip": {"mode": "single", "sort": "none"},
        "xField": "side",
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 0,
    }


def _pie_chart(_panel: Panel) -> Json:
    return {
        "displayLabels": ["name", "value"],
        "legend": {
            "calcs": [],
            "displayMode": "list",
            "placement": "right",
            "showLegend": True,
            "values": ["value", "percent"],
        },
        "pieType": "donut",
        "reduceOptions": LAST,
        "tooltip": {"mode": "single", "sort": "none"},
    }


def _time_series(_panel: Panel) -> Json:
    return {"legend": LEGEND, "tooltip": TOOLTIP}


def _heatmap(panel: Panel) -> Json:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 64,
        },
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


def _state_timeline(_panel: Panel) -> Json:
    return {
        "alignValue": "left",
        "legend": LEGEND | {"calcs": []},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }


def _table(_panel: Panel) -> Json:
    return {
        "cellHeight": "sm",
        "footer": {"countRows": False, "fields": "", "reducer": ["sum"], "show": False},
        "showHeader": True,
        "sortBy": [],
    }


OPTIONS: Final[dict[Kind, Callable[[Panel], Json]]] = {
    Kind.STAT: _stat,
    Kind.GAUGE: _gauge,
    Kind.BAR_GAUGE: _bar_gauge,
    Kind.BAR_CHART: _bar_chart,
    Kind.PIE_CHART: _pie_chart,
    Kind.TIME_SERIES: _time_series,
    Kind.HEATMAP: _heatmap,
    Kind.STATE_TIMELINE: _state_timeline,
    Kind.TABLE: _table,
}


def custom(panel: Panel) -> Json:
    """The options of the panel's fields, as its type has them."""
    match panel.kind:
        case Kind.TIME_SERIES:
            return {
                "axisPlacement": "auto",
                "drawStyle": "line",
                "fillOpacity": 30 if panel.stacked else 8,
                "hideFrom": HIDDEN,
                "lineInterpolation": "linear",
                "lineWidth": 1,
                "pointSize": 4,
                "scaleDistribution": {"type": "linear"},
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
                "thresholdsStyle": {"mode": "line" if panel.lines else "off"},
            }
        case Kind.BAR_CHART:
            return {
                "axisPlacement": "auto",
                "fillOpacity": 80,
                "hideFrom": HIDDEN,
                "lineWidth": 1,
                "scaleDistribution": {"type": "linear"},
                "thresholdsStyle": {"mode": "off"},
            }
        case Kind.PIE_CHART:
            return {"hideFrom": HIDDEN}
        case Kind.HEATMAP:
            return {"hideFrom": HIDDEN, "scaleDistribution": {"type": "linear"}}
        case Kind.STATE_TIMELINE:
            return {"fillOpacity": 70, "hideFrom": HIDDEN, "lineWidth": 0}
        case Kind.TABLE:
            return {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "minWidth": 85}
        case _:
            return {}
