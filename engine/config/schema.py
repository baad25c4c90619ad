"""The configuration's schema: every section and key, its type, bounds, default, meaning, and whether it reloads.

A key made with ``reload=True`` may change while the engine runs; any other needs a restart. Money and quantities
are exact decimals, ratios are floats, lengths of time are ``Duration`` (nanoseconds).
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from engine.config.parts import Asset, MaybeSecret, Name, Port, Section, Span, Symbol, key, shown_name
from engine.config.parts import seconds_of as _s
from engine.config.recording import RecorderSection
from engine.config.secret import SecretUrl
from engine.config.values import Bool, Duration, Exact, Int, Number, Parameter, Text

__all__ = ["Config", "Section", "key", "shown_name"]


class ExchangeSection(Section):
    """Which account on which exchange, and how to sign for it."""

    name: Name = key("binance", doc="Exchange id as ccxt names it; binance has a native hot path.")
    api_key: MaybeSecret = key(None, doc="API key of the trading account: trade rights, no withdrawal.")
    api_secret: MaybeSecret = key(None, doc="HMAC secret, or the PEM text of an Ed25519 private key.")
    private_key_file: Path | None = key(None, doc="PEM file of an Ed25519 private key, in place of api_secret.")
    passphrase: MaybeSecret = key(None, doc="Third part of the key, on exchanges that have one (okx, kucoin, ...).")
    key_vouched_for: Bool = key(
        False, doc="Without the native path nobody can ask what the key may do: true = you saw that it cannot withdraw."
    )
    testnet: Bool = key(False, doc="Use the exchange's own test network.")
    market: Literal["spot", "usdm"] = key("spot", doc="spot, or usdm for USD-margined perpetuals.")
    account: Name = key(
        "main", doc="Name of the account in locks, metrics and --confirm; of a host's engines with one name one quotes."
    )
    recv_window: Span = key(_s("5s"), doc="How old a signed request may be when the exchange reads it.")
    native: Bool = key(True, doc="Use the native stream and WebSocket API where this exchange has one; else ccxt.")
    leverage: Int = key(1, doc="Leverage set at start on usdm; ignored on spot.", ge=1, le=20)


class PaperSection(Section):
    """Trading on paper: the exchange's public market, and an account that exists only in the engine and its journal."""

    enabled: Bool = key(False, doc="No order leaves this engine; needs no API key. Give it a data_dir of its own.")
    balances: dict[Asset, Exact] = key(
        {},
        doc="What the account opens with, in a backtest too; empty = 100000 of the quote currency, on spot max_position"
        " of the base, and in a backtest no bound.",
    )
    latency: Duration = key(_s("10ms"), doc="One way to the simulated exchange, and as long back.")


class VenueSection(Section):
    """Where the exchange is: empty means its public addresses. A sandbox needs all of them."""

    rest: Text | None = key(None, doc="Base URL of REST, e.g. http://127.0.0.1:8900.")
    stream: Text | None = key(None, doc="Base URL of market and user streams, e.g. ws://127.0.0.1:8900.")
    ws_api: Text | None = key(None, doc="URL of the WebSocket API used for orders.")
    request_timeout: Span = key(_s("5s"), doc="Deadline of one REST request.")
    order_timeout: Span = key(_s("2s"), doc="Deadline of one order or cancel; after it the order is UNKNOWN.")
    stream_timeout: Span = key(_s("15s"), doc="A stream silent for this long is reconnected.")
    keep_warm: Duration = key(
        _s("1ms"),
        doc="How often the path of a tick is walked on made-up data, so that real ones find it warm; 0s: never.",
    )
    clock: Literal["wall", "recording"] = key(
        "wall",
        doc="recording: ticks happen at the times a sandbox in simulated lock-step names; needs environment sandbox.",
    )


class StrategySection(Section):
    """What is quoted, and how."""

    name: Name = key("basic", doc="basic (also written basic_mm), glft, adaptive, or the name in your own file.")
    file: Path | None = key(None, doc="Your own strategy: a Python file with one jitted quote function.")
    symbol: Symbol = key(..., doc="The exchange's symbol, e.g. ETHUSDT.")
    base_spread: Number = key(0.001, doc="Full spread as a fraction of mid: 0.001 = 0.1 %.", reload=True, gt=0, le=0.2)
    base_size: Exact = key(..., doc="Size of each quote.", unit="base currency", reload=True, gt=0)
    max_inventory: Exact = key(
        ..., doc="No quote may take the position beyond this.", unit="base currency", reload=True, gt=0
    )
    skew_factor: Number = key(
        0.3, doc="Share of the half spread by which quotes move against a full inventory.", reload=True, ge=0, le=5
    )
    tick_interval: Span = key(_s("5s"), doc="Quotes are looked at afresh at least this often.", reload=True)
    requote_tolerance: Number = key(
        0.1, doc="An order stays while its price is within this share of the half spread.", reload=True, ge=0, lt=1
    )
    min_quote_life: Duration = key(
        _s("0s"), doc="An order is not replaced before it is this old, unless it is unsafe.", reload=True
    )
    params: dict[str, Parameter] = key(
        {}, doc="The named strategy's own parameters (`mmctl config schema` lists them).", reload=True
    )


