"""MicroPython's release for a chip: one file with bootloader, partition table and program.

It begins where the chip looks for its bootloader, so that the first byte of the file lies at the
chip's bootloader offset in flash.
"""

from dataclasses import dataclass

from motekit.board import Board
from motekit.chips import Chip
from motekit.flash import filesystem, image, partitions
from motekit.flash.image import ImageError

APP_OFFSET = 0x1_0000


@dataclass(frozen=True)
class Release:
    """The two programs of a release, checked."""

    chip: Chip
    bootloader: bytes
    app: bytes


@dataclass(frozen=True)
class Region:
    """A piece of flash and what it shall hold; shorter than the piece: the rest stays erased."""

    name: str
    offset: int
    data: bytes


def read(data: bytes, chip: Chip, where: str = "image") -> Release:
    """Check a release as far as the chip would; raise ImageError for one it would not start."""
    boot = image.read(data, 0, f"{where}: bootloader")
    if boot.chip != chip.name:
        raise ImageError(
            f"{where}: is for an {boot.chip}, the board has an {chip.name};"
            f" {chip.micropython} is the build to get"
        )
    start = partitions.TABLE_OFFSET - chip.bootloader_offset
    entries = partitions.read(data[start : start + partitions.TABLE_BYTES], f"{where}: table")
    app = next((each for each in entries if each.type == partitions.APP), None)
    if app is None:
        raise ImageError(f"{where}: its table has no partition with a program")
    at = app.offset - chip.bootloader_offset
    program = image.read(data, at, f"{where}: program")
    if program.chip != chip.name:
        raise ImageError(f"{where}: its program is for an {program.chip}, not an {chip.name}")
    return Release(chip, data[: boot.size], data[at : at + program.size])


def build(chip: Chip, bootloader: bytes, app: bytes) -> bytes:
    """Return a release made of two images, with a table of one program as MicroPython's has."""
    entries = (
        partitions.Entry("nvs", partitions.DATA, 0x02, 0x9000, 0x6000),
        partitions.Entry("phy_init", partitions.DATA, 0x01, 0xF000, 0x1000),
        partitions.Entry("factory", partitions.APP, 0x00, APP_OFFSET, 0x1F_0000),
    )
    made = bytearray(b"\xff" * (APP_OFFSET - chip.bootloader_offset)) + app
    made[: len(bootloader)] = bootloader
    table = partitions.TABLE_OFFSET - chip.bootloader_offset
    made[table : table + partitions.TABLE_BYTES] = partitions.build(entries)
    return bytes(made)


def regions(board: Board, release: Release, files: dict[str, bytes]) -> tuple[Region, ...]:
    """Return all that an erased flash must hold for a board to run MicroPython with these files.

    The table is the board's own, so the program goes to the first partition for programs, and the
    files to `vfs`. To be written in this order: what has a table has all the rest.

    Raises ImageError or FilesystemError for what does not fit.
    """
    entries = partitions.of_board(board)
    app = next(each for each in entries if each.type == partitions.APP)
    vfs = next(each for each in entries if each.label == "vfs")
    if len(release.app) > app.size:
        raise ImageError(
            f"{board.name}: the program has {len(release.app):,} bytes, partition {app.label}"
            f" {app.size:,}"
        )
    room = partitions.TABLE_OFFSET - board.chip.bootloader_offset
    if len(release.bootloader) > room:
        size = len(release.bootloader)
        raise ImageError(f"{board.name}: the bootloader has {size:,} bytes, room is for {room:,}")
    return (
        Region("vfs", vfs.offset, filesystem.build(files, vfs.size).rstrip(b"\xff")),
        Region(app.label, app.offset, release.app),
        Region("bootloader", board.chip.bootloader_offset, release.bootloader),
        Region("partition table", partitions.TABLE_OFFSET, partitions.build(entries)),
    )
