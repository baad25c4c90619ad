"""The operator's side: hosts, releases and people. Never quotes."""

__version__ = "0.1.0"
