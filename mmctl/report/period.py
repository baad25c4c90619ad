"""Days as people of one time zone count them, in nanoseconds since 1970: 23 or 25 hours where the clocks change."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mmctl.fleet.errors import UsageError

NS = 1_000_000_000
#: Longest span of ``mmctl report range``: what one page can show and one reading can take.
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day of a zone: from ``begin_ns`` up to, not including, ``end_ns``."""

    date: date
    zone: str
    begin_ns: int
    end_ns: int

    @property
    def name(self) -> str:
        """As YYYY-MM-DD."""
        return self.date.isoformat()

    @property
    def seconds(self) -> float:
        """How long it is: not 86,400 where the clocks change."""
        return (self.end_ns - self.begin_ns) / NS

    def clock(self, ns: int) -> str:
        """A moment as HH:MM:SS of the zone, with the date where it is another day's."""
        at = datetime.fromtimestamp(ns / NS, ZoneInfo(self.zone))
        return at.strftime("%H:%M:%S" if at.date() == self.date else "%Y-%m-%d %H:%M:%S")


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name. Raises UsageError for one this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"no time zone {name!r}", "Write it as Asia/Shanghai or UTC; tzdata holds them.") from None


def day_of(when: date, zone: str) -> Day:
    """The day ``when`` in ``zone``."""
    return Day(when, zone, _midnight(when, zone), _midnight(when + timedelta(days=1), zone))


def _midnight(when: date, zone: str) -> int:
    """The first moment of a day. Where the clocks skip midnight it begins later than 00:00."""
    place = zone_of(zone)
    moment = datetime.combine(when, time(), place).astimezone(UTC)
    if moment.astimezone(place).date() < when:  # skipped: what follows the jump is the first moment
        moment = datetime.combine(when, time(), place).replace(fold=1).astimezone(UTC)
    return round(moment.timestamp()) * NS


def today(zone: str, now_ns: int) -> date:
    """The date in ``zone`` at ``now_ns``."""
    return datetime.fromtimestamp(now_ns / NS, zone_of(zone)).date()


def read_date(text: str, zone: str, now_ns: int) -> date:
    """``YYYY-MM-DD``, ``today`` or ``yesterday``. Raises UsageError, also for a day that has not begun."""
    now = today(zone, now_ns)
    if text in ("today", "yesterday"):
        return now - timedelta(days=text == "yesterday")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is no date", "Write YYYY-MM-DD, today or yesterday.") from None
    if found > now:
        raise UsageError(f"{found} has not begun in {zone}", f"Today is {now} there.")
    if found.year < 2000:
        raise UsageError(f"{found} is before there was anything to report")
    return found


def last_due(clock: str, zone: str, now_ns: int) -> date:
    """The date on which it was last ``clock`` (HH:MM) in ``zone``: a timer that fires late still means its own day."""
    try:
        at = time.fromisoformat(clock)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:  # the zone is --zone's
        raise UsageError(f"'{clock}' is no time of day", "Write HH:MM, as 22:00.")
    now = datetime.fromtimestamp(now_ns / NS, zone_of(zone))
    return now.date() if now.time() >= at else now.date() - timedelta(days=1)


def days_of(first: date, last: date, zone: str) -> list[Day]:
    """Every day from ``first`` to ``last``, both included. Raises UsageError for a span that is empty or too long."""
    count = (last - first).days + 1
    if count < 1:
        raise UsageError(f"{first} is after {last}", "--from is the first day, --to the last.")
    if count > MOST_DAYS:
        raise UsageError(f"{count} days are more than one report holds", f"At most {MOST_DAYS}.")
    return [day_of(first + timedelta(days=at), zone) for at in range(count)]
