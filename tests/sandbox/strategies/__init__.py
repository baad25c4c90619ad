"""Strategies drawn at random, hostile each in its own way, in a backtest and live on the sandbox."""
