"""Columns of scalars, each in the form that is the smallest for it; every scalar comes back letter for letter.

Forms, as they stand in a head: ``["c", text]`` one value throughout; ``["s", n]`` the same as column ``n``;
``["t", [texts]]`` a few texts, numbers say which; ``["i"]`` whole numbers as differences; ``["d", k, w]`` decimal
numbers times 10**k as differences; ``["f", w]`` floats, the bits that differ from the one before. ``w`` is how a float
is written (``r`` as Python does, ``o`` as orjson does). A fourth entry of ``i``, ``d`` and ``f`` says where null is.

Numbers are 64 bit, of all columns one after the other, first every lowest byte, then every second one, and so on: the
high ones are zero nearly always and so cost nothing once compressed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

I64 = npt.NDArray[np.int64]

_NULL: Final = b"null"
#: Of more decimals a number is rather a float that was computed than one that was written down.
_DECIMALS: Final = 10
_EXACT: Final = 2**53
_WRITTEN: Final[dict[str, Callable[[float], bytes]]] = {
    "r": lambda value: repr(value).encode(),
    "o": orjson.dumps,
}


class Writer:
    """Takes columns one after the other; ``end`` gives what a ``Written`` needs."""

    def __init__(self) -> None:
        self._forms: list[list[Any]] = []
        self._numbers: list[I64] = []
        self._known: dict[tuple[bytes, ...], int] = {}

    def add(self, column: Sequence[bytes]) -> None:
        """The next column; it has at least one scalar unless its series has none."""
        values = tuple(column)
        if len(set(values)) <= 1:
            self._forms.append(["c", values[0].decode("latin-1") if values else ""])
            return
        same = self._known.setdefault(values, len(self._forms))
        if same != len(self._forms):
            self._forms.append(["s", same])
            return
        form, numbers = _numeric(values) or _texts(values)
        self._forms.append([*form[:1], len(numbers), *form[1:]])
        self._numbers.append(numbers)

    def end(self) -> tuple[bytes, list[list[Any]]]:
        """The numbers of all columns, and the form of each."""
        joined = np.concatenate(self._numbers) if self._numbers else np.zeros(0, dtype=np.int64)
        return np.ascontiguousarray(joined.view(np.uint8).reshape(-1, 8).T).tobytes(), self._forms


def _numeric(values: tuple[bytes, ...]) -> tuple[list[Any], I64] | None:
    gaps = [index for index, value in enumerate(values) if value == _NULL]
    told = [value for value in values if value != _NULL] if gaps else list(values)
    if not told:
        return None
    try:
        whole = [int(value) for value in told]
        if all(b"%d" % number == value for number, value in zip(whole, told, strict=True)):
            if max(map(abs, whole)) >= 2**62:
                return None
            return ["i", gaps], _differences(np.array(whole, dtype=np.int64))
    except ValueError:
        pass
    try:
        floats = [float(value) for value in told]
    except ValueError:
        return None
    for way, write in _WRITTEN.items():
        if all(write(number) == value for number, value in zip(floats, told, strict=True)):
            return _float(np.array(floats), way, gaps)
    return None


def _float(values: npt.NDArray[np.float64], way: str, gaps: list[int]) -> tuple[list[Any], I64]:
    if np.all(np.isfinite(values)) and not np.any(np.signbit(values) & (values == 0)):
        for decimals in range(_DECIMALS + 1):
            scaled = np.rint(values * 10.0**decimals)
            if np.any(np.abs(scaled) >= _EXACT):
                break
            if np.array_equal(scaled / 10.0**decimals, values):
                return ["d", decimals, way, gaps], _differences(scaled.astype(np.int64))
    bits = values.view(np.int64)
    return ["f", way, gaps], bits ^ np.concatenate([bits[:1] * 0, bits[:-1]])


def _texts(values: tuple[bytes, ...]) -> tuple[list[Any], I64]:
    known: dict[bytes, int] = {}
    which = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)
    return ["t", [value.decode("latin-1") for value in known]], which


def _differences(values: I64) -> I64:
    steps = np.diff(values, prepend=np.int64(0))
    return (steps << 1) ^ (steps >> 63)


def _sums(steps: I64) -> I64:
    return np.cumsum((steps >> 1) ^ -(steps & 1))


class Column:
    """One column, read when its first scalar is asked for."""

    def __init__(self, scalar: Callable[[int], bytes]) -> None:
        self.scalar = scalar


class Written:
    """The columns of a ``Writer``. Raises ValueError or IndexError for what no ``Writer`` wrote."""

    def __init__(self, forms: Sequence[Sequence[Any]], numbers: bytes) -> None:
        if len(numbers) % 8:
            raise ValueError("the numbers of a chunk are cut off")
        planes = np.frombuffer(numbers, dtype=np.uint8).reshape(8, -1)
        self._numbers: I64 = np.ascontiguousarray(planes.T).reshape(-1).view(np.int64)
        self._forms = forms
        self._columns: dict[int, Column] = {}
        self._at: list[int] = []
        at = 0
        for form in forms:
            self._at.append(at)
            at += int(form[1]) if form[0] not in ("c", "s") else 0
        if at != len(self._numbers):
            raise ValueError("the numbers of a chunk do not fit to its head")

    def column(self, number: int) -> Column:
        """The column added as ``number``, from 0 on."""
        found = self._columns.get(number)
        if found is None:
            found = self._columns[number] = self._read(number)
        return found

    def _read(self, number: int) -> Column:
        form = self._forms[number]
        if form[0] == "c":
            constant = form[1].encode("latin-1")
            return Column(lambda index: constant)
        if form[0] == "s":
            if not 0 <= form[1] < number:
                raise ValueError("a column refers to one that comes later")
            return self.column(form[1])
        numbers = self._numbers[self._at[number] : self._at[number] + form[1]]
        match form[0]:
            case "t":
                texts = [text.encode("latin-1") for text in form[2]]
                return Column(lambda index: texts[numbers[index]])
            case "i":
                whole = _sums(numbers)
                return Column(_with_gaps(lambda index: b"%d" % whole[index], form[2]))
            case "d":
                values = _sums(numbers) / 10.0 ** form[2]
                write = _WRITTEN[form[3]]
                return Column(_with_gaps(lambda index: write(values[index].item()), form[4]))
            case "f":
                floats = np.bitwise_xor.accumulate(numbers).view(np.float64)
                write = _WRITTEN[form[2]]
                return Column(_with_gaps(lambda index: write(floats[index].item()), form[3]))
        raise ValueError(f"a column of the unknown form {form[0]!r}")


def _with_gaps(scalar: Callable[[int], bytes], gaps: Sequence[int]) -> Callable[[int], bytes]:
    if not gaps:
        return scalar
    places = np.array(gaps, dtype=np.int64)

    def found(index: int) -> bytes:
        before = int(np.searchsorted(places, index))
        return _NULL if before < len(places) and places[before] == index else scalar(index - before)

    return found
