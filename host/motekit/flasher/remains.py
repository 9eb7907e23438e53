"""What lies in a flash that nothing starts from: a board that was erased by half may hold data.

Bootloader and table are what goes first when flash is erased from its beginning; files, and a log,
lie further on. The chip compares by hash, so that hardly anything comes over the line.
"""

from collections.abc import Sequence
from dataclasses import replace

from motekit.board import Board
from motekit.flash import partitions
from motekit.flash.merged import Region
from motekit.flash.partitions import SECTOR_BYTES, Entry
from motekit.flasher.esptool import Esptool

ELSEWHERE = "elsewhere"  # where a bootloader of another kind has its table
_WHAT = {"log": "a log", "vfs": "a file system"}
_TORN_MAX = 2  # sectors: one that was being written, one that was being erased


def used(tool: Esptool, board: Board) -> tuple[str, ...]:
    """Return which of ELSEWHERE and a board's log and files are not erased; EsptoolError."""
    start, size = partitions.ELSEWHERE_OFFSET, partitions.ELSEWHERE_BYTES
    elsewhere = Entry(ELSEWHERE, partitions.DATA, 0, start, size)
    places = (elsewhere, *_places(board).values())
    return tool.differing([Region(each.label, each.offset, _erased(each)) for each in places])


def found(tool: Esptool, board: Board, coming: Sequence[Region], labels: Sequence[str]) -> str:
    """Return what of those that are `used` may be somebody's, "" for nothing.

    What is on its way to be `coming` was left by a flash that was cut off, and is nobody's.
    Raises EsptoolError.
    """
    places = _places(board)
    wanted = {each.name: each.data for each in coming}
    return " and ".join(
        f"{_WHAT[label]} at 0x{places[label].offset:x}"
        for label in labels
        if label in places
        and not (label in wanted and _is_cut_off(tool, places[label], wanted[label]))
    )


def _places(board: Board) -> dict[str, Entry]:
    return {each.label: each for each in partitions.of_board(board) if each.label in _WHAT}


def _is_cut_off(tool: Esptool, place: Entry, data: bytes) -> bool:
    """Tell whether each sector is as it shall be, or erased, or was cut off in its writing."""
    whole = data.ljust(place.size, b"\xff")
    sectors = {
        str(at): Region(str(at), place.offset + at, whole[at : at + SECTOR_BYTES])
        for at in range(0, place.size, SECTOR_BYTES)
    }
    other = [sectors[name] for name in tool.differing([*sectors.values()])]
    torn = tool.differing([replace(each, data=b"\xff" * SECTOR_BYTES) for each in other])
    return len(torn) <= _TORN_MAX and all(_is_on_its_way(tool, sectors[name]) for name in torn)


def _is_on_its_way(tool: Esptool, sector: Region) -> bool:
    """Tell whether a sector can become what it shall be: writing only clears bits."""
    have, wanted = tool.read(sector.offset, SECTOR_BYTES), sector.data
    return int.from_bytes(have) & int.from_bytes(wanted) == int.from_bytes(wanted)


def _erased(place: Entry) -> bytes:
    return b"\xff" * place.size
