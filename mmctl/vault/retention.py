"""Which backups to keep: the newest, one a day, one a week. Pure; an empty policy is refused, never obeyed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """How many of the newest backups, of the newest of each UTC day, and of each ISO week are kept."""

    last: int = 0
    daily: int = 0
    weekly: int = 0

    def __post_init__(self) -> None:
        if min(self.last, self.daily, self.weekly) < 0:
            raise ValueError("a retention number cannot be negative")
        if not (self.last or self.daily or self.weekly):
            raise ValueError("this policy keeps nothing; give --keep-last, --keep-daily or --keep-weekly")


@dataclass(frozen=True, slots=True)
class Aged:
    """A backup as the policy sees it. Only a ``sound`` one counts towards what is kept."""

    name: str
    made: datetime
    sound: bool = True


def keep(backups: Iterable[Aged], policy: Policy) -> set[str]:
    """Names to keep. The newest sound backup is always among them, whatever the numbers say.

    A damaged backup never takes the place of a sound one; it is kept only while it is newer than every sound one,
    so that a person can look at what went wrong last.
    """
    ordered = sorted(backups, key=lambda backup: backup.made, reverse=True)
    sound = [backup for backup in ordered if backup.sound]
    kept = {backup.name for backup in sound[: max(1, policy.last)]}
    kept |= _newest_of_each(sound, policy.daily, lambda made: made.strftime("%Y-%m-%d"))
    kept |= _newest_of_each(sound, policy.weekly, lambda made: made.strftime("%G-W%V"))
    for backup in ordered:
        if backup.sound:
            break
        kept.add(backup.name)
    return kept


def _newest_of_each(ordered: Sequence[Aged], most: int, period: Callable[[datetime], str]) -> set[str]:
    newest: dict[str, str] = {}
    for backup in ordered:
        newest.setdefault(period(backup.made), backup.name)
    return set(list(newest.values())[:most])
