"""Strategies: one file each, one pure jitted function each, found by name through the registry."""
