"""The screen of a station: a coloured tile for each port, words that are read from two metres.

Each tile says one thing large: PASS, FAIL and why, how far, or that the next board may come. A
port keeps its place on the screen, so that hub and screen can be seen as one.
"""

import re
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import set_cell_size
from rich.text import Text

from motekit.cli import letters
from motekit.plain import plain
from motekit.station.desk import Slot
from motekit.station.reasons import headline
from motekit.station.tally import Tally

_STYLES = {
    "passed": "bold white on rgb(0,105,45)",
    "already": "bold white on rgb(0,95,120)",
    "failed": "bold white on rgb(185,0,0)",
    "pulled": "bold black on rgb(230,190,0)",
    "busy": "bold white on rgb(35,50,120)",
    "waiting": "white on rgb(60,60,60)",
    "next": "rgb(120,120,120) on rgb(25,25,25)",
}
_WORDS = {"passed": "PASS", "already": "DONE", "pulled": "PULLED", "waiting": "WAIT"}
_HIGH = 30  # lines of a terminal from which on the counts are in block letters, too


class Counts(NamedTuple):
    """What stands above the tiles."""

    tally: Tally
    title: str
    note: str


class Grid:
    """Where the tiles are: places in their order, each kept once it was seen."""

    def __init__(self, places: Sequence[str] = ()) -> None:
        self._places = dict.fromkeys(places)

    def draw(self, slots: Sequence[Slot], counts: Counts, width: int, height: int) -> Text:
        """Return the whole screen."""
        self._places.update(dict.fromkeys(each.place for each in slots))
        there = {each.place: each for each in slots}
        head = _head(counts, width, height)
        places = sorted(self._places, key=_natural)
        lines = [*head, *_tiles(places, there, width, height - len(head))]
        return Text("\n").join(lines[:height])


def _tiles(places: Sequence[str], there: dict[str, Slot], width: int, height: int) -> list[Text]:
    if not places:
        return [Text("no board yet: plug one in", style="bold")]
    columns = _columns(len(places), width, height)
    rows = -(-len(places) // columns)
    tile_width = (width - columns + 1) // columns
    tile_height = max((height - rows + 1) // rows, 1)
    found: list[Text] = []
    for at in range(0, len(places), columns):
        tiles = [
            _tile(place, there.get(place), tile_width, tile_height)
            for place in places[at : at + columns]
        ]
        found += [Text(" ").join(line) for line in zip(*tiles, strict=True)]
        found.append(Text(""))
    return found[:-1]


def _columns(count: int, width: int, height: int) -> int:
    """Return in how many columns the largest letters fit."""

    def score(columns: int) -> tuple[int, int, int]:
        rows = -(-count // columns)
        wide, high = (width - columns + 1) // columns, (height - rows + 1) // rows
        fail = len(letters.stacked(("FAIL", "WRONG"), wide, high - 1))
        word = len(letters.fitting("PASS", wide, high - 1))
        return fail, word, -abs(wide - 4 * high)

    return max(range(1, count + 1), key=score)


def _tile(place: str, slot: Slot | None, width: int, height: int) -> list[Text]:
    """Return a tile as lines of one width."""
    state = slot.state if slot else "next"
    room = height - 1
    block = _block(slot, width, room)
    text = _text(slot, width - 2, room - len(block))
    if not block:
        text = [_word(slot), *text]
    gap = max(room - len(block) - len(text), 0)
    lines = [_title(place, slot), *[""] * (gap // 2), *block, *text]
    return [
        Text(_padded(plain(line), width), style=_STYLES[state])
        for line, _ in zip_longest(lines[:height], range(height), fillvalue="")
    ]


def _title(place: str, slot: Slot | None) -> str:
    if slot is None:
        return place
    if slot.state == "failed":
        return f"{place} {headline(slot.step, slot.why)} {slot.device}"
    return f"{place} {slot.name or slot.device}"


def _block(slot: Slot | None, width: int, height: int) -> list[str]:
    """Return what is said large."""
    word = _word(slot)
    if slot is None:
        return letters.fitting(word, width, height, 1)
    more: list[list[str]] = []
    if slot.state == "failed":
        why = headline(slot.step, slot.why).split()
        more = [why, [" ".join(why)], why[-1:]]
    elif slot.state in ("passed", "already") and slot.name:
        more = [[slot.name]]
    for each in more:
        if lines := letters.stacked([word, *each], width, height):
            return lines
    return letters.fitting(word, width, max(height - 1, letters.height()))


def _word(slot: Slot | None) -> str:
    if slot is None:
        return "NEXT"
    if slot.state == "busy":
        return f"{100 * slot.done // slot.total}%" if slot.total else "..."
    return _WORDS.get(slot.state, "FAIL")


def _text(slot: Slot | None, width: int, height: int) -> list[str]:
    """Return what is said small, as much of it as there is room for."""
    if slot is None:
        said = "next board please"
    elif slot.state == "failed":
        said = slot.why
    elif slot.state == "pulled":
        said = f"pulled while {slot.step}: plug it in again"
    elif slot.state == "busy":
        said = slot.step
    elif slot.state == "waiting":
        said = "waits for its turn"
    elif slot.state == "already":
        said = "was done before, next board please"
    else:
        said = f"{slot.seconds:.0f} s, next board please"
    return textwrap.wrap(said, max(width, 1))[: max(height, 0)]


def _padded(line: str, width: int) -> str:
    return set_cell_size(f" {line}" if len(line) < width else line, width)


def _head(counts: Counts, width: int, height: int) -> list[Text]:
    """Return the counts: large, where there is room for it."""
    tally = counts.tally
    share = "-" if tally.share is None else f"{100 * tally.share:.0f}%"
    seconds = "-" if tally.seconds is None else f"{tally.seconds:.0f} s"
    plain = (
        f"{tally.passed} passed  {tally.failed} failed  yield {share}  {seconds} a board"
        f"  {counts.title}  {counts.note}"
    )
    first = Text(set_cell_size(plain, width), style="bold")
    counted = f"{tally.passed} PASS  {tally.failed} FAIL"
    large = f"{counted}  YIELD {share}  {seconds} EACH"
    if letters.width(large) > width:
        large = f"{counted}  {share}  {seconds}"
    block = letters.fitting(large, width, 3) if height >= _HIGH else []
    if not block:
        return [first, Text("")]
    note = f"{counts.title}  {counts.note}"
    return [*map(Text, block), Text(set_cell_size(note, width), style="bold"), Text("")]


def _natural(place: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts tty2 before tty10."""
    parts = re.findall(r"\d+|\D+", place)
    return [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in parts]
