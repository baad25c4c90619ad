"""Metrics of what is traded: quotes, orders, money, risk."""

from typing import Final

from engine.catalogue.labels import (
    BREAKER_STATES,
    CAUSES,
    HORIZONS,
    LIMIT,
    OUTCOME,
    PNL_COMPONENTS,
    REFUSAL,
    SIDE,
    STAGE,
    SYMBOL,
    VENUE,
)
from engine.metric import Alias, Label, Threshold, Unit, counter, gauge, histogram, slow

QUOTE_BUCKETS: Final = (
    *(10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0),
)  # the bounds that alerts and goals speak of are in it exactly: 50 us, 1 ms, 50 ms, 100 ms, 200 ms
QUOTING: Final = (
    histogram(
        "mm_quote_generation_duration_seconds",
        "Time from a market event in memory to the finished quote decision",
        Threshold(0.05, 0.1),
        buckets=QUOTE_BUCKETS,
        aliases=(Alias("quote_generation_duration_seconds"),),
    ),
    histogram(
        "mm_order_latency_seconds",
        "Order latency by stage: decision, submit (to bytes written), ack (bytes written to answer), network (one way:"
        " half of what a question for the exchange's time takes)",
        Threshold(0.05, 0.1),
        VENUE,
        STAGE,
        buckets=QUOTE_BUCKETS,
        aliases=(Alias("order_latency_histogram", factor=1000.0, where=(("stage", "ack"),)),),
    ),
    histogram(
        "mm_tick_to_order_seconds",
        "Time from a frame received to the bytes of the order it caused written",
        Threshold(0.001, 0.05),
        buckets=QUOTE_BUCKETS,
    ),
    counter("mm_quotes_total", Unit.COUNT, "Quote decisions made", VENUE, SYMBOL),
    counter("mm_strategy_failures_total", Unit.COUNT, "Times a user's strategy failed", VENUE, SYMBOL),
    counter("mm_quotes_refused_total", Unit.COUNT, "Quotes refused or suppressed, by reason", REFUSAL),
    gauge(
        "mm_quoting",
        Unit.BOOL,
        "1 while any symbol may be quoted; no order need stand",
        threshold=Threshold(0.5, 0.5, True),
    ),
    *slow(
        gauge(
            "mm_quote_uptime_ratio",
            Unit.RATIO,
            "Share of the last hour with both sides quoted; while it has led for less, of that time",
            VENUE,
            SYMBOL,
            threshold=Threshold(0.95, 0.8, True),
        ),
    ),
    gauge(
        "mm_quote_price",
        Unit.QUOTE,
        "Price of our best order that may be live, quote currency",
        VENUE,
        SYMBOL,
        SIDE,
        initial=None,
    ),
    gauge(
        "mm_quote_size_base",
        Unit.BASE,
        "Size of our best order that may be live, base currency",
        VENUE,
        SYMBOL,
        SIDE,
        initial=None,
    ),
    gauge(
        "mm_quote_spread_bps",
        Unit.BPS,
        "Our best bid to our best ask, basis points of mid",
        VENUE,
        SYMBOL,
        initial=None,
    ),
    gauge(
        "mm_quote_timestamp_seconds",
        Unit.TIMESTAMP,
        "When quotes were last decided; absent before the first",
        VENUE,
        SYMBOL,
        initial=None,
    ),
    gauge(
        "mm_market_spread_bps",
        Unit.BPS,
        "The market's best bid to its best ask, basis points of mid",
        VENUE,
        SYMBOL,
        initial=None,
    ),
)

ORDERS: Final = (
    counter(
        "mm_orders_total", Unit.COUNT, "Orders sent (placed), and how often one became each of the others", OUTCOME
    ),
    counter("mm_orders_rejected_total", Unit.COUNT, "Orders the exchange refused, by its code", Label("reason")),
    counter(
        "mm_cancels_total",
        Unit.COUNT,
        "Cancels answered or given up (sent), orders that ended cancelled, by whomever (done), and cancels refused,"
        " unanswered or not sent (failed)",
        Label("outcome", ("sent", "done", "failed")),
    ),
    counter("mm_fills_total", Unit.COUNT, "Fills of our orders since the start", VENUE, SYMBOL, SIDE),
    counter("mm_traded_base_total", Unit.BASE, "Quantity traded since the start, base currency", VENUE, SYMBOL, SIDE),
    counter("mm_traded_quote_total", Unit.QUOTE, "Value traded since the start, quote currency", VENUE, SYMBOL, SIDE),
    gauge("mm_orders_day", Unit.COUNT, "Orders since 00:00 UTC by outcome, over restarts", OUTCOME),
    gauge("mm_cancels_day", Unit.COUNT, "Cancels answered or given up since 00:00 UTC, over restarts"),
    gauge(
        "mm_fill_ratio",
        Unit.RATIO,
        "Share of the last 1000 orders that ended filled, cancelled or expired which were filled at least in part;"
        " absent before the first",
        initial=None,
    ),
    gauge(
        "mm_reject_ratio",
        Unit.RATIO,
        "Share of the last 100 placements that the exchange took or refused which it refused; absent before the first",
        threshold=Threshold(0.05, 0.25),
        initial=None,
    ),
    gauge(
        "mm_open_orders", Unit.COUNT, "Orders that may be open, without those whose state is not proved", VENUE, SYMBOL
    ),
    gauge(
        "mm_unknown_orders",
        Unit.COUNT,
        "Orders whose state is not proved; each counts at worst case",
        VENUE,
        SYMBOL,
        threshold=Threshold(1, 3),
    ),
    gauge(
        "mm_rate_budget_ratio",
        Unit.RATIO,
        "Share of the exchange's tightest rate limit still free for quoting; absent while not known",
        initial=None,
    ),
    *slow(
        gauge(
            "mm_markout_bps",
            Unit.BPS,
            "Mean markout, by horizon, of the fills whose horizon came in the last hour; absent where there was none",
            Label("horizon", HORIZONS),
            initial=None,
        ),
    ),
    gauge("mm_last_fill_timestamp_seconds", Unit.TIMESTAMP, "When the last fill was booked", initial=None),
)

