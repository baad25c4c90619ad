-- The journal's schema, made by: python -m engine.store init-sql > deployments/postgres/init.sql
-- Run once as the owner of an empty database; an engine also makes it by itself. Running it again changes nothing.

BEGIN;

-- Orders in their last known state.
--   account: exchange.account of the configuration
--   side: +1 buy, -1 sell
--   price: quote currency
--   quantity: base currency
--   filled: base currency
--   state: a state of the order state table
--   epoch: leadership epoch that sent it
--   updated_ns: wall clock; an older record never overwrites a newer one
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS orders (
    account TEXT NOT NULL,
    client_id TEXT NOT NULL,
    venue_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side BIGINT NOT NULL,
    price NUMERIC(38, 18) NOT NULL,
    quantity NUMERIC(38, 18) NOT NULL,
    filled NUMERIC(38, 18) NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_ns BIGINT NOT NULL,
    updated_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, client_id)
);
CREATE INDEX IF NOT EXISTS ix_orders_account_state ON orders (account, state);
CREATE INDEX IF NOT EXISTS ix_orders_account_updated_ns ON orders (account, updated_ns);

-- Fills. A row is durable before the engine reports the fill as booked.
--   account: exchange.account of the configuration
--   trade_id: the exchange's id, unique for the symbol
--   side: +1 buy, -1 sell
--   price: quote currency
--   quantity: base currency
--   fee: positive = paid, in fee_asset
--   booked_ns: wall clock, when the engine learned of it
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS trades (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    trade_id BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    venue_id TEXT NOT NULL,
    side BIGINT NOT NULL,
    price NUMERIC(38, 18) NOT NULL,
    quantity NUMERIC(38, 18) NOT NULL,
    maker BOOLEAN NOT NULL,
    fee NUMERIC(38, 18) NOT NULL,
    fee_asset TEXT NOT NULL,
    exchange_ms BIGINT NOT NULL,
    booked_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, symbol, trade_id)
);
CREATE INDEX IF NOT EXISTS ix_trades_account_exchange_ms ON trades (account, exchange_ms);
CREATE INDEX IF NOT EXISTS ix_trades_timestamp ON trades (timestamp);

-- Profit and loss, sampled.
--   account: exchange.account of the configuration
--   ns: wall clock
--   day: UTC day, YYYY-MM-DD
--   day_total: since 00:00 UTC
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS pnl (
    account TEXT NOT NULL,
    ns BIGINT NOT NULL,
    day TEXT NOT NULL,
    total NUMERIC(38, 18) NOT NULL,
    realized NUMERIC(38, 18) NOT NULL,
    unrealized NUMERIC(38, 18) NOT NULL,
    fees NUMERIC(38, 18) NOT NULL,
    funding NUMERIC(38, 18) NOT NULL,
    hedge NUMERIC(38, 18) NOT NULL,
    spread NUMERIC(38, 18) NOT NULL,
    inventory NUMERIC(38, 18) NOT NULL,
    day_total NUMERIC(38, 18) NOT NULL,
    equity NUMERIC(38, 18) NOT NULL,
    peak_equity NUMERIC(38, 18) NOT NULL,
    currency TEXT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, ns)
);
CREATE INDEX IF NOT EXISTS ix_pnl_account_day ON pnl (account, day);
CREATE INDEX IF NOT EXISTS ix_pnl_timestamp ON pnl (timestamp);

-- Breaker transitions, limit breaches, reconciliation discrepancies, operator commands.
--   account: exchange.account of the configuration
--   severity: info, warning or critical
--   evidence: values, thresholds and window that led to it
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS risk_events (
    account TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL,
    evidence JSONB NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, event_id)
);
CREATE INDEX IF NOT EXISTS ix_risk_events_account_ns ON risk_events (account, ns);
CREATE INDEX IF NOT EXISTS ix_risk_events_timestamp ON risk_events (timestamp);

-- Reloads and what they changed.
--   account: exchange.account of the configuration
--   changes: list of {path, old, new}; secrets masked
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS config_changes (
    account TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ns BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    old_hash TEXT NOT NULL,
    new_hash TEXT NOT NULL,
    changes JSONB NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, event_id)
);
CREATE INDEX IF NOT EXISTS ix_config_changes_account_ns ON config_changes (account, ns);
CREATE INDEX IF NOT EXISTS ix_config_changes_timestamp ON config_changes (timestamp);

-- The position after the last booked fill.
--   account: exchange.account of the configuration
--   quantity: signed, base currency
--   average_price: quote currency
--   realized: quote currency, since the journal began
--   last_trade_id: every trade up to this one is in quantity
--   updated_ns: wall clock; an older record never overwrites a newer one
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS positions (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity NUMERIC(38, 18) NOT NULL,
    average_price NUMERIC(38, 18) NOT NULL,
    realized NUMERIC(38, 18) NOT NULL,
    last_trade_id BIGINT NOT NULL,
    updated_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, symbol)
);

