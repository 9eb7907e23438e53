"""What a chip does with its flash at power-on: find a program that is whole, and its files.

Ref: ESP-IDF documentation, "Application Startup Flow": the ROM loads the bootloader, which reads
the partition table and loads the program.
"""

from typing import NamedTuple

from motekit.chips import Chip
from motekit.flash import image, partitions
from motekit.flash.image import ImageError
from motekit.flash.partitions import TableError
from motekit.sim.loader.nor import Nor


class Boot(NamedTuple):
    """Where the files of a program that starts are: offset and size of the partition `vfs`."""

    vfs_offset: int
    vfs_bytes: int


class NoBootError(Exception):
    """What is in flash does not start; the text is what the chip says on its line."""


def check(chip: Chip, flash: Nor) -> Boot:
    """Check bootloader, table and program as the chip does; NoBootError if it would not start."""
    start = chip.bootloader_offset
    head = int.from_bytes(flash.read(start, 4), "little")
    try:
        _program(chip, flash, start, partitions.TABLE_OFFSET - start)
    except ImageError as e:
        raise NoBootError(f"invalid header: 0x{head:08x}\r\n") from e
    try:
        entries = partitions.read(flash.read(partitions.TABLE_OFFSET, partitions.TABLE_BYTES))
        app = next(each for each in entries if each.type == partitions.APP)
        vfs = partitions.of_files(entries, flash.size_bytes)
    except (TableError, StopIteration) as e:
        raise NoBootError("E (30) boot: Failed to verify partition table\r\n") from e
    try:
        _program(chip, flash, app.offset, app.size)
    except (ImageError, ValueError) as e:
        raise NoBootError("E (45) boot: OTA app partition slot is not bootable\r\n") from e
    if vfs is None or vfs.offset + vfs.size > flash.size_bytes:
        raise NoBootError("E (50) vfs: partition lies outside of the flash\r\n")
    return Boot(vfs.offset, vfs.size)


def _program(chip: Chip, flash: Nor, offset: int, size: int) -> None:
    found = image.read(flash.read(offset, size))
    if found.chip != chip.name:
        raise ImageError(f"for an {found.chip}")


def banner(chip: Chip, *, loader: bool, why: str = "0x1 (POWERON)") -> bytes:
    """Return what the ROM says when it starts."""
    mode = "waiting for download\r\n" if loader else ""
    how = "0x5 (DOWNLOAD(USB/UART0))" if loader else "0xd (SPI_FAST_FLASH_BOOT)"
    return f"ESP-ROM:{chip.name}\r\nrst:{why},boot:{how}\r\n{mode}".encode()
