"""The simulated exchange and the backtest's inner loop: matching, queue position, latencies, two clocks."""
