"""Backtests: the kernel driven by recorded data, what it earned, and whether that can be believed."""

from engine.compiled import use_cache

use_cache()  # before anything jitted is imported
