"""Drawings as text: charts, ladders, bars, tiles for a number of cells. Pure; styles are names, not colours."""
