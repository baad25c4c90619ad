"""The journal: what happened, durable, on SQLite or PostgreSQL. Importing this loads neither."""

from engine.store.backend import BadRecord, Restart, StoreError, StoreLost
from engine.store.journal import Journal, JournalStats
from engine.store.opening import open_journal
from engine.store.records import (
    ConfigChangeRecord,
    DecisionRecord,
    FillRecord,
    OrderRecord,
    PnlRecord,
    PositionRecord,
    RiskEventRecord,
    StateRecord,
)

__all__ = [
    "BadRecord",
    "ConfigChangeRecord",
    "DecisionRecord",
    "FillRecord",
    "Journal",
    "JournalStats",
    "OrderRecord",
    "PnlRecord",
    "PositionRecord",
    "Restart",
    "RiskEventRecord",
    "StateRecord",
    "StoreError",
    "StoreLost",
    "open_journal",
]
