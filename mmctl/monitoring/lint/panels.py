"""The rules of Grafana's dashboard-linter on panels; here they hold for every type of panel.

The original looks at some types alone, and passes over a panel that has a list of mappings, even an empty one.
"""

from collections.abc import Iterator
from typing import Final

from mmctl.monitoring.lint.finding import Finding, Json, panels, place_of, targets, variables

#: Shows no data of its own.
WORDLESS: Final = ("text", "row", "dashlist", "news", "welcome")
#: Grafana's units that a dashboard of ours may use. Its own "bps" is bits a second, never basis points.
UNITS: Final = frozenset(
    (
        *("none", "string", "short", "percent", "percentunit", "bool", "bool_yes_no", "bool_on_off"),
        *("currencyUSD", "currencyEUR", "currencyBTC", "bytes", "decbytes", "Bps", "binBps"),
        *("s", "ms", "µs", "ns", "m", "h", "d", "dtdurations", "dateTimeAsIso", "dateTimeFromNow"),
        *("ops", "reqps", "rps", "cps", "hertz"),
    )
)


def panel_datasource(board: Json) -> Iterator[Finding]:
    """Each panel, and each of its targets, asks the data source that was chosen."""
    names = [variable.get("name") for variable in variables(board) if variable.get("type") == "datasource"]
    allowed = {form for name in names for form in (f"${name}", f"${{{name}}}")}
    for panel in panels(board):
        if panel.get("type") in WORDLESS:
            continue
        for where, asked in ((place_of(panel), panel), *((place_of(panel, t), t) for t in targets(panel))):
            source = asked.get("datasource")
            uid = source.get("uid") if isinstance(source, dict) else source
            if uid not in allowed:
                yield Finding("panel-datasource-rule", where, f"its data source is {uid!r}; write ${{datasource}}")


def panel_title_description(board: Json) -> Iterator[Finding]:
    """Each panel has a title and says what it shows."""
    for panel in panels(board):
        for key in ("title", "description"):
            if not str(panel.get(key) or "").strip():
                yield Finding("panel-title-description-rule", place_of(panel), f"it has no {key}")


def panel_units(board: Json) -> Iterator[Finding]:
    """Each panel has a unit; one whose values are all shown as words needs none."""
    for panel in panels(board):
        if panel.get("type") in WORDLESS:
            continue
        fields = panel.get("fieldConfig") or {}
        defaults = fields.get("defaults") or {}
        units = [defaults.get("unit")]
        units += [
            each.get("value")
            for override in fields.get("overrides") or ()
            for each in override.get("properties") or ()
            if each.get("id") == "unit"
        ]
        if not units[0] and not defaults.get("mappings"):
            yield Finding("panel-units-rule", place_of(panel), "it has no unit")
        for unit in units:
            if unit and unit not in UNITS:
                hint = "; that is bits a second: basis points are none, with bp in the title" if unit == "bps" else ""
                yield Finding("panel-units-rule", place_of(panel), f"unit {unit!r} is not one of ours{hint}")


def panel_no_targets(board: Json) -> Iterator[Finding]:
    """Each panel asks something."""
    for panel in panels(board):
        if panel.get("type") not in WORDLESS and not targets(panel):
            yield Finding("panel-no-targets-rule", place_of(panel), "it asks nothing")
