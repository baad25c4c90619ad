"""A simulated account in integers: profit and loss of a symbol, and the balances that bound its quotes."""
