"""What is wrong with a configuration: every error at once, each with its place and what to write instead."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One error. ``path`` is the key (``risk.max_position``), empty for the whole file; ``line`` counts from 1."""

    file: str
    line: int
    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.path}:" if self.path else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{where}:{key} {self.message}{hint}"

    def as_dict(self) -> dict[str, object]:
        """The error as an answer's JSON."""
        return asdict(self)


class ConfigErrors(Exception):
    """Every error of one file, in the order of its lines. No value of the file is ever part of it."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(sorted(errors, key=lambda error: (error.line, error.path)))
        super().__init__("\n".join(str(error) for error in self.errors))
