"""Judges one engine by gathered facts. Pure: no clock, no network; a fact that is missing is UNKNOWN, never OK."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from mmctl.watch.thresholds import DEFAULTS, Threshold

#: Streams that are silent until our own orders move: being connected is all that can be asked of them.
#: A 95th percentile of fewer is the slowest of them: a warning, as after a start, and never more.
ENOUGH_ORDERS = 20
_QUIET_FEEDS = ("user", "account", "orders")


def always_talks(feed: str) -> bool:
    """Whether a feed of this name carries the market, so that silence on it means that something is wrong."""
    return not any(word in feed.lower() for word in _QUIET_FEEDS)


class Status(IntEnum):
    """Plugin exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


#: From best to worst: what is known to be broken outweighs what is not known, which outweighs a warning.
SEVERITY = {Status.OK: 0, Status.WARNING: 1, Status.UNKNOWN: 2, Status.CRITICAL: 3}


def worst(statuses: Sequence[Status]) -> Status:
    """The status that stands for all of them; UNKNOWN for none at all."""
    return max(statuses, key=SEVERITY.__getitem__, default=Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Feed:
    """One market or user stream of the engine. ``age_s`` is the age of its last message."""

    name: str
    connected: bool
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What could be found out about one engine. None = not found out; ``errors`` say why, by source."""

    host: str
    process_alive: bool | None = None
    process_reason: str = ""  # why it does not run, in its own words
    pid: int | None = None
    uptime_s: float | None = None
    port: int | None = None
    port_open: bool | None = None
    log_errors: int | None = None
    log_lines: int | None = None
    memory_used_percent: float | None = None
    rss_bytes: float | None = None
    cpu_percent: float | None = None
    order_latency_p95_s: float | None = None
    orders_timed: int | None = None  # how many that is of; None: an engine that does not say
    feeds: tuple[Feed, ...] | None = None
    database_ok: bool | None = None
    database_message: str = ""
    database_lag_s: float | None = None
    sentinel_ok: bool | None = None  # None: none is wanted, or the engine is of a release that does not say
    sentinel_message: str = ""
    sentinel_age_s: float | None = None  # since it looked; None: never since the engine's start
    guard_age_s: float | None = None  # since the guard of releases last looked; None: none ever did
    clock_skew_s: float | None = None
    clock_source: str = ""
    disk_free_percent: float | None = None
    role: str | None = None
    quoting: bool | None = None
    not_quoting_reason: str = ""
    breaker: int | None = None
    unknown_orders: int | None = None
    exchange_orders: int | None = None  # open orders of ours that the exchange lists, asked where the engine is silent
    exchange_said: str = ""
    drift: str | None = None  # in what engine and host differ; empty = in nothing, None = not found out
    errors: Mapping[str, str] = field(default_factory=dict)  # source ("host", "engine") -> why it is silent


@dataclass(frozen=True, slots=True)
class Check:
    """One judged fact. ``value`` is in ``unit``; ``warn`` and ``crit`` are Nagios ranges as text."""

    name: str
    status: Status
    message: str
    value: float | None = None
    unit: str = ""
    warn: str = ""
    crit: str = ""


def evaluate(facts: Facts, thresholds: Mapping[str, Threshold] | None = None) -> list[Check]:
    """Every check on one engine, the seed's eight first."""
    limits = {**DEFAULTS, **(thresholds or {})}
    return [
        _process(facts),
        _port(facts),
        _log(facts, limits["log_errors"]),
        _number("memory", facts.memory_used_percent, "%", limits["memory"], _silent(facts, "host"), _used(facts)),
        _cpu(facts, limits["cpu"]),
        _latency(facts, limits["order_latency"]),
        _websocket(facts, limits["websocket"]),
        _database(facts, limits["database"]),
        _clock(facts, limits["clock"]),
        _number("disk", facts.disk_free_percent, "%", limits["disk"], _silent(facts, "host"), "free"),
        _quoting(facts),
        *_sentinel(facts),
        *_guard(facts, limits["guard"]),
        *_exchange(facts),
        *_drift(facts),
        _number(
            "unknown_orders",
            facts.unknown_orders,
            "",
            limits["unknown_orders"],
            _silent(facts, "engine"),
            "orders of unknown fate",
        ),
    ]


def _silent(facts: Facts, source: str) -> str:
    return facts.errors.get(source) or "no data"


def _judge(value: float, limit: Threshold) -> Status:
    if limit.crit is not None and limit.crit.alerts(value):
        return Status.CRITICAL
    if limit.warn is not None and limit.warn.alerts(value):
        return Status.WARNING
    return Status.OK


def _number(
    name: str, value: float | None, unit: str, limit: Threshold, silent: str, text: str, digits: int = 1
) -> Check:
    warn, crit = (limit.warn.text if limit.warn else ""), (limit.crit.text if limit.crit else "")
    if value is None or math.isnan(value):
        return Check(name, Status.UNKNOWN, silent, None, unit, warn, crit)
    shown = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return Check(name, _judge(value, limit), f"{shown}{unit} {text}".strip(), value, unit, warn, crit)


def _process(facts: Facts) -> Check:
    if facts.process_alive is None:
        return Check("process", Status.UNKNOWN, _silent(facts, "host"))
    if not facts.process_alive:
        why = f"not running: {facts.process_reason}" if facts.process_reason else "not running"
        return Check("process", Status.CRITICAL, why, 0)
    return Check("process", Status.OK, f"running, pid {facts.pid}", 1)


def _port(facts: Facts) -> Check:
    if facts.port_open is None:
        return Check("port", Status.UNKNOWN, _silent(facts, "host"))
    if not facts.port_open:
        return Check("port", Status.CRITICAL, f"nothing listens on port {facts.port}", 0)
    engine_error = facts.errors.get("engine")
    if engine_error:
        return Check("port", Status.CRITICAL, f"port {facts.port} is open but {engine_error}", 1)
    return Check("port", Status.OK, f"listening on {facts.port}", 1)


def _log(facts: Facts, limit: Threshold) -> Check:
    # An empty or missing log is no evidence of health: an engine writes at its start.
    errors = facts.log_errors if facts.log_lines else None
    silent = facts.errors.get("host") or facts.errors.get("log") or "the log is missing or empty"
    return _number("log_errors", errors, "", limit, silent, f"errors in the last {facts.log_lines} lines", 0)


def _used(facts: Facts) -> str:
    return "in use" if facts.rss_bytes is None else f"in use, engine {facts.rss_bytes / 1e6:.0f} MB"


def _cpu(facts: Facts, limit: Threshold) -> Check:
    silent = "not running" if facts.process_alive is False else _silent(facts, "host")
    return _number("cpu", facts.cpu_percent, "%", limit, silent, "of one core")


def _latency(facts: Facts, limit: Threshold) -> Check:
    if facts.role == "standby":
        return Check("order_latency", Status.OK, "a standby sends no orders", None, "s")
    silent = facts.errors.get("engine") or "no order was acknowledged yet"
    check = _number("order_latency", facts.order_latency_p95_s, "s", limit, silent, "p95 to acknowledgement", 4)
    if facts.orders_timed is None or facts.orders_timed >= ENOUGH_ORDERS:
        return check
    few = f"{check.message}, of {facts.orders_timed} orders"
    worst = Status.WARNING if check.status is Status.CRITICAL else check.status
    return replace(check, status=worst, message=few)


def _websocket(facts: Facts, limit: Threshold) -> Check:
    warn, crit = (limit.warn.text if limit.warn else ""), (limit.crit.text if limit.crit else "")
    if not facts.feeds:
        silent = facts.errors.get("engine") or "the engine names no feed"
        return Check("websocket", Status.UNKNOWN, silent, None, "s", warn, crit)
    down = [feed.name for feed in facts.feeds if not feed.connected]
    if down:
        return Check("websocket", Status.CRITICAL, f"disconnected: {', '.join(down)}", None, "s", warn, crit)
    market = [feed for feed in facts.feeds if always_talks(feed.name)] or list(facts.feeds)
    quiet = [feed.name for feed in market if feed.age_s is None]
    if quiet:
        return Check("websocket", Status.UNKNOWN, f"no message yet on {', '.join(quiet)}", None, "s", warn, crit)
    oldest, name = max((feed.age_s or 0.0, feed.name) for feed in market)
    return _number("websocket", oldest, "s", limit, "", f"since the last message on {name}", 2)


def _database(facts: Facts, limit: Threshold) -> Check:
    if facts.database_ok is None:
        return Check("database", Status.UNKNOWN, facts.errors.get("engine") or "the engine does not report its journal")
    if not facts.database_ok:
        return Check("database", Status.CRITICAL, facts.database_message or "the journal cannot be written")
    if facts.database_lag_s is None:
        return Check("database", Status.OK, facts.database_message or "journal writable")
    return _number("database", facts.database_lag_s, "s", limit, "", "journal lag", 3)


def _clock(facts: Facts, limit: Threshold) -> Check:
    return _number("clock", facts.clock_skew_s, "s", limit, _silent(facts, "host"), facts.clock_source, 3)


def _exchange(facts: Facts) -> list[Check]:
    """Only where the engine is silent: orders that nobody watches."""
    if not facts.exchange_said:
        return []
    count = facts.exchange_orders
    status = Status.UNKNOWN if count is None else Status.CRITICAL if count else Status.OK
    return [Check("open_orders", status, facts.exchange_said, count)]


def _sentinel(facts: Facts) -> list[Check]:
    """Nothing where the engine does not speak of one: none is wanted, or it cannot be asked, which the port tells. One
    that never looked may never have been started here; one that ceased to look has died."""
    if facts.sentinel_ok is None:
        return []
    bad = Status.WARNING if facts.sentinel_age_s is None else Status.CRITICAL
    status = Status.OK if facts.sentinel_ok else bad
    return [Check("sentinel", status, facts.sentinel_message, facts.sentinel_age_s, "s")]


def _guard(facts: Facts, limit: Threshold) -> list[Check]:
    """Nothing where no guard ever looked: a release without one, or another supervisor than systemd."""
    if facts.guard_age_s is None:
        return []
    said = "since the guard looked; `systemctl status market-maker-guard` on the host"
    return [_number("guard", facts.guard_age_s, "s", limit, "", said, 0)]


def _drift(facts: Facts) -> list[Check]:
    """Nothing where the engine cannot be asked: that is told by the port; nor where its release does not say."""
    if facts.drift is None:
        return []
    agree = "engine and host agree on configuration and release"
    return [Check("drift", Status.WARNING if facts.drift else Status.OK, facts.drift or agree, int(bool(facts.drift)))]


def _quoting(facts: Facts) -> Check:
    if facts.errors.get("engine") or facts.quoting is None:
        return Check("quoting", Status.UNKNOWN, _silent(facts, "engine"))
    if facts.breaker == 3:
        return Check("quoting", Status.CRITICAL, "halted: see mmctl breaker status", 0)
    if facts.role == "standby":
        return Check("quoting", Status.OK, "standby")
    if facts.quoting:
        return Check("quoting", Status.OK, "quoting", 1)
    if facts.breaker == 2:
        reason = facts.not_quoting_reason
        return Check("quoting", Status.CRITICAL, "not quoting, breaker open" + (f": {reason}" if reason else ""), 0)
    return Check("quoting", Status.WARNING, f"not quoting: {facts.not_quoting_reason or 'no reason given'}", 0)
