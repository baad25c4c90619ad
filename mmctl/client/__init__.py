"""Reads an engine from outside: HTTP over the host's transport, metrics text, and the age of every number."""