-- Every quote decision, in order: what a replay must reproduce.
--   account: exchange.account of the configuration
--   seq: counts decisions of the epoch
--   ns: the kernel's clock; in a replay the recording's
--   side: +1 buy, -1 sell
--   action: place, cancel, replace
--   timestamp: UTC wall clock, when it was journalled
CREATE TABLE IF NOT EXISTS decisions (
    account TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    side BIGINT NOT NULL,
    action TEXT NOT NULL,
    ticks BIGINT NOT NULL,
    lots BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, epoch, seq)
);
CREATE INDEX IF NOT EXISTS ix_decisions_account_timestamp ON decisions (account, timestamp);

-- What must survive a restart besides: breaker, day's baseline, peak equity.
--   account: exchange.account of the configuration
--   updated_ns: wall clock; an older record never overwrites a newer one
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS engine_state (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    value JSONB NOT NULL,
    updated_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, name)
);

-- From the frame to the open order, of orders that filled or rested; pruned like decisions where nothing filled.
--   account: exchange.account of the configuration
--   cause: frame, timer or command: what had the quotes reconsidered
--   event_ms: exchange time of the frame; 0 in all times: not known
--   received_ns: wall clock, as all that follow: the socket's callback with the frame
--   taken_ns: the frame went to the kernel
--   decided_ns: read, booked, decided and checked
--   written_ns: the order's bytes were written
--   acked_ns: the exchange's answer was taken
--   opened_ns: known to be open
--   venue_ms: exchange time at which it had the order
--   cancel_ns: a cancel was written
--   inputs: what the decision saw and wanted; prices and sizes as text
--   updated_ns: wall clock; an older record never overwrites a newer one
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS order_traces (
    account TEXT NOT NULL,
    client_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    cause TEXT NOT NULL,
    event_ms BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    taken_ns BIGINT NOT NULL,
    decided_ns BIGINT NOT NULL,
    written_ns BIGINT NOT NULL,
    acked_ns BIGINT NOT NULL,
    opened_ns BIGINT NOT NULL,
    venue_ms BIGINT NOT NULL,
    cancel_ns BIGINT NOT NULL,
    inputs JSONB NOT NULL,
    updated_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, client_id)
);
CREATE INDEX IF NOT EXISTS ix_order_traces_account_timestamp ON order_traces (account, timestamp);

-- What followed a fill: when it was known and safe, and how the price moved after it.
--   account: exchange.account of the configuration
--   received_ns: wall clock, when the exchange's word on it was taken
--   durable_ns: when the journal had it on the disk; 0: not known
--   mid: quote currency, when it was received
--   markouts: seconds -> bps of the fill's price; null: not yet, or the engine ended
--   updated_ns: wall clock; an older record never overwrites a newer one
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS fill_traces (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    trade_id BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    received_ns BIGINT NOT NULL,
    durable_ns BIGINT NOT NULL,
    mid NUMERIC(38, 18),
    markouts JSONB NOT NULL,
    updated_ns BIGINT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, symbol, trade_id)
);
CREATE INDEX IF NOT EXISTS ix_fill_traces_account_client_id ON fill_traces (account, client_id);

-- Latencies by stage, a row a minute; kept as long as decisions.
--   account: exchange.account of the configuration
--   ns: begin of the minute, wall clock
--   waited: of these, counted for a stall of the loop
--   buckets: index and count by turns (engine.histogram): sums of minutes are exact
--   timestamp: UTC
CREATE TABLE IF NOT EXISTS latencies (
    account TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    stage TEXT NOT NULL,
    ns BIGINT NOT NULL,
    count BIGINT NOT NULL,
    waited BIGINT NOT NULL,
    p50_ns BIGINT NOT NULL,
    p95_ns BIGINT NOT NULL,
    p99_ns BIGINT NOT NULL,
    max_ns BIGINT NOT NULL,
    buckets JSONB NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account, epoch, stage, ns)
);
CREATE INDEX IF NOT EXISTS ix_latencies_account_timestamp ON latencies (account, timestamp);

-- The schema's version and what else describes the journal itself.
--   updated_ns: wall clock; an older record never overwrites a newer one
CREATE TABLE IF NOT EXISTS meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_ns BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0002') ON CONFLICT DO NOTHING;
INSERT INTO meta VALUES ('schema_version', '0001', 0) ON CONFLICT DO NOTHING;
INSERT INTO meta VALUES ('schema_revision', '0002', 0) ON CONFLICT DO NOTHING;

COMMIT;
