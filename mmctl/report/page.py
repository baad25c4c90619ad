"""A report as one HTML file: no network, no script it needs, light and dark, readable on a desk and on a phone."""

import html
from collections.abc import Callable, Sequence
from typing import Final

from mmctl.report.document import Cell, Chart, Figure, Listing, Report, Section, Tone, Unit, Words
from mmctl.report.shown import shown, when
from mmctl.report.svg import draw
from mmctl.report.words import label

_LIGHT: Final = (
    "--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--faint:#5b6570;--rule:#dfe3e8;--grid:#e8ebef;--line:#1f5fa8;"
    "--gain:#1a7f37;--loss:#c0392b;--warn:#8a5a00;--total:#44546a"
)
_DARK: Final = (
    "--page:#0f1318;--card:#181d24;--ink:#e4e8ee;--faint:#97a3b0;--rule:#2c343e;--grid:#252c35;--line:#6cb0ff;"
    "--gain:#4fc46a;--loss:#ff7a6b;--warn:#e3b341;--total:#9fb0c6"
)
_STYLE: Final = f"""
:root{{{_LIGHT};color-scheme:light}}
@media (prefers-color-scheme:dark){{:root{{{_DARK};color-scheme:dark}}}}
:root[data-theme=light]{{{_LIGHT};color-scheme:light}}
:root[data-theme=dark]{{{_DARK};color-scheme:dark}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;font-variant-numeric:tabular-nums}}
main{{max-width:1120px;margin:0 auto;padding:20px 20px 48px}}
header{{display:flex;gap:16px;justify-content:space-between;align-items:flex-start}}
h1{{font-size:1.45rem;line-height:1.25;margin:0}} h2{{font-size:1.12rem;margin:0 0 10px}}
h3{{font-size:.95rem;margin:18px 0 6px;font-weight:600}}
nav{{display:flex;flex-wrap:wrap;gap:6px 16px;margin:12px 0 0;font-size:.92rem}} nav a{{color:var(--line);
text-decoration:none}} nav a:hover{{text-decoration:underline}} nav b{{font-weight:600}}
.about{{color:var(--faint);font-size:.86rem;margin:4px 0 0;overflow-wrap:anywhere}}
button{{font:inherit;font-size:.86rem;color:var(--ink);background:var(--card);border:1px solid var(--rule);
border-radius:6px;padding:5px 10px;cursor:pointer;white-space:nowrap}}
button:focus-visible{{outline:2px solid var(--line)}}
.card{{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px 18px;margin:16px 0 0}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:10px;margin:16px 0 0}}
.tile{{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:10px 14px;min-width:0}}
.tile>span{{color:var(--faint);font-size:.84rem;display:block}} .tile b{{font-size:1.22rem;overflow-wrap:anywhere}}
.tile small,.figure small,td small{{color:var(--faint);font-size:.8rem;display:block;font-weight:400}}
.figures{{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:0 28px;margin:0}}
.figure{{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,auto);column-gap:12px;align-items:baseline;
align-content:start;border-bottom:1px solid var(--rule);padding:5px 0}}
.figure dt{{color:var(--faint)}} .figure dd{{margin:0;text-align:right;font-weight:600;overflow-wrap:anywhere}}
.figure small{{grid-column:1/-1;text-align:right}}
.none{{color:var(--faint);font-weight:400}} .silent{{grid-column:1/-1}} .silent small{{text-align:left}}
.good{{color:var(--gain)}} .bad{{color:var(--loss)}} .warn{{color:var(--warn)}}
.charts{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:8px 24px}}
.chart{{width:100%;height:auto;display:block}} .narrow{{display:none}}
.chart text{{font-size:12px;fill:var(--faint)}} .chart .strong{{fill:var(--ink);font-size:11px}}
.grid{{stroke:var(--grid)}} .zero{{stroke:var(--faint)}}
.stroke-line,.stroke-loss{{fill:none;stroke-width:1.8;stroke-linejoin:round}}
.stroke-line{{stroke:var(--line)}} .stroke-loss{{stroke:var(--loss)}}
.fill-line{{fill:var(--line);opacity:.12}} .fill-loss{{fill:var(--loss);opacity:.22}}
.dot-line{{fill:var(--line)}} .dot-loss{{fill:var(--loss)}}
.bar-warn{{fill:var(--warn)}}
.bar-gain{{fill:var(--gain)}} .bar-loss{{fill:var(--loss)}} .bar-total{{fill:var(--total)}}
table{{border-collapse:collapse;width:100%;font-size:.9rem}}
th{{text-align:left;color:var(--faint);font-weight:500}} th,td{{padding:5px 12px 5px 0;vertical-align:top;
border-bottom:1px solid var(--rule)}} .s{{white-space:nowrap}}
.n{{text-align:right;white-space:nowrap}} th.n{{white-space:normal;overflow-wrap:normal}}
td{{overflow-wrap:anywhere}}
ul.remarks{{margin:12px 0 0;padding:10px 14px 10px 30px;background:var(--card);border:1px solid var(--rule);
border-left:4px solid var(--warn);border-radius:8px;overflow-wrap:anywhere}}
footer{{color:var(--faint);font-size:.84rem;margin-top:18px}}
@media (max-width:960px){{table{{font-size:.78rem}} th,td{{padding-right:8px}}}}
@media (max-width:640px){{table{{font-size:.9rem}}}}
@media (max-width:640px){{main{{padding:14px 12px 36px}} .card{{padding:12px}}
.wide{{display:none}} .narrow{{display:block}} .tiles{{grid-template-columns:1fr 1fr;gap:8px}}
.tile b{{font-size:1.05rem}} .figures{{grid-template-columns:1fr}}
table,tbody{{display:block}} thead{{display:none}}
tr{{display:flex;flex-wrap:wrap;gap:1px 16px;border-bottom:1px solid var(--rule);padding:7px 0}}
td{{border:0;padding:0;white-space:normal;text-align:left}} td:before{{content:attr(data-name) " ";color:var(--faint);
font-size:.8rem;font-weight:400}} td.empty{{display:none}} td.long{{flex:1 1 100%}} td.long:before{{display:none}}}}
@media print{{button{{display:none}} .card,.tile{{break-inside:avoid}}}}
"""
#: The switch alone: without it the page follows the machine's own setting.
_SCRIPT: Final = (
    "(function(){var b=document.getElementById('theme'),r=document.documentElement;b.hidden=false;"
    "b.addEventListener('click',function(){var d=r.dataset.theme||"
    "(matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light');"
    "r.dataset.theme=d==='dark'?'light':'dark'})})()"
)
_NUMBERS: Final = frozenset(
    {Unit.QUOTE, Unit.BASE, Unit.PRICE, Unit.ASSET, Unit.RATIO, Unit.BPS, Unit.SECONDS, Unit.BYTES, Unit.COUNT,
     Unit.NUMBER}
)  # fmt: skip
_SHORT: Final = frozenset({"time", "date", "number", "priority", "severity"})
_LONG: Final = frozenset({"what", "message", "evidence", "reason", "keys", "limit", "wanted"})


