"""Block letters for a terminal that is read from across the room.

A pixel is half a character high; `scale` pixels make one of the letter. On a usual screen a letter
of scale 1 is about 12 mm high and one of scale 2 24 mm: enough for two metres and for four.
"""

from collections.abc import Sequence

ROWS = 5  # pixels of a letter
_GAP = 1
_BOTH, _UPPER, _LOWER, _NONE = "█", "▀", "▄", " "

# Rows of a letter from the top, a pixel where there is no dot.
_FONT = {
    "A": ".##. #..# #### #..# #..#",
    "B": "###. #..# ###. #..# ###.",
    "C": ".### #... #... #... .###",
    "D": "###. #..# #..# #..# ###.",
    "E": "#### #... ###. #... ####",
    "F": "#### #... ###. #... #...",
    "G": ".### #... #.## #..# .###",
    "H": "#..# #..# #### #..# #..#",
    "I": "### .#. .#. .#. ###",
    "J": "..## ...# ...# #..# .##.",
    "K": "#..# #.#. ##.. #.#. #..#",
    "L": "#... #... #... #... ####",
    "M": "#...# ##.## #.#.# #...# #...#",
    "N": "#..# ##.# #.## #..# #..#",
    "O": ".##. #..# #..# #..# .##.",
    "P": "###. #..# ###. #... #...",
    "Q": ".##. #..# #..# #.#. .#.#",
    "R": "###. #..# ###. #.#. #..#",
    "S": ".### #... .##. ...# ###.",
    "T": "##### ..#.. ..#.. ..#.. ..#..",
    "U": "#..# #..# #..# #..# .##.",
    "V": "#...# #...# #...# .#.#. ..#..",
    "W": "#...# #...# #.#.# ##.## #...#",
    "X": "#...# .#.#. ..#.. .#.#. #...#",
    "Y": "#...# .#.#. ..#.. ..#.. ..#..",
    "Z": "#### ...# .##. #... ####",
    "0": ".##. #..# #..# #..# .##.",
    "1": ".#. ##. .#. .#. ###",
    "2": "###. ...# .##. #... ####",
    "3": "###. ...# .##. ...# ###.",
    "4": "#..# #..# #### ...# ...#",
    "5": "#### #... ###. ...# ###.",
    "6": ".##. #... ###. #..# .##.",
    "7": "#### ...# ..#. .#.. .#..",
    "8": ".##. #..# .##. #..# .##.",
    "9": ".##. #..# .### ...# .##.",
    "%": "#..# ..#. .#.. #..# ....",
    "-": "... ... ### ... ...",
    ".": ". . . . #",
    ":": ". # . # .",
    "/": "...# ..#. ..#. .#.. #...",
    "+": "... .#. ### .#. ...",
    "?": "##. ..# .#. ... .#.",
    " ": ".. .. .. .. ..",
}


def width(text: str, scale: int = 1) -> int:
    """Return how many columns a text takes."""
    widths = [len(_glyph(each)[0]) for each in text]
    return scale * (sum(widths) + _GAP * max(len(widths) - 1, 0))


def height(scale: int = 1) -> int:
    """Return how many lines a text takes."""
    return (ROWS * scale + 1) // 2


def lines(text: str, scale: int = 1) -> list[str]:
    """Return a text as lines of blocks, all of one width; what has no letter becomes a "?"."""
    glyphs = [_glyph(each) for each in text]
    rows = [(_GAP * ".").join(glyph[row] for glyph in glyphs) for row in range(ROWS)]
    tall = [_wide(row, scale) for row in rows for _ in range(scale)]
    if len(tall) % 2:
        tall.append("." * len(tall[0]))
    return [_merge(upper, lower) for upper, lower in zip(tall[::2], tall[1::2], strict=True)]


def fitting(text: str, columns: int, rows: int, largest: int = 6) -> list[str]:
    """Return a text as large as fits into so many columns and lines; empty if none does."""
    for scale in range(largest, 0, -1):
        if width(text, scale) <= columns and height(scale) <= rows:
            return lines(text, scale)
    return []


def stacked(words: Sequence[str], columns: int, rows: int, largest: int = 6) -> list[str]:
    """Return words one under the other, all as large as fits; empty if they do not fit."""
    for scale in range(largest, 0, -1):
        apart = 1 - ROWS * scale % 2  # an odd number of pixels leaves half a line free
        tall = len(words) * (height(scale) + apart) - apart
        if tall <= rows and all(width(each, scale) <= columns for each in words):
            found = [line for each in words for line in [*lines(each, scale), *[""] * apart]]
            return found[:tall]
    return []


def _glyph(letter: str) -> list[str]:
    return _FONT.get(letter.upper(), _FONT["?"]).split()


def _wide(row: str, scale: int) -> str:
    return "".join(pixel * scale for pixel in row)


def _merge(upper: str, lower: str) -> str:
    """Return two rows of pixels as one line."""
    signs = {"##": _BOTH, "#.": _UPPER, ".#": _LOWER, "..": _NONE}
    return "".join(signs[above + below] for above, below in zip(upper, lower, strict=True))
