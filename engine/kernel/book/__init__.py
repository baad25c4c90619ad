"""The order book: its levels, the exchange's sequence rules, the joining of snapshot and diffs."""
