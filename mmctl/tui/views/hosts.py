"""A row a host: who leads with which epoch and release, what it makes of it, and how old that news is."""

from dataclasses import dataclass

from mmctl.client.age import Freshness
from mmctl.client.engine import pick, section
from mmctl.formats import age as age_text
from mmctl.formats import number
from mmctl.tui.bounds import BAD, DIM, GOOD, WARN, level_of
from mmctl.tui.grid import Column, Sheet
from mmctl.tui.history import NAN, figure
from mmctl.tui.panels import breaker_of, seconds_text
from mmctl.tui.picture import Picture
from mmctl.tui.views.base import Look


@dataclass(frozen=True, slots=True)
class HostRow:
    """What is known of one engine. ``age`` in words: every figure of the row is so old."""

    engine: str
    picture: Picture | None
    age: str
    seconds: float
    stale: bool
    error: str
    shown: bool

    def own(self, name: str) -> str:
        """A field of the engine's own part, ``-`` where it is not told."""
        value = pick(self.picture.state, "engine", name) if self.picture else None
        return "-" if value in (None, "") else str(value)

    def metric(self, name: str) -> float:
        """A metric without labels or of its first labels, in its unit; NaN where the page has none."""
        found = self.picture.metrics.value(name) if self.picture and self.picture.metrics else None
        return NAN if found is None else found


def rows(look: Look) -> list[HostRow]:
    """One row an engine of the target."""
    found = []
    for name, reading in look.readings.items():
        stale = reading.freshness(look.now, look.interval) in (Freshness.STALE, Freshness.NEVER)
        seconds = reading.age(look.now)
        whole = 0.0 if seconds is None else float(int(seconds))
        age = "never" if seconds is None else "<1s" if whole < 1 else age_text(whole)
        age = f"STALE {age}" if stale and seconds is not None else age
        found.append(
            HostRow(
                name, reading.value, age, NAN if seconds is None else seconds, stale, reading.error, name == look.engine
            )
        )
    return found


def _quoting(row: HostRow) -> str:
    if row.picture is None:
        return f"no answer yet: {row.error}" if row.error else "waiting for the first answer"
    engine = section(row.picture.state, "engine")
    return "yes" if engine.get("quoting") else f"no: {engine.get('not_quoting_reason') or '-'}"


def _breaker(row: HostRow) -> str:
    return breaker_of(row.picture)[1] if row.picture else "-"


def _role_style(row: HostRow) -> str:
    return {"primary": GOOD, "standby": DIM}.get(row.own("role"), WARN)


def _pnl(row: HostRow) -> float:
    return figure(pick(row.picture.state, "pnl", "total")) if row.picture else NAN


def _mib(value: float) -> str:
    return "-" if value != value else f"{value / (1 << 20):,.0f} MiB"


SHORT = (
    Column("host", lambda r: ("▸" if r.shown else " ") + r.engine, lambda r: r.engine, text=True),
    Column("role", lambda r: r.own("role"), style=_role_style, text=True),
    Column("epoch", lambda r: r.own("epoch"), lambda r: figure(r.own("epoch")), rank=1, right=True),
    Column("release", lambda r: r.own("release").rpartition("-")[2][:7], rank=2, text=True),
    Column("age", lambda r: r.age, lambda r: r.seconds, lambda r: BAD if r.stale else "", right=True),
)
FULL = (
    *SHORT[:3],
    Column("release", lambda r: r.own("release"), rank=2, text=True),
    Column("account", lambda r: r.own("account"), rank=2, text=True),
    Column(
        "breaker",
        _breaker,
        style=lambda r: GOOD if _breaker(r) == "closed" else BAD if r.picture else DIM,
        rank=1,
        text=True,
    ),
    Column("PnL", lambda r: number(_pnl(r), 2, True), _pnl, lambda r: BAD if _pnl(r) < 0 else "", rank=1, right=True),
    Column("loop lag p99", lambda r: seconds_text(_lag(r)), lambda r: _lag(r), rank=4, right=True),
    Column(
        "memory",
        lambda r: _mib(r.metric("mm_memory_bytes")),
        lambda r: r.metric("mm_memory_bytes"),
        lambda r: level_of("mm_memory_bytes", r.metric("mm_memory_bytes")),
        rank=4,
        right=True,
    ),
    Column(
        "clock skew",
        lambda r: seconds_text(abs(r.metric("mm_clock_skew_seconds"))),
        lambda r: r.metric("mm_clock_skew_seconds"),
        lambda r: level_of("mm_clock_skew_seconds", abs(r.metric("mm_clock_skew_seconds"))),
        rank=3,
        right=True,
    ),
    Column(
        "lease age",
        lambda r: seconds_text(r.metric("mm_lease_age_seconds")),
        lambda r: r.metric("mm_lease_age_seconds"),
        lambda r: level_of("mm_lease_age_seconds", r.metric("mm_lease_age_seconds")),
        rank=3,
        right=True,
    ),
    Column("age", lambda r: r.age, lambda r: r.seconds, lambda r: BAD if r.stale else "", right=True),
    Column(
        "quoting",
        _quoting,
        style=lambda r: GOOD if _quoting(r) == "yes" else WARN if r.picture else DIM,
        rank=1,
        wide=True,
        text=True,
    ),
)


def _lag(row: HostRow) -> float:
    found = (
        row.picture.metrics.quantile("mm_event_loop_lag_seconds", 0.99) if row.picture and row.picture.metrics else None
    )
    return NAN if found is None else found


HOSTS = Sheet("Hosts", SHORT, lambda r: r.engine)
FLEET = Sheet("Engines of this target", FULL, lambda r: r.engine)
