"""The way of a tick: a frame into the book, the gate, the decision, its requests; and what keeps that way warm."""
