"""Market data: recordings, their checks and their columns."""
