"""Judges what was gathered from a host: health checks, gates and thresholds."""
