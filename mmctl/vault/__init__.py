"""Backups: make, verify, list, restore and prune."""
