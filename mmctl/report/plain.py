"""A report as Markdown and as JSON: the same figures as the page's."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from mmctl.report.document import Cell, Figure, Listing, Report, Value, Words
from mmctl.report.shown import shown, when
from mmctl.report.words import label

VERSION = 1  # of the JSON's shape


def markdown(report: Report, language: str) -> str:
    """Figures and tables as Markdown; charts are the page's alone."""
    subject = report.subject
    period = subject.first if subject.first == subject.last else f"{subject.first} – {subject.last}"
    place = subject.target if subject.host == subject.target else f"{subject.target}:{subject.host}"
    name = {key: words.of(language) for key, words in ((k, label(k)) for k in ("target", "account", "zone", "made"))}
    lines = [
        f"# {label(report.kind).of(language)} {period}",
        "",
        f"{name['target']} {place} ({subject.environment}) · {name['account']} {subject.account or '?'} · "
        f"{name['zone']} {subject.zone} · {name['made']} {when(subject.made_ns, subject.zone)}, {subject.made_by}",
    ]
    if report.remarks:
        lines += ["", *(f"> {_flat(remark.of(language))}  " for remark in report.remarks)]
    for section in report.sections:
        lines += ["", f"## {label(section.key).of(language)}"]
        if section.figures:
            head = (label("what"), label("found"), label("remarks"))
            lines += ["", _line([words.of(language) for words in head]), "|---|---:|---|"]
            lines += [_figure_line(figure, subject.currency, language) for figure in section.figures]
        for listing in section.listings:
            name_of = [] if listing.key == section.key else [f"### {label(listing.key).of(language)}", ""]
            lines += ["", *name_of, *_table(listing, subject.currency, language)]
    return "\n".join(lines) + "\n"


def summary(report: Report, language: str) -> str:
    """A few lines for a channel that takes no file: the first figures, then problems and what must be known."""
    lines = [
        f"{_name(figure, language)}: {_said(figure, report.subject.currency, language)}" for figure in report.headline
    ]
    lines += [remark.of(language) for remark in report.remarks]
    for section in report.sections:
        for listing in section.listings:
            if listing.key in ("found_problems", "open_points") and listing.rows:
                lines += ["", f"{label(listing.key).of(language)}:"]
                at = listing.columns.index("what")
                lines += [f"- {shown(row[at].value, row[at].unit, '', language)}" for row in listing.rows[:10]]
                left = len(listing.rows) - 10
                lines += [f"- + {left} {label('unnamed_more').of(language)}"] if left > 0 else []
    return "\n".join(lines) + "\n"


def _name(figure: Figure, language: str) -> str:
    return (figure.label or label(figure.key)).of(language)


def _said(figure: Figure, currency: str, language: str) -> str:
    if figure.value is None:
        return f"{label('not_known').of(language)} ({figure.why.of(language)})"
    return shown(figure.value, figure.unit, currency, language)


def _figure_line(figure: Figure, currency: str, language: str) -> str:
    value = label("not_known").of(language) if figure.value is None else _said(figure, currency, language)
    note = figure.why if figure.value is None else figure.note
    return _line([_name(figure, language), value, note.of(language)])


def _table(listing: Listing, currency: str, language: str) -> list[str]:
    if not listing.rows:
        if listing.why.en:
            return [f"{label('not_known').of(language)}: {listing.why.of(language)}"]
        return [listing.empty.of(language)]
    lines = [_line([label(column).of(language) for column in listing.columns]), "|---" * len(listing.columns) + "|"]
    lines += [_line([shown(c.value, c.unit, currency, language) for c in row]) for row in listing.rows]
    return [*lines, *([f"+ {listing.more} {label('unnamed_more').of(language)}"] if listing.more else [])]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(_flat(cell).replace("|", "\\|") for cell in cells) + " |"


def _flat(text: str) -> str:
    return " ".join(text.split())


def document(report: Report) -> dict[str, Any]:
    """The report as JSON types: money as exact text, what is not known as null with ``why``, words in two languages."""
    return {
        "version": VERSION,
        "kind": report.kind,
        "subject": asdict(report.subject),
        "remarks": [_words(remark) for remark in report.remarks],
        "headline": [figure.key for figure in report.headline],
        "sections": {
            section.key: {
                "figures": [_figure(figure) for figure in section.figures],
                "tables": {listing.key: _listing(listing) for listing in section.listings},
                "charts": [
                    {"key": c.key, "unit": c.unit.value, "x": list(c.x), "y": list(c.y), "y2": list(c.y2)}
                    for c in section.charts
                ],
            }
            for section in report.sections
        },
    }


def _figure(figure: Figure) -> dict[str, Any]:
    found: dict[str, Any] = {"key": figure.key, "value": _value(figure.value), "unit": figure.unit.value}
    if figure.label is not None:
        found["label"] = _words(figure.label)
    if figure.value is None:
        found["why"] = _words(figure.why)
    if figure.note.en:
        found["note"] = _words(figure.note)
    return {**found, "source": figure.source}


def _listing(listing: Listing) -> dict[str, Any]:
    found: dict[str, Any] = {
        "columns": list(listing.columns),
        "rows": [[_cell(c) for c in row] for row in listing.rows],
    }
    if listing.why.en:
        found["why"] = _words(listing.why)
    if listing.more:
        found["more"] = listing.more
    return found


def _cell(cell: Cell) -> Any:
    return _value(cell.value)


def _value(value: Value) -> Any:
    match value:
        case Decimal():
            return f"{value:f}"
        case Words():
            return _words(value)
        case _:
            return value


def _words(words: Words) -> dict[str, str]:
    return {"en": words.en, "zh": words.zh}
