"""A stand-in for MicroPython's release: as long, as compressible and as valid, but no program.

A virtual chip checks it as the ROM would check the real one and then starts the VM; so tests need
neither a network nor somebody else's binary.
"""

import hashlib

from motekit.chips import Chip
from motekit.flash import image, merged

BOOTLOADER_BYTES = 18_000
APP_BYTES = 1_600_000
_ADDRESSES = (0x3F40_0000, 0x4008_0000)


def release(chip: Chip, version: str = "1.28.0", app_bytes: int = APP_BYTES) -> bytes:
    """Return an image file of a version; another version differs in a third of its bytes."""
    boot = image.build(
        chip.name, _ADDRESSES[1], [(_ADDRESSES[0], _bytes("boot", BOOTLOADER_BYTES))]
    )
    same = _bytes(chip.name, app_bytes * 2 // 3)
    news = _bytes(f"{chip.name} {version}", app_bytes // 3)
    app = image.build(chip.name, _ADDRESSES[1], list(zip(_ADDRESSES, (same, news), strict=True)))
    return merged.build(chip, boot, app)


def _bytes(seed: str, size: int) -> bytes:
    """Return bytes of which two thirds are left when they are compressed, as of a program."""
    noise = hashlib.shake_256(seed.encode()).digest(size)
    return bytes(each if i % 64 < 40 else 0x42 for i, each in enumerate(noise))
