"""Many bodies of a few shapes as columns of scalars, byte for byte: JSON documents, metrics pages, and whatever came.

A body is cut into its scalars (numbers, strings, null, true, false; of a metrics page the value of each line) and the
text between them, its template. Bodies one second apart mostly share a template, and one scalar mostly differs little
from the one a second before. A scalar's column is known by the text before it and how often that text came before in
the same body. A body that fits no such grammar is a template without scalars: anything can be kept.

Lists whose rows move on (the last events, newest first) fit columns badly: every scalar then stands where another one
stood. Such a series is kept as its bodies one after the other, which zstd finds to be nearly the same. Whichever is the
smaller is taken, chunk by chunk.

``head`` is JSON, a zero byte, and the bodies that are kept as they are. The JSON has of each series its name, how many
bodies it has, and either its templates or the length of each body; and how each column is written. ``numbers`` is
what the columns hold.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from mmctl.tui.recording.columns import Column, Writer, Written
from mmctl.tui.recording.packed import WINDOW, compressor

I64 = npt.NDArray[np.int64]

_QUICK: Final = 9
_JSON: Final = re.compile(
    rb'(?<=[:,\[ ])("[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d[\d.eE+-]*+|true|false|null|NaN|-?Infinity)(?=\s*+[,\]}])'
)
_LINES: Final = re.compile(rb"(?m)(?<= )([^\s{}]++)$")


def scalars(body: bytes) -> list[bytes]:
    """Text and scalars by turns; text first and last."""
    return (_JSON if body[:1] in (b"{", b"[") else _LINES).split(body)


def pack(series: Mapping[str, Sequence[bytes]]) -> tuple[bytes, bytes]:
    """``head`` and ``numbers`` of the bodies of each series, in order; what :class:`Bodies` reads."""
    writer = Writer()
    described: list[Any] = []
    whole: list[bytes] = []
    for name, bodies in series.items():
        columns, templates = _columns(bodies)
        if _smaller_whole(bodies, columns, templates):
            described.append([name, len(bodies), None, [len(body) for body in bodies]])
            whole += bodies
            continue
        for column in columns:
            writer.add(column)
        described.append([name, len(bodies), templates, None])
    numbers, written = writer.end()
    return b"\0".join((orjson.dumps({"series": described, "columns": written}), b"".join(whole))), numbers


def _columns(bodies: Sequence[bytes]) -> tuple[list[list[bytes]], list[list[Any]]]:
    """The columns of a series, which template each body has first, and the templates."""
    templates: dict[tuple[bytes, ...], int] = {}
    columns: dict[tuple[bytes, int], list[bytes]] = {}
    order: list[bytes] = []
    filled: list[list[list[bytes]]] = []  # of each template its columns
    for body in bodies:
        parts = scalars(body)
        texts = tuple(parts[0::2])
        known = templates.setdefault(texts, len(templates))
        if known == len(filled):
            filled.append([columns.setdefault(place, []) for place in _places(texts)])
        order.append(b"%d" % known)
        for column, scalar in zip(filled[known], parts[1::2], strict=True):
            column.append(scalar)
    return [order, *columns.values()], _told(list(templates))


def _smaller_whole(bodies: Sequence[bytes], columns: Sequence[Sequence[bytes]], templates: list[list[Any]]) -> bool:
    """Whether a series is smaller as it is than as columns, by a quick look at both."""
    if len(bodies) < 2:
        return False
    alone = Writer()
    for column in columns:
        alone.add(column)
    numbers, written = alone.end()
    quick = compressor(_QUICK)
    cut = len(quick.compress(orjson.dumps([templates, written]))) + len(quick.compress(numbers))
    return len(compressor(_QUICK, b"", WINDOW).compress(b"".join(bodies))) < cut


def _places(texts: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """What tells the scalar after each text from every other one of the body."""
    seen: dict[bytes, int] = {}
    for text in texts[:-1]:
        times = seen.get(text, 0)
        seen[text] = times + 1
        yield text, times


def _told(templates: Sequence[tuple[bytes, ...]]) -> list[list[Any]]:
    """Each template as what it shares with the one before, at its beginning and at its end, and the texts between."""
    told: list[list[Any]] = []
    last: tuple[bytes, ...] = ()
    for texts in templates:
        most = min(len(texts), len(last))
        first = next((index for index in range(most) if texts[index] != last[index]), most)
        end = next((index for index in range(most - first) if texts[-1 - index] != last[-1 - index]), most - first)
        told.append([first, end, [text.decode("latin-1") for text in texts[first : len(texts) - end]]])
        last = texts
    return told


def _templates(told: Sequence[Sequence[Any]]) -> Iterator[tuple[bytes, ...]]:
    last: tuple[bytes, ...] = ()
    for first, end, middle in told:
        last = (*last[:first], *(text.encode("latin-1") for text in middle), *last[len(last) - end :])
        yield last


@dataclass(frozen=True, slots=True)
class _Template:
    texts: tuple[bytes, ...]
    columns: tuple[int, ...]


class Bodies:
    """What ``pack`` wrote. Raises ValueError, KeyError or IndexError for what it did not write."""

    def __init__(self, head: bytes, numbers: bytes) -> None:
        told, _, whole = head.partition(b"\0")
        document = orjson.loads(told)
        written = Written(document["columns"], numbers)
        self._series: dict[str, _Series | _Whole] = {}
        at = begin = 0
        for name, count, templates, lengths in document["series"]:
            if lengths is not None:
                end = begin + sum(lengths)
                self._series[str(name)] = _Whole(whole[begin:end], lengths)
                begin = end
                continue
            found = _Series(written, at, int(count), templates)
            self._series[str(name)] = found
            at = found.end

    def names(self) -> list[str]:
        """The series there are."""
        return list(self._series)

    def count(self, name: str) -> int:
        """How many bodies the series has."""
        return self._series[name].count

    def body(self, name: str, index: int) -> bytes:
        """The body at ``index``, from 0 on, as it was."""
        return self._series[name].body(index)


class _Whole:
    def __init__(self, data: bytes, lengths: Sequence[int]) -> None:
        if len(data) != sum(lengths):
            raise ValueError("the bodies of a chunk are cut off")
        self.count = len(lengths)
        self._data = data
        self._ends = [0, *accumulate(lengths)]

    def body(self, index: int) -> bytes:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self._data[self._ends[index] : self._ends[index + 1]]


class _Series:
    def __init__(self, written: Written, first: int, count: int, told: Sequence[Sequence[Any]]) -> None:
        self.count = count
        self._written = written
        places: dict[tuple[bytes, int], int] = {}
        self._templates: list[_Template] = []
        for texts in _templates(told):
            columns = tuple(places.setdefault(place, len(places)) for place in _places(texts))
            self._templates.append(_Template(texts, columns))
        self.end = first + 1 + len(places)
        self._first = first + 1
        order = written.column(first)
        self._order: I64 = np.array([int(order.scalar(index)) for index in range(count)], dtype=np.int64)
        self._has = np.zeros((len(self._templates), max(1, len(places))), dtype=np.int64)
        for number, template in enumerate(self._templates):
            self._has[number, list(template.columns)] = 1

    def body(self, index: int) -> bytes:
        if not 0 <= index < self.count:
            raise IndexError(index)
        number = int(self._order[index])
        template = self._templates[number]
        before = np.bincount(self._order[:index], minlength=len(self._templates))
        rows = (before @ self._has).tolist()  # of each column the scalars of bodies before this one
        parts: list[bytes] = []
        for text, column in zip(template.texts, template.columns, strict=False):
            parts.append(text)
            parts.append(self._column(column).scalar(rows[column]))
        parts.append(template.texts[-1])
        return b"".join(parts)

    def _column(self, number: int) -> Column:
        return self._written.column(self._first + number)
