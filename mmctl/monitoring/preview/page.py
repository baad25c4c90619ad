"""The page: one HTML file with the script, the style and every answer in it; it opens without a network."""

import html
import json
from collections.abc import Sequence
from typing import Any

from mmctl.monitoring.preview.bundle import Bundle

#: Nothing may be loaded, whatever a dashboard's text says. Styles are written by the script, and Grafana's table
#: compiles what reads its rows.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)


def page(dashboards: Sequence[dict[str, Any]], prometheus: str, made_ms: int, bundle: Bundle) -> str:
    """The HTML. ``dashboards`` are those of :func:`mmctl.monitoring.preview.asking.shown`."""
    given = {"prometheus": prometheus, "made_ms": made_ms, "dashboards": list(dashboards)}
    # Inside a script element only its end tag and a comment's beginning have a meaning: neither is left in the text.
    text = json.dumps(given, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    script = bundle.script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    style = bundle.style.replace("</style", "<\\/style")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dashboards (preview)</title>
<style>*, ::before, ::after {{ box-sizing: border-box }} body {{ margin: 0 }} p {{ margin: 0 0 8px }}
{style}</style>
<div id="page"></div>
<script type="application/json" id="given">{text}</script>
<script type="module">{script}</script>
</html>
"""
