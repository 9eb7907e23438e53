"""The partition table: made from a board file, read back from a chip.

Ref: ESP-IDF documentation, "Partition Tables"; types and labels that MicroPython looks for are
those of its ESP32 port, `partitions-4MiB.csv` and `partitions-8MiB-ota.csv`.

Entries of 32 bytes: magic 0xAA 0x50 | type u8 | subtype u8 | offset u32 | size u32 | label, 16
bytes | flags u32; then one of 0xEB 0xEB, 14 x 0xFF and the MD5 of all entries before it.
"""

import hashlib
import struct
from typing import NamedTuple

from motekit.board import Board
from motekit.errors import MotekitError

TABLE_OFFSET = 0x8000
TABLE_BYTES = 0xC00
APP, DATA = 0, 1
# Where else a bootloader may have been built to look (CONFIG_PARTITION_TABLE_OFFSET).
ELSEWHERE_OFFSET = 0x9000
ELSEWHERE_BYTES = 0x8000
SECTOR_BYTES = 0x1000
_MAGIC = b"\xaa\x50"
_MD5_MARK = b"\xeb\xeb" + b"\xff" * 14
_ENTRY = struct.Struct("<2sBBII16sI")
_NVS_OFFSET = 0x9000
_PHY = (DATA, 0x01, 0xF000, 0x1000)
_FACTORY, _OTA_0 = 0x00, 0x10
_OTA_DATA = (DATA, 0x00, 0xD000, 0x2000)
_UNDEFINED, _FAT = 0x06, 0x81


class TableError(MotekitError):
    """A partition table that is missing or damaged."""


class Entry(NamedTuple):
    """One partition; offset and size in bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int


def of_board(board: Board) -> tuple[Entry, ...]:
    """Return a board's partitions: what ESP-IDF needs, then those of its file.

    `vfs` is said explicitly: MicroPython adds one behind the last entry only if there is none.
    """
    two_apps = any(each.name == "app1" for each in board.partitions)
    nvs_end = _OTA_DATA[2] if two_apps else _PHY[2]
    found = [Entry("nvs", DATA, 0x02, _NVS_OFFSET, nvs_end - _NVS_OFFSET)]
    if two_apps:
        found.append(Entry("otadata", *_OTA_DATA))
    found.append(Entry("phy_init", *_PHY))
    kinds = {
        "app": ("factory", APP, _FACTORY),
        "app0": ("ota_0", APP, _OTA_0),
        "app1": ("ota_1", APP, _OTA_0 + 1),
        "log": ("log", DATA, _UNDEFINED),
        "vfs": ("vfs", DATA, _FAT),
    }
    found += [Entry(*kinds[each.name], each.offset, each.size) for each in board.partitions]
    return tuple(found)


def build(entries: tuple[Entry, ...]) -> bytes:
    """Return the table as it lies in flash, TABLE_BYTES long."""
    made = b"".join(
        _ENTRY.pack(
            _MAGIC, each.type, each.subtype, each.offset, each.size, each.label.encode(), 0
        )
        for each in entries
    )
    made += _MD5_MARK + hashlib.md5(made, usedforsecurity=False).digest()
    return made.ljust(TABLE_BYTES, b"\xff")


def read(data: bytes, where: str = "partition table") -> tuple[Entry, ...]:
    """Return the entries of a table; raise TableError for one that the bootloader would refuse."""
    found: list[Entry] = []
    for at in range(0, min(len(data), TABLE_BYTES) - _ENTRY.size + 1, _ENTRY.size):
        mark = data[at : at + 16]
        if mark == _MD5_MARK and found:
            if data[at + 16 : at + 32] != hashlib.md5(data[:at], usedforsecurity=False).digest():
                raise TableError(f"{where}: its MD5 does not match its entries (damaged)")
            return tuple(found)
        magic, kind, subtype, offset, size, label, _ = _ENTRY.unpack_from(data, at)
        if magic != _MAGIC:
            break
        text = label.rstrip(b"\0").decode("ascii", "replace")
        found.append(Entry(text, kind, subtype, offset, size))
    raise TableError(f"{where}: no table with an MD5 (blank or damaged flash?)")


def elsewhere(data: bytes) -> tuple[int, tuple[Entry, ...]] | None:
    """Return (offset, entries) of a table in a wrong place, None if none is whole.

    `data` is what lies from ELSEWHERE_OFFSET on.
    """
    for at in range(0, len(data), SECTOR_BYTES):
        if data[at : at + len(_MAGIC)] == _MAGIC:
            try:
                return ELSEWHERE_OFFSET + at, read(data[at : at + TABLE_BYTES])
            except TableError:
                continue
    return None


def cut_off(data: bytes, board: Board) -> bool:
    """Tell whether the writing of a board's table was cut off: what flash has is on its way there.

    Writing only clears bits of what was erased, so none is clear that stays set.
    """
    return all(have & bit == bit for have, bit in zip(data, build(of_board(board)), strict=False))


def find(entries: tuple[Entry, ...], label: str) -> Entry | None:
    """Return the partition of a label, None if there is none."""
    return next((each for each in entries if each.label == label), None)


def of_files(entries: tuple[Entry, ...], flash_bytes: int) -> Entry | None:
    """Return where MicroPython has its files; None if there is no room for any.

    Without a partition of a name that it looks for it takes what lies behind the last one.
    """
    named = find(entries, "vfs") or find(entries, "ffat")
    end = max((each.offset + each.size for each in entries), default=flash_bytes)
    if named or end >= flash_bytes:
        return named
    return Entry("vfs", DATA, _FAT, end, flash_bytes - end)
