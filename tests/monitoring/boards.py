"""One small dashboard with a panel of every type, as Grafana's own JSON, for what draws them."""

from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WHERE = 'job=~"$job", instance=~"$instance"'
LATENCY = [{"color": "green", "value": None}, {"color": "yellow", "value": 0.05}, {"color": "red", "value": 0.1}]
STATES = [
    {
        "type": "value",
        "options": {
            "0": {"text": "closed", "color": "green", "index": 0},
            "1": {"text": "half open", "color": "yellow", "index": 1},
            "2": {"text": "open", "color": "red", "index": 2},
        },
    }
]

Json = dict[str, Any]


def target(expr: str, legend: str = "", **more: Any) -> Json:
    return {"datasource": SOURCE, "expr": expr, "legendFormat": legend, "range": True, "instant": False, **more}


def table(expr: str) -> Json:
    return target(expr, format="table", range=False, instant=True)


def panel(number: int, kind: str, title: str, *targets: Json, **more: Any) -> Json:
    """A panel a third of the page wide; three stand in a line. ``unit`` and ``steps`` are of its fields' defaults."""
    defaults = {
        "unit": more.pop("unit", "short"),
        "mappings": more.pop("mappings", []),
        "thresholds": {"mode": "absolute", "steps": more.pop("steps", [{"color": "green", "value": None}])},
        **more.pop("defaults", {}),
    }
    place = {"x": (number - 1) % 3 * 8, "y": 1 + (number - 1) // 3 * 8, "w": 8, "h": 8}
    lettered = [{**one, "refId": "ABCDEFGH"[i]} for i, one in enumerate(targets)]
    fields = {"defaults": defaults, "overrides": more.pop("overrides", [])}
    made = {"id": number, "type": kind, "title": title, "description": title, "gridPos": place, "targets": lettered}
    return {**made, "fieldConfig": fields, "options": {}, **more}


def board(*panels: Json, uid: str = "every_type") -> Json:
    """A dashboard of the panels, with the variables of ours."""
    row = {"id": 99, "type": "row", "title": "Every type", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "panels": []}
    query = {"query": "label_values(mm_build_info, NAME)", "refId": "variable"}
    names = [
        {
            "name": name,
            "type": "query",
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {},
            "query": {**query, "query": query["query"].replace("NAME", name)},
        }
        for name in ("job", "instance")
    ]
    made = {
        "uid": uid,
        "title": "Every type of panel",
        "schemaVersion": 41,
        "timezone": "utc",
        "panels": [row, *panels],
    }
    listed = [{"name": "datasource", "type": "datasource", "query": "prometheus"}, *names]
    return {**made, "time": {"from": "now-5m", "to": "now"}, "templating": {"list": listed}}


PANELS = (
    panel(1, "stat", "Memory", target(f"mm_memory_bytes{{{WHERE}}}", "memory"), unit="bytes"),
    panel(
        *(2, "stat", "Up", target(f"up{{{WHERE}}}", "{{instance}}", instant=True, range=False)),
        mappings=[{"type": "value", "options": {"1": {"text": "UP", "color": "green"}}}],
        options={"colorMode": "background", "graphMode": "none"},
    ),
    panel(
        *(3, "gauge", "Position", target(f"mm_position_limit_base{{{WHERE}}}", "{{symbol}}")),
        unit="none",
        defaults={"min": 0, "max": 0.2},
        steps=[{"color": "green", "value": None}, {"color": "red", "value": 0.05}],
    ),
    panel(
        *(4, "bargauge", "Limits", target(f"mm_limit_use_ratio{{{WHERE}}}", "{{limit}}")),
        unit="percentunit",
        defaults={"min": 0, "max": 1},
        steps=[{"color": "green", "value": None}, {"color": "red", "value": 0.9}],
        options={"orientation": "horizontal", "displayMode": "gradient"},
    ),
    panel(
        *(5, "timeseries", "Decisions"),
        target(f"sum(rate(mm_quotes_total{{{WHERE}}}[$__rate_interval]))", "decisions"),
        target(f"sum(rate(mm_orders_total{{{WHERE}}}[$__rate_interval]))", "orders"),
        unit="ops",
        options={
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]}
        },
    ),
    panel(
        *(6, "table", "Instruments"),
        table(f"sum by (symbol) (mm_position_limit_base{{{WHERE}}})"),
        table(f"sum by (symbol) (mm_book_live{{{WHERE}}})"),
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {"Value #A": "Limit", "Value #B": "Live", "symbol": "Symbol"},
                },
            },
        ],
        overrides=[
            {"matcher": {"id": "byName", "options": "Limit"}, "properties": [{"id": "unit", "value": "currencyUSD"}]}
        ],
    ),
    panel(
        *(7, "heatmap", "Latency"),
        target(
            f"sum by (le) (increase(mm_quote_generation_duration_seconds_bucket{{{WHERE}}}[$__rate_interval]))",
            "{{le}}",
            format="heatmap",
        ),
        unit="s",
        options={"color": {"mode": "scheme", "scheme": "Oranges"}, "yAxis": {"unit": "s"}},
    ),
    panel(
        *(8, "state-timeline", "Breaker", target(f"mm_circuit_breaker_state{{{WHERE}}}", "breaker")),
        mappings=STATES,
    ),
    panel(
        *(9, "piechart", "Orders", target(f"sum by (outcome) (mm_orders_total{{{WHERE}}}) > 0", "{{outcome}}")),
        options={"pieType": "donut", "legend": {"placement": "right", "values": ["value", "percent"]}},
        defaults={"color": {"mode": "palette-classic"}},
    ),
    panel(
        *(10, "barchart", "Traded", table(f"sum by (side) (mm_traded_base_total{{{WHERE}}})")),
        unit="none",
        defaults={"color": {"mode": "palette-classic"}},
        options={"xField": "side"},
    ),
    panel(11, "text", "Note", options={"mode": "markdown", "content": "**Bold** words"}),
    panel(12, "timeseries", "Nothing", target(f"mm_no_such_metric{{{WHERE}}}", "none")),
    panel(13, "stat", "Refused", target("sum(mm_memory_bytes", "broken")),
)
