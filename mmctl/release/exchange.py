"""The exchange as a host sees it: asked from there, with the host's clock and the key the engine will have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config.environment import parse
from mmctl.fleet.accounts import raw_of
from mmctl.fleet.errors import AUTHENTICATION, INCONCLUSIVE, REFUSED, UNREACHABLE, OperatorError
from mmctl.fleet.inventory import Target
from mmctl.fleet.transport import Transport
from mmctl.release import exchange_probe
from mmctl.remote.layout import Layout, q

SECONDS = 25.0
ASK_SECONDS = 5.0
DEFAULT_SKEW_MS = 500.0
RECV_WINDOW_MS = 5000


@dataclass(frozen=True)
class Finding:
    """One thing that was asked, and whether it is as it must be; ``exit_code`` for when it is not."""

    name: str
    ok: bool
    detail: str
    exit_code: int = REFUSED


def ask(transport: Transport, layout: Layout, target: Target, values: Mapping[str, str] | None) -> list[Finding]:
    """What the exchange says to the host of ``transport``. ``values``: the secrets that a deploy brings; None: the
    host has its own. Never raises: what was not answered is a finding that is not ok."""
    config = raw_of(target)
    name = config("exchange", "name") or "binance"
    if name != "binance":
        what = f"{name} can be asked by an installed engine only: clock and key are not proved from this host"
        return [Finding("exchange", False, what, INCONCLUSIVE)]
    known = values if values is not None else _own_values(transport, layout)
    request = _request(config, known)
    found = _probe(transport, request)
    if isinstance(found, Finding):
        return [found]
    skew_ms, market = _skew_ms(config("risk", "max_clock_skew")), request["market"]
    findings = judge(found, skew_ms, market=market, key=bool(request["key"]))
    own = {"key": config("sentinel", "api_key"), "secret": config("sentinel", "api_secret"), "key_file": ""}
    if all(one.ok for one in findings) and request["key"] and own["key"] and own["secret"]:
        told = _probe(transport, request | own)
        findings.append(told if isinstance(told, Finding) else _key(told, market, "sentinel's key"))
    return findings


def _probe(transport: Transport, request: Mapping[str, Any]) -> Mapping[str, Any] | Finding:
    """What the exchange answers the host, or why it could not be asked."""
    source = Path(exchange_probe.__file__).read_text(encoding="utf-8")
    try:
        result = transport.run(f"python3 -c {q(source)}", SECONDS, json.dumps(request).encode())
        found: Mapping[str, Any] = json.loads(result.out.strip().splitlines()[-1])
    except OperatorError as error:
        return Finding("exchange", False, f"not asked: {error.what}", error.exit_code)
    except (ValueError, IndexError):
        last = (result.err.strip() or f"python3 ended with code {result.rc}").splitlines()[-1]
        return Finding("exchange", False, f"not asked: {last}", UNREACHABLE)
    return found


def _own_values(transport: Transport, layout: Layout) -> Mapping[str, str]:
    """The host's own secrets, read as the engine there will read them; they go back to it over stdin alone."""
    try:
        return parse(transport.get(layout.env_file, ASK_SECONDS)).values
    except OperatorError:
        return {}  # what the config then misses is named


def _request(config: Any, values: Mapping[str, str]) -> dict[str, Any]:
    market, testnet = config("exchange", "market") or "spot", config("exchange", "testnet") == "true"
    paper = config("paper", "enabled") == "true"
    rest, account = _addresses(market, testnet)
    own = config("venue", "rest")
    return {
        "market": market,
        "rest": own or rest,
        "account_rest": own or account,
        "key": "" if paper else config("exchange", "api_key"),
        "secret": config("exchange", "api_secret"),
        "key_file": config("exchange", "private_key_file"),
        "env": dict(values),
        "timeout": ASK_SECONDS,
        "recv_window": RECV_WINDOW_MS,
    }


def _addresses(market: str, testnet: bool) -> tuple[str, str]:
    from engine.trade import Market
    from engine.venue.binance.endpoints import endpoints

    places = endpoints(Market.SPOT if market == "spot" else Market.USDM, testnet=testnet)
    return places.rest, places.account


def _skew_ms(text: str) -> float:
    from engine.config.values import Duration

    try:
        return float(Duration.parse(text).ms) if text else DEFAULT_SKEW_MS
    except ValueError:
        return DEFAULT_SKEW_MS


def judge(found: Mapping[str, Any], skew_ms: float, *, market: str, key: bool) -> list[Finding]:
    """The probe's answer as findings. What it does not say counts against it."""
    if not found.get("answers"):
        why = found.get("error") or "no answer"
        return [Finding("exchange", False, f"{found.get('where')} does not answer this host: {why}", UNREACHABLE)]
    offset, error = float(found["offset_ms"]), float(found["round_trip_ms"]) / 2
    clock = f"the host's clock is {-offset:+.0f} ms from the exchange's (to within {error:.0f} ms)"
    right = abs(offset) - error <= skew_ms
    told = f"{found['where']} answers in {2 * error:.0f} ms; {clock}"
    findings = [Finding("exchange", right, told if right else f"{clock}, more than {skew_ms:g} ms; set it by NTP")]
    if key:
        findings.append(_key(found, market))
    return findings


def _key(found: Mapping[str, Any], market: str, name: str = "API key") -> Finding:
    from engine.trade import Market
    from engine.venue.scopes import binance_scopes

    if not isinstance(found.get("scopes"), Mapping):
        why = found.get("key_error") or "no answer"
        return Finding(name, False, f"what it may do is not known: {why}", AUTHENTICATION)
    scopes = binance_scopes(Market.SPOT if market == "spot" else Market.USDM, found["scopes"])
    refusal = scopes.refusal()
    if refusal:
        return Finding(name, False, refusal)
    bound = {True: "bound to addresses", False: "NOT bound to an address", None: "whether bound to addresses: not said"}
    return Finding(name, True, f"may trade, cannot withdraw, {bound[scopes.ip_restricted]}")
