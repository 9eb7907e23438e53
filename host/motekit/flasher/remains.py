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

_WHAT = {"log": "a log", "vfs": "a file system"}
_TORN_MAX = 2  # sectors: one that was being written, one that was being erased


def found(tool: Esptool, board: Board, coming: Sequence[Region]) -> str:
    """Return what may be somebody's where a board has its log and files, "" for nothing.

    What is on its way to be `coming` was left by a flash that was cut off, and is nobody's.
    Raises EsptoolError.
    """
    places = {each.label: each for each in partitions.of_board(board) if each.label in _WHAT}
    used = tool.differing(
        [Region(each.label, each.offset, _erased(each)) for each in places.values()]
    )
    wanted = {each.name: each.data for each in coming}
    return " and ".join(
        f"{_WHAT[label]} at 0x{places[label].offset:x}"
        for label in used
        if label not in wanted or not _is_cut_off(tool, places[label], wanted[label])
    )


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
