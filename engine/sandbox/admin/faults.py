"""Faults: rules that say which frames and requests go wrong, and how; seeded, so that a script repeats exactly."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from engine.sandbox.errors import SandboxError
from engine.trade import Market

FRAME_KINDS = ("drop", "gap", "duplicate", "reorder", "delay", "truncate", "nan", "half_open", "disconnect")
REQUEST_KINDS = (
    "error", "http_5xx", "timeout", "ack_lost", "cancel_lost", "late_fill", "rate_limit", "ban", "bad_clock", "slow",
)  # fmt: skip
ACTION_KINDS = ("listen_key_expired", "clock_step", "price_jump", "stale_snapshot", "fresh_snapshot", "funding")
KINDS = FRAME_KINDS + REQUEST_KINDS + ACTION_KINDS


@dataclass(slots=True)
class FaultRule:
    """One fault. Empty selectors match everything; ``count`` 0 means for ever.

    ``stream`` is depth, bookTicker, trade, aggTrade or user; ``operation`` an operation name such as order.place.
    ``after_s`` delays the rule after the sandbox's start. The meaning of ``ms``, ``bps``, ``status``, ``code``,
    ``share`` and ``executed`` is the kind's.
    """

    id: int
    kind: str
    market: str = ""
    symbol: str = ""
    stream: str = ""
    operation: str = ""
    account: str = ""
    probability: float = 1.0
    count: int = 1
    skip: int = 0
    after_s: float = 0.0
    ms: int = 0
    bps: float = 0.0
    status: int = 503
    code: int = -1000
    msg: str = "An unknown error occurred while processing the request."
    share: float = 1.0  # late_fill: the part of what was left that is filled after the cancel
    executed: bool = True  # whether a request that seems to fail was carried out all the same
    used: int = 0

    @property
    def spent(self) -> bool:
        """Whether it has done what it was set for as often as it was to."""
        return self.count > 0 and self.used >= self.count


FIELDS = frozenset(FaultRule.__dataclass_fields__) - {"id", "used"}


def read_rule(spec: Mapping[str, Any], number: int) -> FaultRule:
    """A rule from its YAML or JSON mapping; SandboxError names the key or kind that is wrong."""
    unknown = sorted(set(spec) - FIELDS)
    if unknown:
        raise SandboxError(f"fault {number}: unknown key {unknown[0]!r} (known: {', '.join(sorted(FIELDS))})")
    kind = spec.get("kind")
    if kind not in KINDS:
        raise SandboxError(f"fault {number}: unknown kind {kind!r} (known: {', '.join(KINDS)})")
    rule = FaultRule(number, str(kind))
    for name, value in spec.items():
        wanted = type(getattr(rule, name))
        numeric = wanted is float and isinstance(value, int) and not isinstance(value, bool)
        if not numeric and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
            raise SandboxError(f"fault {number}: {name} must be {wanted.__name__}, not {value!r}")
        setattr(rule, name, float(value) if numeric else value)
    if not 0.0 <= rule.probability <= 1.0:
        raise SandboxError(f"fault {number}: probability {rule.probability} is not between 0 and 1")
    if rule.market not in ("", Market.SPOT.value, Market.USDM.value):
        raise SandboxError(f"fault {number}: market must be spot or usdm, not {rule.market!r}")
    if kind == "gap":
        rule.stream = "depth"
    if kind in ("cancel_lost", "late_fill") and not rule.operation:
        rule.operation = "order.cancel"
    return rule


class Faults:
    """The rules in force. The first rule that matches and whose draw hits is the one applied."""

    def __init__(self, specs: tuple[Mapping[str, Any], ...], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._numbers = count(1)
        self._rules: list[FaultRule] = []
        self.elapsed_s = 0.0
        for spec in specs:
            self.add(spec)

    @property
    def active(self) -> bool:
        """Whether any fault is set."""
        return bool(self._rules)

    def add(self, spec: Mapping[str, Any]) -> FaultRule:
        """Set one more fault; ``SandboxError`` where it cannot be read."""
        rule = read_rule(spec, next(self._numbers))
        self._rules.append(rule)
        return rule

    def remove(self, number: int) -> bool:
        """Remove a fault; False where there is none of that number."""
        before = len(self._rules)
        self._rules = [r for r in self._rules if r.id != number]
        return len(self._rules) < before

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def rows(self) -> list[dict[str, Any]]:
        """The faults as JSON has them."""
        return [asdict(r) for r in self._rules]

    def frame(self, market: Market, symbol: str, stream: str, account: str = "") -> FaultRule | None:
        """The fault of one outgoing frame, None almost always."""
        if not self._rules:
            return None
        named = {"market": market.value, "symbol": symbol, "stream": stream, "account": account}
        return self._pick(FRAME_KINDS, named)

    def request(self, market: Market, operation: str, account: str, symbol: str) -> FaultRule | None:
        """The fault of one request."""
        if not self._rules:
            return None
        named = {"market": market.value, "operation": operation, "account": account, "symbol": symbol}
        return self._pick(REQUEST_KINDS, named)

    def due_actions(self) -> list[FaultRule]:
        """Actions whose time has come; each is returned as often as its count says, once a call."""
        found = [r for r in self._rules if r.kind in ACTION_KINDS and self._live(r)]
        for rule in found:
            rule.used += 1
        return found

    def _pick(self, kinds: tuple[str, ...], named: dict[str, str]) -> FaultRule | None:
        for rule in self._rules:
            if rule.kind not in kinds or not self._live(rule):
                continue
            if any(getattr(rule, name, "") not in ("", value) for name, value in named.items()):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1.0 and self._random.random() >= rule.probability:
                continue
            rule.used += 1
            return rule
        return None

    def _live(self, rule: FaultRule) -> bool:
        return not rule.spent and self.elapsed_s >= rule.after_s