class CircuitBreakerSection(Section):
    """When quoting stops by itself, and how it comes back."""

    threshold: Int = key(
        5, doc="Consecutive losing round trips or order errors that open the breaker.", reload=True, ge=1, le=1000
    )
    timeout: Span = key(
        _s("5m"), doc="Time in OPEN before the first careful probes; doubles on each re-opening.", reload=True
    )
    max_timeout: Span = key(_s("1h"), doc="The doubling of timeout stops here.", reload=True)
    max_opens: Int = key(4, doc="So many openings within opens_window halt the engine.", reload=True, ge=1, le=100)
    opens_window: Span = key(_s("1h"), doc="Window of max_opens.", reload=True)
    price_move_sigmas: Number = key(
        8.0,
        doc="Opens when mid moves more than so many standard deviations within price_move_window.",
        reload=True,
        gt=0,
    )
    price_move_window: Span = key(_s("5s"), doc="Window of price_move_sigmas.", reload=True)
    loss_rate: Exact | None = key(
        None,
        doc="Opens when marked-to-market PnL falls by this within loss_window.",
        unit="quote currency",
        reload=True,
        gt=0,
    )
    loss_window: Span = key(_s("1m"), doc="Window of loss_rate.", reload=True)
    feed_timeout: Span = key(_s("2s"), doc="A book without an update for this long is stale.", reload=True)
    latency_p95: Span = key(
        _s("500ms"), doc="Opens when the 95th percentile of order latency is above this.", reload=True
    )
    reject_rate: Number = key(
        0.5, doc="Opens when this share of the last orders was rejected.", reload=True, gt=0, le=1
    )
    clock_skew: Span = key(_s("1s"), doc="Opens when this host's clock is off by more.", reload=True)
    half_open_size: Number = key(0.5, doc="Size in HALF_OPEN as a share of base_size.", reload=True, gt=0, le=1)
    half_open_spread: Number = key(1.5, doc="Spread in HALF_OPEN as a multiple.", reload=True, ge=1, le=20)
    half_open_probes: Int = key(
        3, doc="Clean round trips in HALF_OPEN that close the breaker.", reload=True, ge=1, le=1000
    )
    half_open_quiet: Span = key(_s("1m"), doc="HALF_OPEN also closes after so long without any trouble.", reload=True)


class RiskSection(Section):
    """Limits. Each is checked before an order is sent, as if all working and unknown orders were filled."""

    daily_loss_limit: Exact = key(
        ..., doc="Loss since 00:00 UTC that halts the engine.", unit="quote currency", reload=True, gt=0
    )
    max_drawdown_limit: Number = key(
        ..., doc="Fall from the equity's peak that halts the engine: 0.03 = 3 %.", reload=True, gt=0, lt=1
    )
    max_position: Exact = key(..., doc="Largest position in either direction.", unit="base currency", reload=True, gt=0)
    max_notional: Exact | None = key(None, doc="Largest position in money.", unit="quote currency", reload=True, gt=0)
    max_open_orders: Int = key(20, doc="Most orders open at once.", reload=True, ge=1, le=10_000)
    max_order_rate: Number = key(
        20.0, doc="Most new orders a second; cancels have a budget of their own.", reload=True, gt=0, le=10_000
    )
    capital: Exact | None = key(
        None,
        doc="Money this engine may use (the rollout's stage); peak equity starts here.",
        unit="quote currency",
        reload=True,
        gt=0,
    )
    price_band: Number = key(
        0.05, doc="An order further than this from mid is refused: 0.05 = 5 %.", reload=True, gt=0, lt=1
    )
    max_clock_skew: Span = key(_s("500ms"), doc="Do not start quoting with a clock further off than this.")
    dead_man: Span = key(_s("60s"), doc="usdm: the exchange cancels all by itself when not refreshed for this long.")
    reconcile_interval: Span = key(
        _s("30s"), doc="Orders, fills and balances are compared with the exchange this often."
    )
    circuit_breaker: CircuitBreakerSection = key(CircuitBreakerSection(), doc="When quoting stops by itself.")


