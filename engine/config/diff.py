"""What changes between two configurations, and which of it may happen while the engine runs."""

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from engine.config.schema import Config, Section
from engine.config.secret import MASK, Secret
from engine.config.show import plain


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs; ``old`` and ``new`` are JSON-ready, secrets masked."""

    path: str
    old: Any
    new: Any
    reloadable: bool

    def as_dict(self) -> dict[str, Any]:
        """The change as an answer's JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.path}: {self.old} -> {self.new} ({'reloads' if self.reloadable else 'needs a restart'})"


def diff(old: Config, new: Config) -> list[Change]:
    """Every changed key in the order of the schema."""
    return _compare(old, new, "")


def _compare(old: Section, new: Section, prefix: str) -> list[Change]:
    changes: list[Change] = []
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        path = f"{prefix}{name}"
        if isinstance(before, Section) and isinstance(after, Section):
            changes += _compare(before, after, f"{path}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        hidden = isinstance(before, Secret) or isinstance(after, Secret)
        was, now = (MASK, f"{MASK} (changed)") if hidden else (plain(before), plain(after))
        changes.append(Change(path, was, now, bool(extra.get("reload"))))
    return changes


def apply_reload(old: Config, new: Config) -> Config:
    """``old`` with the reloadable keys of ``new``: what a running engine may take over at once.

    Raises ``ValueError`` naming the keys when anything else changed: a reload is whole or not at all.
    """
    fixed = [change.path for change in diff(old, new) if not change.reloadable]
    if fixed:
        raise ValueError("these keys need a restart: " + ", ".join(fixed))
    return new


def set_keys(config: BaseModel) -> set[str]:
    """Dotted names of the keys that were written in the file, not taken from defaults."""
    names: set[str] = set()
    for name in config.model_fields_set:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            names |= {f"{name}.{inner}" for inner in set_keys(value)}
        else:
            names.add(name)
    return names
