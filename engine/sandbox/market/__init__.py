"""The market: replayed or made from a seed, its book and tape, and the pump that plays it."""
