"""Hostile schedules for the whole engine: its code and the sandbox's; only time, disk and wires are made up."""
