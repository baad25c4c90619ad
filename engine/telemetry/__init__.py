"""What the engine tells: metrics, state over HTTP, logs and latencies. It decides nothing."""