MONEY: Final = (
    gauge(
        "mm_pnl_quote",
        Unit.QUOTE,
        "Profit and loss by component; the sum is the total, so fees paid are negative",
        Label("component", PNL_COMPONENTS),
        aliases=(
            Alias("trading_pnl_total", collapse=True),
            Alias("realized_pnl", where=(("component", "realized"),)),
            Alias("unrealized_pnl", where=(("component", "unrealized"),)),
        ),
        threshold=Threshold(0, -100, True),
    ),
    gauge(
        "mm_pnl_attribution_quote",
        Unit.QUOTE,
        "Realized and unrealized by cause: what fills earned against mid, and what mid did to the position",
        Label("cause", ("spread", "inventory")),
    ),
    gauge("mm_pnl_day_quote", Unit.QUOTE, "Profit and loss since 00:00 UTC", threshold=Threshold(0, -50, True)),
    gauge(
        "mm_worst_fill_day_quote",
        Unit.QUOTE,
        "What the worst fill since 00:00 UTC made after its fee; negative, or 0 where none lost",
    ),
    gauge(
        "mm_equity_quote",
        Unit.QUOTE,
        "Equity that drawdown is counted on: risk.capital or what the account held, and profit and loss since",
        initial=None,
    ),
    gauge("mm_equity_peak_quote", Unit.QUOTE, "The equity's peak, from which drawdown is counted", initial=None),
    gauge(
        "mm_position_base",
        Unit.BASE,
        "Position, base currency, signed",
        VENUE,
        SYMBOL,
        aliases=(Alias("current_position"),),
    ),
    gauge(
        "mm_position_limit_base",
        Unit.BASE,
        "Largest inventory the strategy may hold",
        VENUE,
        SYMBOL,
        aliases=(Alias("max_inventory"),),
    ),
    gauge("mm_position_notional_quote", Unit.QUOTE, "Position at mid, quote currency, signed", VENUE, SYMBOL),
)

RISK: Final = (
    gauge(
        "mm_circuit_breaker_state",
        Unit.ENUM,
        "0 closed, 1 half open, 2 open, 3 halted",
        aliases=(Alias("circuit_breaker_state"),),
        threshold=Threshold(1, 2),
    ),
    gauge("mm_circuit_breaker", Unit.BOOL, "1 for the breaker's present state", Label("state", BREAKER_STATES)),
    counter("mm_circuit_breaker_trips_total", Unit.COUNT, "Trips of the breaker, by cause", Label("cause", CAUSES)),
    gauge(
        "mm_portfolio_drawdown_ratio",
        Unit.RATIO,
        "Fall from the equity's peak, 0 to 1",
        aliases=(Alias("portfolio_drawdown"),),
        threshold=Threshold(0.02, 0.15),
    ),
    gauge("mm_portfolio_max_drawdown_ratio", Unit.RATIO, "Largest fall from the equity's peak since the start"),
    gauge("mm_portfolio_drawdown_limit_ratio", Unit.RATIO, "The configured drawdown limit"),
    gauge(
        "mm_risk_level",
        Unit.ENUM,
        "0 low, 1 medium, 2 high, 3 critical",
        aliases=(Alias("risk_level", offset=1.0),),  # the seed counts from 1: its rule `>= 3` means high
        threshold=Threshold(1, 3),
    ),
    gauge(
        "mm_limit_use_ratio",
        Unit.RATIO,
        "Use of each limit, at worst case; symbol is empty for those of the account",
        LIMIT,
        VENUE,
        SYMBOL,
        threshold=Threshold(0.75, 0.9),
    ),
    gauge(
        "mm_limit_headroom",
        Unit.COUNT,
        "What is left of each limit, in its own unit; negative beyond it",
        LIMIT,
        VENUE,
        SYMBOL,
    ),
    counter(
        "mm_risk_events_total",
        Unit.COUNT,
        "Risk events by severity",
        Label("severity", ("info", "warning", "critical")),
    ),
    gauge("mm_dead_man_armed", Unit.BOOL, "1 when the exchange cancels by itself and that is proved, for every symbol"),
    gauge("mm_dead_man_available", Unit.BOOL, "1 where the exchange has a switch that cancels by itself"),
    gauge("mm_halted", Unit.BOOL, "1 when only a person may let the engine quote again", threshold=Threshold(1, 1)),
)
