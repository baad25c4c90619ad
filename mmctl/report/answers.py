"""What a journal answered: rows by the question's name, or why there are none. Nothing missing is ever zero."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows by column; ``why`` says why it is not known, empty where it is. ``cut``: there were more rows than asked."""

    rows: tuple[Row, ...] = ()
    why: str = ""
    cut: bool = False

    @property
    def known(self) -> bool:
        """Whether the journal answered. It may have answered that there is nothing."""
        return not self.why

    @property
    def one(self) -> Row | None:
        """The first row, or None."""
        return self.rows[0] if self.rows else None


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers by the question's name; of what was not asked, that is said."""

    by_name: Mapping[str, Answer] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Answer:
        return self.by_name.get(name, Answer(why="it was not asked"))

    def with_prefix(self, prefix: str) -> Answer:
        """All answers whose names begin so, as one: unknown where one of them is."""
        found = [answer for name, answer in self.by_name.items() if name.startswith(prefix)]
        why = next((answer.why for answer in found if answer.why), "" if found else "it was not asked")
        return Answer(tuple(row for answer in found for row in answer.rows), why, any(a.cut for a in found))


def read_answers(document: Any) -> Answers:
    """The answers out of what the host printed. Raises ValueError where it is not that."""
    if not isinstance(document, Mapping):
        raise ValueError("the host did not answer in the shape of answers")
    found: dict[str, Answer] = {}
    for name, one in document.items():
        if not isinstance(one, Mapping):
            raise ValueError(f"the answer to {name} has no shape")
        if "error" in one:
            found[str(name)] = Answer(why=str(one["error"]))
            continue
        columns = one["columns"]
        rows = tuple(dict(zip(columns, row, strict=True)) for row in one["rows"])
        found[str(name)] = Answer(rows, cut=bool(one.get("more")))
    return Answers(found)


def decimal(value: Any) -> Decimal:
    """Money as the journal keeps it. Raises ValueError for what is no number."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"the journal holds {value!r} where a number belongs") from None
    if not found.is_finite():
        raise ValueError(f"the journal holds {value!r} where a number belongs")
    return found


def document_of(value: Any) -> Any:
    """A JSON column: text on SQLite, already an object from PostgreSQL. Empty where it cannot be read."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return {}


def joined(rows: Sequence[str]) -> str:
    """Several reasons as one, each once."""
    return "; ".join(dict.fromkeys(row for row in rows if row))
