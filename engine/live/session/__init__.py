"""The session of one epoch: what it is put together of, its gate and timers, the marks and rivals it looks for."""
