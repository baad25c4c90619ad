"""A user's strategy in a process that can be killed, and what it is doing, seen from another process."""
