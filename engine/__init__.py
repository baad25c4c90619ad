"""The market-making engine: one numba kernel, and the daemon, sandbox and backtest that drive it."""

__version__ = "0.1.0"
