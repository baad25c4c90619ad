"""Rules between keys: what each key allows alone but not together. Pure: a configuration in, complaints out."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from engine.config.document import Path
from engine.config.schema import Config

Complaint = tuple[Path, str, str]  # where, what, what to write instead

SHORTEST_TOKEN: Final = 16
_MINUTE_NS: Final = 60_000_000_000
_HARMLESS: Final = ("sandbox", "paper", "testnet")
_JOURNALS: Final = ("sqlite:///", "postgresql://", "postgresql+psycopg://")


def broken_rules(config: Config, *, deep: bool = False) -> list[Complaint]:
    """Every complaint; ``deep`` includes the strategy's own parameters (this imports the strategies)."""
    found = [*_identity(config), *_addresses(config), *_production(config), *_sizes(config), *_outputs(config)]
    found += [*_backups(config), *_recorder(config), *_to_come(config)]
    if deep:
        from engine.config.strategy import strategy_complaints

        found += strategy_complaints(config)
    return found


def _identity(config: Config) -> Iterator[Complaint]:
    exchange, sentinel = config.exchange, config.sentinel
    if config.paper.enabled:
        yield from _paper(config)
        return
    if not exchange.api_key:
        yield ("exchange", "api_key"), "an API key is needed", "write ${NAME} and set NAME in the environment file"
    if bool(exchange.api_secret) == (exchange.private_key_file is not None):
        yield ("exchange", "api_secret"), "exactly one of api_secret and private_key_file is needed", ""
    if bool(sentinel.api_key) != bool(sentinel.api_secret):
        yield ("sentinel", "api_key"), "api_key and api_secret go together; leave out both to use the engine's", ""
    if config.environment == "production" and exchange.testnet:
        yield ("exchange", "testnet"), "environment is production, so testnet must be false", ""
    if config.environment == "testnet" and not exchange.testnet and not config.venue.rest:
        yield ("exchange", "testnet"), "environment is testnet, so testnet must be true", ""


def _backups(config: Config) -> Iterator[Complaint]:
    backup = config.backup
    if backup.keep is not None and "keep_days" in backup.model_fields_set:
        yield ("backup", "keep"), "is the older name of keep_days, which is set too", "keep only keep_days"


def _recorder(config: Config) -> Iterator[Complaint]:
    recorder, monitoring = config.recorder, config.monitoring
    if not _MINUTE_NS <= recorder.rotate <= 1440 * _MINUTE_NS:
        yield ("recorder", "rotate"), "expected 1m to 24h", "1h is the usual"
    names = [name if ":" in name else f"{config.exchange.market}:{name}" for name in recorder.instruments]
    if len(set(names)) != len(names):
        yield ("recorder", "instruments"), "an instrument is named twice", ""
    if (recorder.store or "").startswith("sftp://") and not (recorder.store_key and recorder.store_known_hosts):
        text = "sftp needs store_key and store_known_hosts: nobody is there to be asked for a password"
        yield (
            ("recorder", "store"),
            text,
            "`ssh-keyscan HOST` prints the host key, which you compare with the store's own",
        )
    if not recorder.enabled:
        return
    if config.exchange.name != "binance":
        text = "the recorder writes Binance's own frames"
        yield ("recorder", "enabled"), f"{text}, and exchange.name is {config.exchange.name}", "set it to false"
    if recorder.port and recorder.port in (monitoring.port, monitoring.prometheus_port):
        yield ("recorder", "port"), "is the engine's own (section monitoring)", "8081 is the usual"


def _to_come(config: Config) -> Iterator[Complaint]:
    """Keys whose part of the engine is not there yet: refused, so that nobody relies on what nothing does."""
    hedge, signals = config.hedge, config.signals
    if hedge.enabled:
        text = "this engine cannot hedge yet, so the inventory would stand unhedged"
        yield ("hedge", "enabled"), text, "set it to false, and strategy.max_inventory to what may stand unhedged"
    for name, value in (("symbol", hedge.symbol), ("band", hedge.band)):
        if value is not None:
            yield ("hedge", name), "this engine cannot hedge yet, so nothing reads it", "leave it out"
    if signals.models is not None:
        text = "this engine takes no signals from trained models yet, so nothing reads it"
        yield ("signals", "models"), text, "leave it out"


