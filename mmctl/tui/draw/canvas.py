"""Cells to draw on: braille dots (2 across, 4 down in a cell), characters over them, and what becomes of both."""

from typing import Final

#: A piece of a line and the name of its style ("" = the text's own); a line; all of a drawing.
Run = tuple[str, str]
Line = list[Run]
Lines = list[Line]

ACROSS: Final = 2
DOWN: Final = 4
_EMPTY: Final = 0x2800
#: Bit of each dot in a braille character, by column and row in its cell.
_BITS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


class Canvas:
    """``width`` x ``height`` cells. Dots count from the top left; what is outside is left out."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(0, width), max(0, height)
        self._dots = [[0] * self.width for _ in range(self.height)]
        self._styles = [[""] * self.width for _ in range(self.height)]
        self._chars: dict[tuple[int, int], Run] = {}
        self._ground: dict[tuple[int, int], Run] = {}

    def column(self, x: int, top: int, bottom: int, style: str) -> None:
        """Every dot of column ``x`` from ``top`` to ``bottom``, both included."""
        cell, bits = x // ACROSS, _BITS[x % ACROSS]
        if not 0 <= cell < self.width:
            return
        for y in range(max(0, top), min(self.height * DOWN - 1, bottom) + 1):
            row = y // DOWN
            self._dots[row][cell] |= bits[y % DOWN]
            self._styles[row][cell] = style

    def char(self, x: int, y: int, char: str, style: str) -> None:
        """One character in cell ``x``, ``y``, over whatever dots are there."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._chars[(x, y)] = (char, style)

    def ground(self, x: int, y: int, char: str, style: str) -> None:
        """One character that is seen only where neither dot nor character lies over it."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._ground[(x, y)] = (char, style)

    def line(self, y: int) -> Line:
        """Row ``y`` of cells, neighbours of one style together."""
        runs: Line = []
        text, style = "", ""
        for x in range(self.width):
            dots = self._dots[y][x]
            char, own = self._chars.get((x, y)) or (
                (chr(_EMPTY + dots), self._styles[y][x]) if dots else self._ground.get((x, y), (" ", ""))
            )
            if own != style and char != " ":
                if text:
                    runs.append((text, style))
                text, style = "", own
            text += char
        if text:
            runs.append((text, style))
        return runs


def length(line: Line) -> int:
    """Cells of a line; every character used here is one cell wide."""
    return sum(len(text) for text, _ in line)


def cut(line: Line, width: int) -> Line:
    """The line within ``width`` cells; what is too long ends with an ellipsis."""
    if length(line) <= width:
        return line
    kept: Line = []
    left = width - 1
    for text, style in line:
        kept.append((text[: max(0, left)], style))
        left -= len(text)
        if left <= 0:
            break
    return [*kept, ("…", "dim")] if width > 0 else []


def plain(lines: Lines) -> str:
    """The drawing as text alone."""
    return "\n".join("".join(text for text, _ in line) for line in lines)
