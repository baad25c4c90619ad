"""The labels of metrics and their values. Where those mirror another part's own words, a test keeps them equal."""

from typing import Final

from engine.metric import Label

ROLES: Final = ("primary", "standby")
STAGES: Final = ("decision", "submit", "ack", "network")
PNL_COMPONENTS: Final = ("realized", "unrealized", "fees", "funding", "hedge")
BREAKER_STATES: Final = ("closed", "half_open", "open", "halted")  # index = code
HORIZONS: Final = ("0.1s", "1s", "5s", "30s", "60s")
OUTCOMES: Final = ("placed", "accepted", "rejected", "unknown", "cancelled", "filled", "expired", "denied")
FEEDS: Final = ("market", "user", "orders")

#: ``LimitUse.name`` before the colon; those of one symbol have it behind it.
LIMITS: Final = (
    *("daily_loss", "drawdown", "position", "notional", "total_notional", "open_orders", "order_rate", "capital"),
)
#: The values of ``risk.breaker.Cause`` that open or halt.
CAUSES: Final = (
    *("losing_round_trips", "order_errors", "price_move", "loss_rate", "drawdown", "position", "feed", "order_latency"),
    *("reject_rate", "clock_skew", "reconciliation", "mismatch", "daily_loss", "drawdown_limit"),
    *("repeated_opens", "sentinel", "operator"),
)
#: ``orders.reconcile.DiscrepancyClass``.
DISCREPANCIES: Final = (
    *("old-epoch-order", "newer-epoch-order", "strange-order", "order-not-held", "ledger-unexplained"),
    *("foreign-order", "order-missing", "order-differs", "filled-differs", "fill-not-booked", "foreign-fill"),
    *("position-differs", "balance-differs", "unread"),
)
#: Why a quote is missing: the names of ``kernel.quoting.checks.Reason``, and what the exchange itself refused.
REFUSALS: Final = (
    *("NO_BOOK", "BOOK_NOT_LIVE", "QUOTING_OFF", "BREAKER_OPEN", "HALTED", "NOT_RECONCILED", "MAX_INVENTORY"),
    *("POSITION_LIMIT", "NOTIONAL_LIMIT", "TOTAL_NOTIONAL_LIMIT", "OPEN_ORDERS_LIMIT", "ORDER_RATE", "ORDER_SIZE"),
    *("MIN_SIZE", "MIN_NOTIONAL", "PRICE_BAND", "WOULD_TAKE", "SELF_TRADE", "ORDER_UNKNOWN", "CANCEL_IN_FLIGHT"),
    *("BAD_QUOTE", "STRATEGY_ERROR", "NO_SIGNAL", "BELOW_BREAK_EVEN", "DAILY_LOSS", "DRAWDOWN", "NOT_LEADER"),
    *("NOT_WANTED", "BASE_BALANCE", "QUOTE_BALANCE", "MARGIN", "BALANCE_UNKNOWN", "EXCHANGE_REJECTED"),
)

VENUE: Final = Label("venue")  # the exchange's name: one a process, so it is known from the start
SYMBOL: Final = Label("symbol", most=64)
SIDE: Final = Label("side", ("buy", "sell"))
STAGE: Final = Label("stage", STAGES)
OUTCOME: Final = Label("outcome", OUTCOMES)
REFUSAL: Final = Label("reason", known=REFUSALS, most=48)
LIMIT: Final = Label("limit", LIMITS)
MARKET: Final = Label("feed", FEEDS[:1])  # the only one that always talks: silence of the others says nothing

CAUSE_GROUPS: Final[dict[str, str]] = {
    **dict.fromkeys(("losing_round_trips", "loss_rate", "drawdown", "drawdown_limit", "daily_loss"), "pnl"),
    "position": "position",
    "reject_rate": "rate",
    **dict.fromkeys(("order_errors", "order_latency", "price_move", "feed", "clock_skew"), "other"),
    **dict.fromkeys(("reconciliation", "mismatch", "repeated_opens", "sentinel", "operator"), "other"),
}
"""By cause of ``mm_circuit_breaker_trips_total``: pnl, position, rate or other, as panels and reports add them up."""
RATE_REFUSALS: Final = ("ORDER_RATE",)
"""Reasons of ``mm_quotes_refused_total`` that count as ``rate`` beside the trips: nothing trips where a quote waits."""
