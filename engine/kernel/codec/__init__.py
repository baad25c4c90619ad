"""Bytes to numbers and back: the exchange's frames read, its requests written and signed, recordings taken in."""
