"""The recorder: the market as it came, in files that a backtest takes as they are."""
