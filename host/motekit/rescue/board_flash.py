"""What is in a chip's flash, as the chip would judge it at boot."""

from typing import Protocol

from motekit.chips import CHIPS
from motekit.flash import image, partitions
from motekit.flash.image import ImageError
from motekit.rescue.evidence import Flash

HEAD_BYTES = partitions.TABLE_OFFSET + partitions.TABLE_BYTES
_APP_HEAD_BYTES = 0x1000


class Readable(Protocol):
    """A flash that can be read, as `Esptool` does."""

    def read(self, offset: int, size: int) -> bytes:
        """Return a piece of flash."""
        ...


def examine(tool: Readable, chip: str, head: bytes) -> Flash:
    """Return what is in flash, as the chip would judge it at boot; EsptoolError.

    `head` is its beginning, HEAD_BYTES long: bootloader and partition table.
    """
    start = CHIPS[chip].bootloader_offset
    boot, table = head[start : partitions.TABLE_OFFSET], head[-partitions.TABLE_BYTES :]
    if not head.strip(b"\xff"):
        return Flash(blank=True)
    boot_fault, other = judge(boot, chip)
    try:
        entries = partitions.read(table)
    except partitions.TableError as e:
        fault = str(e) if table.strip(b"\xff") else "blank"
        where, size = partitions.ELSEWHERE_OFFSET, partitions.ELSEWHERE_BYTES
        if fault == "blank" and (found := partitions.elsewhere(tool.read(where, size))):
            return Flash(False, boot_fault, found[1], "", "", other)
        return Flash(False, boot_fault, (), fault, "", other)
    app = next((each for each in entries if each.type == partitions.APP), None)
    if app is None:
        return Flash(False, boot_fault, entries, "has no partition with a program", "", other)
    begin = tool.read(app.offset, _APP_HEAD_BYTES)
    app_fault, app_chip = judge(begin, chip, whole=False)
    if not (boot_fault or app_fault):
        app_fault, app_chip = judge(tool.read(app.offset, app.size), chip)
    return Flash(False, boot_fault, entries, "", app_fault, other or app_chip)


def judge(data: bytes, chip: str, *, whole: bool = True) -> tuple[str, str]:
    """Return (what is wrong with an image, the chip that it is for if that is another)."""
    if not data.strip(b"\xff"):
        return "blank", ""
    try:
        of = image.chip_of(data)
    except ImageError as e:
        return str(e).removeprefix("image: "), ""
    if of != chip:
        return f"is for an {of}", of
    if not whole:
        return "", ""
    try:
        image.read(data)
    except ImageError as e:
        return str(e).removeprefix("image: "), ""
    return "", ""