def _paper(config: Config) -> Iterator[Complaint]:
    """No key is needed, and nothing may look as if money were at stake."""
    at = ("paper", "enabled")
    if config.environment in ("production", "canary"):
        hint = "leave environment out, or write paper"
        yield at, f"environment is {config.environment}, so paper.enabled must be false", hint
    if config.exchange.name != "binance" or not config.exchange.native:
        yield at, "paper trading reads Binance's native streams", "set exchange.name: binance and exchange.native: true"
    if config.venue.clock != "wall":
        yield at, "paper trading runs in real time, so venue.clock must be wall", ""
    for asset, amount in config.paper.balances.items():
        if amount < 0:
            yield ("paper", "balances", asset), "must be at least 0", ""


def _addresses(config: Config) -> Iterator[Complaint]:
    venue = config.venue
    given = {"rest": venue.rest, "stream": venue.stream, "ws_api": venue.ws_api}
    for name, url in given.items():
        schemes = ("http://", "https://") if name == "rest" else ("ws://", "wss://")
        if url and not url.startswith(schemes):
            yield ("venue", name), f"expected a URL that starts with {' or '.join(schemes)}", ""
    missing = [name for name, url in given.items() if not url]
    if config.environment == "sandbox" and len(missing) == len(given):
        hint = "`mmctl sandbox run` prints them"
        yield ("venue",), "environment is sandbox, so rest, stream and ws_api must say where it is", hint
    elif missing and len(missing) < len(given):
        text = "rest, stream and ws_api go together: give all three, or none"
        yield ("venue", missing[0]), text, "otherwise some requests would go to the public exchange"
    monitoring = config.monitoring
    if monitoring.prometheus_port and monitoring.prometheus_port == monitoring.port:
        yield (
            ("monitoring", "prometheus_port"),
            "the same as monitoring.port, which serves /metrics already",
            "leave it out",
        )
    if not is_loopback(monitoring.host) and not monitoring.control_token:
        yield ("monitoring", "host"), "listening beyond loopback needs monitoring.control_token", "use 127.0.0.1"
    if config.store.url and not config.store.url.reveal().startswith(_JOURNALS):
        yield ("store", "url"), f"expected a URL that starts with {' or '.join(_JOURNALS)}", ""


def _production(config: Config) -> Iterator[Complaint]:
    """Where money is at stake nothing that opens the account, or commands the engine, crosses a network in clear."""
    if config.environment in _HARMLESS or config.exchange.testnet or config.paper.enabled:
        return
    venue, monitoring = config.venue, config.monitoring
    for name, url in {"rest": venue.rest, "stream": venue.stream, "ws_api": venue.ws_api}.items():
        host = _host_of(url or "")
        if url and url.lower().startswith(("http://", "ws://")) and host and not is_loopback(host):
            secure = "https://" if name == "rest" else "wss://"
            text = f"environment is {config.environment}, and this address of another machine is not encrypted"
            yield ("venue", name), text, f"write {secure}"
    token = monitoring.control_token
    if token and len(token.reveal().strip()) < SHORTEST_TOKEN:
        text = f"environment is {config.environment}, so at least {SHORTEST_TOKEN} characters are needed"
        yield ("monitoring", "control_token"), text, "`openssl rand -hex 32` makes one"
    if token and not is_loopback(monitoring.host) and not monitoring.tls_in_front:
        text = f"environment is {config.environment}, and beyond loopback the token would cross the network in clear"
        hint = "use 127.0.0.1 (mmctl comes through SSH), or set monitoring.tls_in_front where a proxy speaks TLS"
        yield ("monitoring", "host"), text, hint


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own: 127.0.0.0/8, ::1 or ``localhost``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sizes(config: Config) -> Iterator[Complaint]:
    strategy, risk, breaker = config.strategy, config.risk, config.risk.circuit_breaker
    if strategy.base_size > strategy.max_inventory:
        yield ("strategy", "base_size"), "larger than strategy.max_inventory, so nothing could ever be quoted", ""
    if strategy.max_inventory > risk.max_position:
        yield ("strategy", "max_inventory"), "larger than risk.max_position, which would refuse the orders", ""
    if breaker.max_timeout < breaker.timeout:
        yield ("risk", "circuit_breaker", "max_timeout"), "shorter than risk.circuit_breaker.timeout", ""
    if config.risk.capital is not None and config.risk.daily_loss_limit > config.risk.capital:
        yield ("risk", "daily_loss_limit"), "larger than risk.capital, so it could never stop the engine", ""


def _outputs(config: Config) -> Iterator[Complaint]:
    logging = config.logging
    if "file" in logging.outputs and logging.file_path is None:
        yield ("logging", "file_path"), "outputs holds file, so a path is needed", ""
    if len(set(logging.outputs)) != len(logging.outputs):
        yield ("logging", "outputs"), "an output is named twice", ""
