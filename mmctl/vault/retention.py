"""Which backups to keep: of so many days, the newest, one a day, one a week. Pure; an empty policy is refused."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """How many of the newest backups are kept, and of the newest of each UTC hour, day, ISO week, month and year; and
    all of the last ``days`` days. The numbers mean what restic's ``--keep-*`` mean."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    days: int = 0
    hourly: int = 0
    monthly: int = 0
    yearly: int = 0

    def __post_init__(self) -> None:
        numbers = (self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly, self.days)
        if min(numbers) < 0:
            raise ValueError("a retention number cannot be negative")
        if not any(numbers):
            names = "--keep-within, --keep-last, --keep-hourly, -daily, -weekly, -monthly or -yearly"
            raise ValueError(f"this policy keeps nothing; give {names}")


@dataclass(frozen=True, slots=True)
class Aged:
    """A backup as the policy sees it. Only a ``sound`` one counts towards what is kept."""

    name: str
    made: datetime
    sound: bool = True


def keep(backups: Iterable[Aged], policy: Policy, now: datetime) -> set[str]:
    """Names to keep. The newest sound backup is always among them, whatever the numbers say.

    One from the future (a clock was wrong) is kept, but is no reason to let go of others: they have their own age.

    A damaged backup never takes the place of a sound one; it is kept only while it is newer than every sound one,
    so that a person can look at what went wrong last.
    """
    ordered = sorted(backups, key=lambda backup: backup.made, reverse=True)
    sound = [backup for backup in ordered if backup.sound]
    kept = {backup.name for backup in sound[: policy.last]}
    kept |= {backup.name for backup in [b for b in sound if b.made <= now][:1] or sound[:1]}
    if policy.days:
        kept |= {backup.name for backup in sound if now - backup.made <= timedelta(days=policy.days)}
    kept |= {backup.name for backup in sound if backup.made > now}
    kept |= _newest_of_each(sound, policy.daily, lambda made: made.strftime("%Y-%m-%d"))
    kept |= _newest_of_each(sound, policy.weekly, lambda made: made.strftime("%G-W%V"))
    kept |= _newest_of_each(sound, policy.hourly, lambda made: made.strftime("%Y-%m-%dT%H"))
    kept |= _newest_of_each(sound, policy.monthly, lambda made: made.strftime("%Y-%m"))
    kept |= _newest_of_each(sound, policy.yearly, lambda made: made.strftime("%Y"))
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