class MonitoringSection(Section):
    """The engine's HTTP listener: metrics, health, state and control."""

    host: Text = key("127.0.0.1", doc="Address to listen on; mmctl reaches loopback through SSH.")
    port: Port = key(8080, doc="Port of health, state and control; 0 = any free one.")
    prometheus_port: Port | None = key(None, doc="Serve /metrics on this port too.")
    hosts: list[Text] = key(
        [], doc="Further names it may be asked under (Host), e.g. a proxy's; loopback's and its own need no mention."
    )
    tls_in_front: Bool = key(
        False, doc="A proxy that speaks TLS stands before this address: in production needed beyond loopback."
    )
    metrics_interval: Span = key(
        _s("5s"),
        doc="How often the process's own figures (memory, CPU, threads, files) are read anew for /metrics; all others"
        " are as of the scrape.",
        reload=True,
    )
    control_token: MaybeSecret = key(None, doc="Bearer token of POST /api/control/*; without it control answers 403.")
    control_rate: Number = key(2.0, doc="Control requests a second, on average.", reload=True, gt=0, le=1000)
    max_body: Int = key(65_536, doc="Largest request body.", unit="bytes", ge=1024, le=16_777_216)


class LoggingSection(Section):
    """Where the log goes, how much is kept, and how it reads."""

    level: Literal["debug", "info", "warning", "error"] = key("info", doc="Lowest level written.", reload=True)
    format: Literal["json", "text"] = key("json", doc="json: one object a line; text: for people.")
    outputs: list[Literal["stdout", "stderr", "file"]] = key(
        ["stdout"], doc="Any of stdout, stderr, file.", min_length=1
    )
    file_path: Path | None = key(None, doc="The log file; its folder is made if it is missing.")
    max_size: Int = key(100, doc="A file is rotated at this size.", unit="MB", ge=1, le=10_000)
    max_backups: Int = key(10, doc="Rotated files kept.", ge=0, le=1000)
    max_age: Int = key(30, doc="Rotated files older than this are deleted.", unit="days", ge=1, le=3650)


class SignalsSection(Section):
    """What the models feed the strategy. A signal older than max_age is treated as absent."""

    volatility_half_life: Span = key(_s("60s"), doc="Half-life of the volatility estimate.", reload=True)
    intensity_half_life: Span = key(_s("5m"), doc="Half-life of the arrival-intensity estimate (A, k).", reload=True)
    max_age: Span = key(_s("30s"), doc="Older signals are not used.", reload=True)
    models: Path | None = key(None, doc="Folder of trained models. Refused: no model is read yet.")


class HedgeSection(Section):
    """Hedging on a second instrument. To come: until then whatever asks for it is refused."""

    enabled: Bool = key(False, doc="Hedge the inventory on another instrument. Refused: this engine cannot yet.")
    symbol: Symbol | None = key(None, doc="The instrument hedged with, e.g. BTCUSDT. Refused until it can.")
    band: Exact | None = key(
        None,
        doc="No hedge order while the unhedged exposure is within this. Refused until it can hedge.",
        unit="quote currency",
        gt=0,
    )


class StoreSection(Section):
    """The journal of orders, fills, PnL, risk events and config changes."""

    url: SecretUrl | None = key(
        None, doc="sqlite:///PATH or postgresql://USER:${PASSWORD}@HOST/DB; empty = DATA_DIR/journal.db."
    )
    spill: Path | None = key(
        None, doc="Folder for fills the journal cannot take (disk full, database lost); best on another disk."
    )
    queue: Int = key(20_000, doc="Records waiting to be written before quoting stops.", ge=100, le=10_000_000)
    max_lag: Span = key(_s("5s"), doc="A record waiting longer than this stops quoting.")
    decisions_kept: Span = key(_s("14d"), doc="Decisions older than this are forgotten; fills and events never are.")
    decisions: Bool = key(True, doc="Journal every quote decision, so that a run can be replayed.")
    inputs: Bool = key(
        False, doc="Record in DATA_DIR/inputs all that decisions depend on, so that a run in real time can be replayed."
    )


