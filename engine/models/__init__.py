"""Models: what the market may do next, and what to quote against it."""
