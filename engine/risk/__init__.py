"""Risk: the circuit breaker, the limits, what combines them, and the sentinel's decisions. No I/O, no clock."""
