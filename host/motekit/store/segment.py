"""A sealed run of packets as one blob.

    u8 layout (1) | u32 packets | zlib(lengths | packets)

A length is a u16, its top bit set where the packet was verified. Little-endian.
"""

import struct
import zlib
from collections.abc import Sequence

from ..errors import StoreError

LAYOUT = 1
_HEAD = struct.Struct("<BI")
_VERIFIED = 0x8000


def pack(packets: Sequence[tuple[bool, bytes]]) -> bytes:
    """Return the blob of (verified, packet) pairs, whose order it keeps."""
    lengths = [len(data) | (_VERIFIED if verified else 0) for verified, data in packets]
    body = struct.pack(f"<{len(lengths)}H", *lengths) + b"".join(data for _, data in packets)
    return _HEAD.pack(LAYOUT, len(packets)) + zlib.compress(body, 6)


def unpack(blob: bytes) -> list[tuple[bool, bytes]]:
    """Return the (verified, packet) pairs of a blob; StoreError if it is none."""
    try:
        layout, count = _HEAD.unpack_from(blob)
        if layout != LAYOUT:
            raise StoreError(f"segment: layout {layout}, {LAYOUT} expected")
        body = zlib.decompress(memoryview(blob)[_HEAD.size :])
        lengths = struct.unpack_from(f"<{count}H", body)
    except (struct.error, zlib.error) as e:
        raise StoreError(f"segment: damaged ({e})") from e
    at = 2 * count
    packets: list[tuple[bool, bytes]] = []
    for length in lengths:
        end = at + (length & ~_VERIFIED)
        packets.append((length >= _VERIFIED, body[at:end]))
        at = end
    if at != len(body):
        raise StoreError(f"segment: damaged, {len(body)} bytes, {at} expected")
    return packets