def page(report: Report, language: str) -> str:
    """The whole file."""
    drawn = Drawn(report, language)
    subject = report.subject
    title = f"{label(report.kind).of(language)} {drawn.period()} {drawn.place()}"
    about = drawn.about()
    tiles = "".join(drawn.tile(figure) for figure in report.headline)
    sections = "".join(drawn.section(section) for section in report.sections)
    remarks = "".join(f"<li>{drawn.words(remark)}</li>" for remark in report.remarks)
    key = "about_sources" if subject.currency else "about_sources_none"
    foot = label(key).of(language).format(currency=subject.currency)
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main><header><div>"
        f"<h1>{html.escape(label(report.kind).of(language))} <span>{html.escape(drawn.period())}</span></h1>"
        f'<p class="about">{about}</p></div><button id="theme" type="button" hidden>{drawn.name("theme")}</button>'
        f"</header>{f'<ul class=remarks>{remarks}</ul>' if remarks else ''}"
        f'{drawn.summary()}<div class="tiles">{tiles}</div>{sections}<footer>{html.escape(foot)}</footer></main>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


class Drawn:
    """Draws one report's parts in one language."""

    def __init__(self, report: Report, language: str) -> None:
        self.report, self.language = report, language
        self.currency = report.subject.currency

    def words(self, words: Words) -> str:
        """Escaped, in the page's language."""
        return html.escape(words.of(self.language))

    def name(self, key: str) -> str:
        """What ``key`` is called, escaped."""
        return self.words(label(key))

    def period(self) -> str:
        """The day, or the first and the last."""
        subject = self.report.subject
        return subject.first if subject.first == subject.last else f"{subject.first} – {subject.last}"

    def place(self) -> str:
        """Target and host."""
        subject = self.report.subject
        return subject.target if subject.host == subject.target else f"{subject.target}:{subject.host}"

    def about(self) -> str:
        """Whose report, over what, made when, out of which journal; escaped."""
        subject = self.report.subject
        parts = [
            f"{label('target').of(self.language)} {self.place()} ({subject.environment})",
            f"{label('account').of(self.language)} {subject.account or '?'}",
            *([", ".join(subject.instruments)] if subject.instruments else []),
            f"{label('zone').of(self.language)} {subject.zone}",
            f"{label('made').of(self.language)} {when(subject.made_ns, subject.zone)}, {subject.made_by}",
            *([f"{label('schema').of(self.language)} {subject.schema}"] if subject.schema else []),
        ]
        return html.escape(" · ".join(parts))

    def value(self, figure: Figure) -> str:
        """A figure's value, or that it is not known."""
        if figure.value is None:
            return f'<span class="none">{self.name("not_known")}</span>'
        text = shown(figure.value, figure.unit, self.currency, self.language)
        style = "" if figure.tone is Tone.PLAIN else f' class="{figure.tone.value}"'
        return f"<span{style}>{html.escape(text)}</span>"

    def figure_name(self, figure: Figure) -> str:
        """What a figure is called."""
        return self.words(figure.label or label(figure.key))

    def below(self, figure: Figure) -> str:
        """What stands under a value: why it is not known, or what is to be known of it."""
        text = figure.why if figure.value is None else figure.note
        return f"<small>{self.words(text)}</small>" if text.of(self.language) else ""

    def tile(self, figure: Figure) -> str:
        """One of the first figures."""
        named, value = self.figure_name(figure), self.value(figure)
        return f'<div class="tile"><span>{named}</span><b>{value}</b>{self.below(figure)}</div>'

    def section(self, section: Section) -> str:
        """A card with charts, figures and tables."""
        charts = "".join(self.chart(chart) for chart in section.charts)
        known = [figure for figure in section.figures if figure.value is not None]
        figures = "".join(
            f'<div class="figure" title="{html.escape(figure.source)}"><dt>{self.figure_name(figure)}</dt>'
            f"<dd>{self.value(figure)}</dd>{self.below(figure)}</div>"
            for figure in known
        ) + self.silent([figure for figure in section.figures if figure.value is None])
        listings = "".join(self.listing(listing, section.key) for listing in section.listings)
        return (
            f'<section class="card" id="{section.key}"><h2>{self.name(section.key)}</h2>'
            f"{f'<div class=charts>{charts}</div>' if charts else ''}"
            f"{f'<dl class=figures>{figures}</dl>' if figures else ''}{listings}</section>"
        )

    def silent(self, figures: Sequence[Figure]) -> str:
        """Figures that are not known, those with one reason together."""
        groups: dict[str, list[str]] = {}
        for figure in figures:
            groups.setdefault(self.words(figure.why), []).append(self.figure_name(figure))
        return "".join(
            f'<div class="figure silent"><dt>{" · ".join(names)}</dt><dd><span class="none">{self.name("not_known")}'
            f"</span></dd><small>{why}</small></div>"
            for why, names in groups.items()
        )

    def summary(self) -> str:
        """Where to go first: problems, open points and criteria that were missed, each with its number."""
        counts = {
            "problem_count": self._rows("found_problems", lambda row: True),
            "open_count": self._rows("open_points", lambda row: row[3].tone is not Tone.GOOD),
            "missed_count": self._rows("criteria", lambda row: row[3].tone in (Tone.WARN, Tone.BAD)),
        }
        parts = []
        for key, (found, worst) in counts.items():
            if found is not None:
                place = "criteria" if key == "missed_count" else "problems"
                style = "good" if not found else "bad" if worst else "warn"
                parts.append(f'<a href="#{place}"><b class="{style}">{found}</b> {self.name(key)}</a>')
        parts += [f'<a href="#{section.key}">{self.name(section.key)}</a>' for section in self.report.sections]
        return f"<nav>{''.join(parts)}</nav>"

    def _rows(self, key: str, wanted: Callable[[tuple[Cell, ...]], bool]) -> tuple[int | None, bool]:
        """How many rows of the table ``key`` are wanted, None without that table, and whether one is bad."""
        for section in self.report.sections:
            for listing in section.listings:
                if listing.key == key:
                    rows = [row for row in listing.rows if wanted(row)]
                    return len(rows), any(cell.tone is Tone.BAD for row in rows for cell in row)
        return None, False

    def chart(self, chart: Chart) -> str:
        """A chart under its name, or why there is none."""
        unit = {Unit.QUOTE: self.currency, Unit.RATIO: "%"}.get(chart.unit, "")
        named = chart.shape.value in ("line", "area", "steps") and chart.names
        more = f" {self.words(chart.names[0])}" if named else ""
        head = f"<h3>{self.name(chart.key)}{more}{f', {html.escape(unit)}' if unit else ''}</h3>"
        if not chart.x:
            return f'<div>{head}<p class="none">{self.name("nothing_to_draw")}: {self.words(chart.why)}</p></div>'
        return f"<div>{head}{draw(chart, label(chart.key).of(self.language), self.language)}</div>"

    def listing(self, listing: Listing, section: str) -> str:
        """A table under its name, or what is said where it has no row."""
        head = "" if listing.key == section else f"<h3>{self.name(listing.key)}</h3>"
        if not listing.rows:
            text = listing.why if listing.why.en else listing.empty
            known = "" if not listing.why.en else f"{self.name('not_known')}: "
            return f'{head}<p class="none">{known}{self.words(text)}</p>'
        names = [self.name(column) for column in listing.columns]
        numbers = [any(row[at].unit in _NUMBERS for row in listing.rows) for at in range(len(names))]
        titles = "".join(f"<th{' class=n' if n else ''}>{name}</th>" for name, n in zip(names, numbers, strict=True))
        rows = "".join(self._row(listing, row, names) for row in listing.rows)
        more = f'<p class="none">{listing.more:,} {self.name("unnamed_more")}</p>' if listing.more else ""
        return f"{head}<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>{more}"

    def _row(self, listing: Listing, row: tuple[Cell, ...], names: list[str]) -> str:
        cells = []
        for column, cell, name in zip(listing.columns, row, names, strict=True):
            styles = [
                *(["n"] if cell.unit in _NUMBERS else []),
                *(["s"] if column in _SHORT else []),
                *(["long"] if column in _LONG else []),
                *(["empty"] if cell.value is None or cell.value == "" else []),
                *([cell.tone.value] if cell.tone is not Tone.PLAIN else []),
            ]
            style = f' class="{" ".join(styles)}"' if styles else ""
            text = html.escape(shown(cell.value, cell.unit, self.currency, self.language))
            cells.append(f'<td{style} data-name="{name}">{text}</td>')
        return f"<tr>{''.join(cells)}</tr>"