class LeaseSection(Section):
    """Who may quote: of a host's engines on one account only the holder. Between hosts it promises nothing."""

    kind: Literal["file"] = key("file", doc="file: a lock on this host.")
    path: Path | None = key(
        None, doc="The lock file; empty = DATA_DIR/lease-ACCOUNT.lock. The same for every engine of the account."
    )
    ttl: Span = key(_s("10s"), doc="A holder that cannot prove its lease for this long stops quoting.")
    rollback_window: Span = key(
        _s("10m"),
        doc="An engine that handed over stays warm for this long, sending nothing: going back is a hand-over.",
    )


class SentinelSection(Section):
    """The separate process that stops the engine's orders when the engine cannot."""

    enabled: Bool = key(True, doc="Run it beside the engine.")
    api_key: MaybeSecret = key(None, doc="Its own key; empty = the engine's.")
    api_secret: MaybeSecret = key(None, doc="Its own secret; empty = the engine's.")
    interval: Span = key(_s("500ms"), doc="How often it looks.", reload=True)
    engine_timeout: Span = key(_s("3s"), doc="An engine silent for this long is taken for dead.", reload=True)
    flatten: Bool = key(False, doc="Also close the position, not only cancel orders.", reload=True)


class BackupSection(Section):
    """Copies of journal, configs, audit trail and logs."""

    directory: Path | None = key(None, doc="Where they go; empty = DATA_DIR/backups.")
    keep_days: Int = key(30, doc="Days a copy is kept; the newest sound one stays whatever its age.", ge=1, le=10_000)
    keep: Int | None = key(None, doc="The older name of keep_days: read as days.", ge=1, le=10_000)
    max_age: Span = key(_s("26h"), doc="A newest copy older than this is told by `mmctl backup list`.")
    recipients: list[Text] = key([], doc="age public keys the copies are encrypted to; none = not encrypted.")
    repository: Text = key("", doc="A restic repository instead of files, as restic writes it: sftp:, s3:, a folder.")
    env_file: Path | None = key(None, doc="File (0600) with RESTIC_PASSWORD and AWS_* where restic runs.")


class Config(Section):
    """The whole file."""

    environment: Name = key(
        "",
        doc="sandbox, paper, testnet, canary or production: shown everywhere, checked by preflight. "
        "Left out: paper where paper.enabled and testnet where exchange.testnet say so, sandbox where venue names "
        "addresses, else production.",
    )
    data_dir: Path = key(Path("data"), doc="Journal, lease and spill files; relative to the working directory.")
    exchange: ExchangeSection = key(..., doc="Which account on which exchange.")
    paper: PaperSection = key(PaperSection(), doc="Trading on paper.")
    venue: VenueSection = key(VenueSection(), doc="Where the exchange is.")
    strategy: StrategySection = key(..., doc="What is quoted, and how.")
    risk: RiskSection = key(..., doc="Limits and the circuit breaker.")
    monitoring: MonitoringSection = key(MonitoringSection(), doc="Metrics, health and control.")
    logging: LoggingSection = key(LoggingSection(), doc="The log.")
    signals: SignalsSection = key(SignalsSection(), doc="Inputs of the models.")
    hedge: HedgeSection = key(HedgeSection(), doc="Hedging.")
    store: StoreSection = key(StoreSection(), doc="The journal.")
    lease: LeaseSection = key(LeaseSection(), doc="Leadership.")
    sentinel: SentinelSection = key(SentinelSection(), doc="The independent guard.")
    backup: BackupSection = key(BackupSection(), doc="Backups.")
    recorder: RecorderSection = key(RecorderSection(), doc="The recorder of the market.")

    @model_validator(mode="after")
    def _infer_environment(self) -> Self:
        if not self.environment:
            elsewhere = "sandbox" if self.venue.rest else "production"
            meant = "testnet" if self.exchange.testnet else elsewhere
            object.__setattr__(self, "environment", "paper" if self.paper.enabled else meant)
        return self

    def journal_url(self) -> SecretUrl:
        """The journal's URL, the default included."""
        return self.store.url or SecretUrl(f"sqlite:///{self.data_dir / 'journal.db'}")

    def journal_folder(self) -> Path:
        """The folder of the journal's file; where a server keeps the journal, that of what waits for it."""
        url = self.journal_url().reveal()
        return Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else self.spill_dir().parent

    def spill_dir(self) -> Path:
        """Where records wait while the journal cannot be reached."""
        return self.store.spill or self.data_dir / "spill"

    def lease_path(self) -> Path:
        """The file whose lock is the lease."""
        return self.lease.path or self.data_dir / f"lease-{self.exchange.account}.lock"

    def recordings(self) -> Path:
        """The folder of the recorder's files."""
        return self.recorder.directory or self.data_dir / "recordings"
