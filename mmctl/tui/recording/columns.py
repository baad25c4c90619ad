"""Columns of scalars, each in the form that is the smallest for it; every scalar comes back letter for letter.

Forms, as they stand in a head: ``["c", text]`` one value throughout; ``["s", n]`` the same as column ``n``; all others
``[form, at, count, quoted, gaps, ...]``: their numbers, whether each scalar stands in quotation marks, where null is.

* ``t, texts``: which of a few texts.
* ``i``: whole numbers as differences; ``x, k``: numbers of ``k`` decimals times 10**k as differences.
* ``z``: times written as 2024-08-08T12:00:00.000000000Z, as differences in ns.
* ``d, k, w``: floats times 10**k as differences; ``f, w``: floats, the bits that differ from the one before. ``w``: how
  a float is written (``r`` as Python does, ``o`` as orjson does).

Columns with the same numbers share them.
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
#: Decimals of a number whose last zeros are written.
_FIXED: Final = 18
_TIME: Final = len("2024-08-08T12:00:00.000000000Z")
_WRITTEN: Final[dict[str, Callable[[float], bytes]]] = {
    "r": lambda value: repr(value).encode(),
    "o": orjson.dumps,
}


class Writer:
    """Takes columns one after the other; ``end`` gives what a ``Written`` needs."""

    def __init__(self) -> None:
        self._forms: list[list[Any]] = []
        self._numbers: list[I64] = []
        self._count = 0
        self._known: dict[tuple[bytes, ...], int] = {}
        self._places: dict[bytes, int] = {}

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
        at = self._places.setdefault(numbers.tobytes(), self._count)
        if at == self._count:
            self._numbers.append(numbers)
            self._count += len(numbers)
        self._forms.append([form[0], at, len(numbers), *form[1:]])

    def end(self) -> tuple[bytes, list[list[Any]]]:
        """The numbers of all columns, and the form of each."""
        joined = np.concatenate(self._numbers) if self._numbers else np.zeros(0, dtype=np.int64)
        return np.ascontiguousarray(joined.view(np.uint8).reshape(-1, 8).T).tobytes(), self._forms


def _numeric(values: tuple[bytes, ...]) -> tuple[list[Any], I64] | None:
    gaps = [index for index, value in enumerate(values) if value == _NULL]
    told = [value for value in values if value != _NULL] if gaps else list(values)
    if not told:
        return None
    quoted = all(len(value) > 2 and value[:1] == value[-1:] == b'"' for value in told)
    if quoted:
        told = [value[1:-1] for value in told]
    for way in (_whole, _fixed, _time) if quoted else (_whole, _float):
        try:
            found = way(told)
        except (ValueError, OverflowError):
            continue
        if found is not None:
            form, numbers = found
            return [form[0], int(quoted), gaps, *form[1:]], numbers
    return None


def _whole(told: list[bytes]) -> tuple[list[Any], I64] | None:
    numbers = [int(value) for value in told]
    if max(map(abs, numbers)) >= 2**62 or any(b"%d" % n != value for n, value in zip(numbers, told, strict=True)):
        return None
    return ["i"], _differences(np.array(numbers, dtype=np.int64))


def _fixed(told: list[bytes]) -> tuple[list[Any], I64] | None:
    decimals = len(told[0].rpartition(b".")[2])
    if not 0 < decimals <= _FIXED or b"." not in told[0]:
        return None
    numbers = [int(value.replace(b".", b"", 1)) for value in told]
    if max(map(abs, numbers)) >= 2**62:
        return None
    if any(_with_decimals(n, decimals) != value for n, value in zip(numbers, told, strict=True)):
        return None
    return ["x", decimals], _differences(np.array(numbers, dtype=np.int64))


def _with_decimals(number: int, decimals: int) -> bytes:
    whole, part = divmod(abs(number), 10**decimals)
    return b"%s%d.%0*d" % (b"-" if number < 0 else b"", whole, decimals, part)


def _time(told: list[bytes]) -> tuple[list[Any], I64] | None:
    if any(len(value) != _TIME or value[-1:] != b"Z" for value in told):
        return None
    numbers = np.array([value[:-1].decode("ascii") for value in told], dtype="datetime64[ns]").astype(np.int64)
    return (["z"], _differences(numbers)) if [_when(n) for n in numbers.tolist()] == told else None


def _when(ns: int) -> bytes:
    return str(np.datetime_as_string(np.datetime64(ns, "ns"), unit="ns")).encode() + b"Z"


def _float(told: list[bytes]) -> tuple[list[Any], I64] | None:
    floats = [float(value) for value in told]
    for way, write in _WRITTEN.items():
        if all(write(number) == value for number, value in zip(floats, told, strict=True)):
            return _scaled(np.array(floats), way)
    return None


def _scaled(values: npt.NDArray[np.float64], way: str) -> tuple[list[Any], I64]:
    if np.all(np.isfinite(values)) and not np.any(np.signbit(values) & (values == 0)):
        for decimals in range(_DECIMALS + 1):
            scaled = np.rint(values * 10.0**decimals)
            if np.any(np.abs(scaled) >= _EXACT):
                break
            if np.array_equal(scaled / 10.0**decimals, values):
                return ["d", decimals, way], _differences(scaled.astype(np.int64))
    bits = values.view(np.int64)
    return ["f", way], bits ^ np.concatenate([bits[:1] * 0, bits[:-1]])


def _texts(values: tuple[bytes, ...]) -> tuple[list[Any], I64]:
    known: dict[bytes, int] = {}
    which = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)
    return ["t", 0, [], [value.decode("latin-1") for value in known]], which


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
        for form in forms:
            if form[0] not in ("c", "s") and not 0 <= form[1] <= form[1] + form[2] <= len(self._numbers):
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
        kind, at, count, quoted, gaps, *more = form
        scalar = _SCALARS[kind](self._numbers[at : at + count], *more)
        return Column(_with_gaps(_in_quotes(scalar) if quoted else scalar, gaps))


Scalar = Callable[[int], bytes]


def _read_texts(numbers: I64, told: Sequence[str]) -> Scalar:
    texts = [text.encode("latin-1") for text in told]
    return lambda index: texts[numbers[index]]


def _read_whole(numbers: I64) -> Scalar:
    whole = _sums(numbers)
    return lambda index: b"%d" % whole[index]


def _read_fixed(numbers: I64, decimals: int) -> Scalar:
    whole = _sums(numbers)
    return lambda index: _with_decimals(int(whole[index]), decimals)


def _read_times(numbers: I64) -> Scalar:
    whole = _sums(numbers)
    return lambda index: _when(int(whole[index]))


def _read_scaled(numbers: I64, decimals: int, way: str) -> Scalar:
    values, write = _sums(numbers) / 10.0**decimals, _WRITTEN[way]
    return lambda index: write(values[index].item())


def _read_floats(numbers: I64, way: str) -> Scalar:
    floats, write = np.bitwise_xor.accumulate(numbers).view(np.float64), _WRITTEN[way]
    return lambda index: write(floats[index].item())


_SCALARS: Final[dict[str, Callable[..., Scalar]]] = {
    "t": _read_texts,
    "i": _read_whole,
    "x": _read_fixed,
    "z": _read_times,
    "d": _read_scaled,
    "f": _read_floats,
}


def _in_quotes(scalar: Scalar) -> Scalar:
    return lambda index: b'"%s"' % scalar(index)


def _with_gaps(scalar: Callable[[int], bytes], gaps: Sequence[int]) -> Callable[[int], bytes]:
    if not gaps:
        return scalar
    places = np.array(gaps, dtype=np.int64)

    def found(index: int) -> bytes:
        before = int(np.searchsorted(places, index))
        return _NULL if before < len(places) and places[before] == index else scalar(index - before)

    return found
