"""Executable images of Espressif chips: what the boot ROM checks before it starts one.

Ref: esptool documentation, "Firmware Image Format"; ESP-IDF, `esp_app_format.h`.

    0   magic 0xE9 | segments u8 | flash mode u8 | flash size and clock u8 | entry u32
    8   extended header, 16 bytes: chip id u16 at 12, "SHA-256 follows" u8 at 23
    24  segments: load address u32, length u32, data
    ..  zeros, then the XOR of all data and 0xEF as the last byte of a group of 16
    ..  SHA-256 of everything before it, if announced
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from motekit.chips import CHIPS
from motekit.errors import MotekitError

MAGIC = 0xE9
HEADER_BYTES = 24
SEGMENTS_MAX = 16
ERASED = 0xFF
_CHECKSUM_SEED = 0xEF
_ALIGN_BYTES = 16
_SHA_BYTES = 32
_HEAD = struct.Struct("<BBBBI")
_SEGMENT = struct.Struct("<II")
_CHIP_AT = 12
HASH_AT = 23


class ImageError(MotekitError):
    """An image that no chip would start, or that is another chip's."""


@dataclass(frozen=True)
class Image:
    """A checked image: the chip it is for, its entry address, its size with checksum and hash."""

    chip: str
    entry: int
    segments: tuple[tuple[int, int], ...]  # load address, bytes
    size: int
    hashed: bool


def read(data: bytes, offset: int = 0, where: str = "image") -> Image:
    """Check the image that begins at an offset as the boot ROM would; raise ImageError if bad."""
    count, entry = _head(data, offset, where)
    if not 0 < count <= SEGMENTS_MAX:
        raise ImageError(f"{where}: {count} segments, 1 to {SEGMENTS_MAX} expected")
    segments, at, checksum = _segments(data, offset, count, where)
    at += _ALIGN_BYTES - (at - offset) % _ALIGN_BYTES  # at least one byte, for the checksum
    if at > len(data):
        raise ImageError(f"{where}: ends before its checksum (truncated download?)")
    if data[at - 1] != checksum:
        raise ImageError(
            f"{where}: checksum is 0x{data[at - 1]:02x}, its data give 0x{checksum:02x} (damaged)"
        )
    hashed = data[offset + HASH_AT] == 1
    if hashed:
        _check_hash(data, offset, at, where)
        at += _SHA_BYTES
    return Image(_chip(data, offset, where), entry, segments, at - offset, hashed)


def _head(data: bytes, offset: int, where: str) -> tuple[int, int]:
    """Return the number of segments and the entry address."""
    if len(data) - offset < HEADER_BYTES:
        raise ImageError(f"{where}: ends after {max(len(data) - offset, 0)} bytes, no image")
    magic, count, _, _, entry = _HEAD.unpack_from(data, offset)
    if magic != MAGIC:
        raise ImageError(f"{where}: begins with 0x{magic:02x}, not 0xe9: no image of an ESP chip")
    return count, entry


def chip_of(head: bytes, where: str = "image") -> str:
    """Return the name of the chip that an image is for, by its first bytes; or ImageError."""
    _head(head, 0, where)
    return _chip(head, 0, where)


def _segments(
    data: bytes, offset: int, count: int, where: str
) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Return the segments, where they end, and the XOR of their data."""
    found: list[tuple[int, int]] = []
    at = offset + HEADER_BYTES
    checksum = _CHECKSUM_SEED
    for number in range(count):
        if at + _SEGMENT.size > len(data):
            raise ImageError(f"{where}: ends before segment {number} (truncated download?)")
        address, size = _SEGMENT.unpack_from(data, at)
        at += _SEGMENT.size
        if size > len(data) - at:
            raise ImageError(
                f"{where}: segment {number} has {size} bytes, {len(data) - at} are there"
                " (truncated download?)"
            )
        checksum = xor(data[at : at + size], checksum)
        at += size
        found.append((address, size))
    return tuple(found), at, checksum


def xor(data: bytes, start: int = _CHECKSUM_SEED) -> int:
    """Return the checksum of data, the XOR of its bytes; `start` is that of what is before."""
    whole = len(data) & ~7
    words = 0
    for word in memoryview(data[:whole]).cast("Q"):
        words ^= word
    for byte in words.to_bytes(8, "little") + data[whole:]:
        start ^= byte
    return start


def _check_hash(data: bytes, offset: int, at: int, where: str) -> None:
    expected = hashlib.sha256(data[offset:at]).digest()
    if data[at : at + _SHA_BYTES] != expected:
        raise ImageError(f"{where}: its SHA-256 does not match its content (damaged)")


def _chip(data: bytes, offset: int, where: str) -> str:
    (number,) = struct.unpack_from("<H", data, offset + _CHIP_AT)
    for chip in CHIPS.values():
        if chip.image_id == number:
            return chip.name
    raise ImageError(f"{where}: for the chip with id {number}, which motekit does not know")


def build(chip: str, entry: int, segments: Iterable[tuple[int, bytes]]) -> bytes:
    """Return an image with checksum and SHA-256, as `read` takes it; segments: (address, data)."""
    parts = tuple(segments)
    head = _HEAD.pack(MAGIC, len(parts), 2, 0x20, entry)
    extended = struct.pack("<B3xH9xB", 0xEE, CHIPS[chip].image_id, 1)
    body = b"".join(_SEGMENT.pack(address, len(data)) + data for address, data in parts)
    made = head + extended + body
    checksum = xor(b"".join(data for _, data in parts))
    made += bytes(_ALIGN_BYTES - 1 - len(made) % _ALIGN_BYTES) + bytes([checksum])
    return made + hashlib.sha256(made).digest()
