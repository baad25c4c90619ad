"""The figures that matter most, side by side: a label above, the value below, as many as the width holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmctl.tui.draw.canvas import Line, Lines


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. The first tiles matter most: they stay when there is no room for all."""

    label: str
    value: str
    style: str = ""


def draw(tiles: Sequence[Tile], width: int, height: int = 2) -> Lines:
    """Two lines of tiles, or four and more where the height allows and they would not fit otherwise."""
    lines: Lines = []
    left = list(tiles)
    for _ in range(max(1, height // 2)):
        shown = _fitting(left, width)
        if not shown:
            break
        lines += _row(shown, width)
        left = left[len(shown) :]
    return lines


def _cells(tile: Tile) -> int:
    return max(len(tile.label), len(tile.value))


def _fitting(tiles: Sequence[Tile], width: int) -> Sequence[Tile]:
    used = 0
    for index, tile in enumerate(tiles):
        used += _cells(tile) + (2 if index else 0)
        if used > width:
            return tiles[:index]
    return tiles


def _row(tiles: Sequence[Tile], width: int) -> Lines:
    """What is left of the width stands evenly between the tiles."""
    spare = width - sum(_cells(tile) for tile in tiles)
    between = min(8, spare // max(1, len(tiles) - 1)) if len(tiles) > 1 else 0
    above: Line = []
    below: Line = []
    for tile in tiles:
        cells = _cells(tile) + (between if tile is not tiles[-1] else 0)
        above.append((tile.label.ljust(cells), "dim"))
        below.append((tile.value.ljust(cells), tile.style or "strong"))
    return [above, below]
