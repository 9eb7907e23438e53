"""A sealed run of packets as one blob, from which each comes back as it was.

    u8 layout (1) | u32 packets | u32 size | zlib(prefixes), `size` bytes | rests of the packets

A prefix is a packet's length (u16 little-endian, top bit set where it was verified) and its first
16 bytes, about its header; the rest is what follows. Prefixes are laid out by column (the first
byte of all packets, then the second...), and each byte less the one before, modulo 256.

Bodies are entropy-coded already, and a general compressor hardly finds anything in them; headers
of one stream differ by little. Of recorded accelerations, 128 x 3 a packet, 0.571 bytes a value
become 0.536; zlib makes it 0.554, zstd -19 0.551, Parquet (DELTA_BINARY_PACKED, zstd, values
alone) 0.590. Of a climate recording, 240 x 3: 0.489, 0.474; 0.479, 0.479, 0.602. So packets it is,
as they came, and no dependency. `python -m tests.bench store` prints these columns.
"""

import struct
import zlib
from collections.abc import Sequence

from motekit.errors import StoreError

LAYOUT = 1
PREFIX_BYTES = 16  # a packet has more
_HEAD = struct.Struct("<BII")
_COLUMNS = 2 + PREFIX_BYTES
_VERIFIED = 0x8000
_PREFIXES_MAX = _COLUMNS << 20  # what a damaged blob may unpack to


def _difference(data: bytes) -> bytes:
    """Return each byte less the one before it, all at once: an integer's bytes are the lanes."""
    mask = (1 << 8 * len(data)) - 1
    low = mask // 0xFF * 0x7F
    x = int.from_bytes(data, "little")
    y = x << 8 & mask
    # the top bit of a lane is set aside, so that no lane borrows from the next
    return (((x | mask ^ low) - (y & low)) ^ (x ^ ~y) & (mask ^ low)).to_bytes(len(data), "little")


def _accumulate(data: bytes) -> bytes:
    """Undo `_difference`: sums over 1, 2, 4... bytes."""
    mask = (1 << 8 * len(data)) - 1
    low = mask // 0xFF * 0x7F
    x = int.from_bytes(data, "little")
    step = 1
    while step < len(data):
        y = x << 8 * step & mask
        x = ((x & low) + (y & low)) ^ (x ^ y) & (mask ^ low)
        step *= 2
    return x.to_bytes(len(data), "little")


def pack(packets: Sequence[tuple[bool, bytes]]) -> bytes:
    """Return the blob of (verified, packet) pairs, whose order it keeps."""
    lengths = [len(data) | (_VERIFIED if verified else 0) for verified, data in packets]
    packed = struct.pack(f"<{len(lengths)}H", *lengths)
    columns = [packed[::2], packed[1::2]]
    heads = b"".join([data[:PREFIX_BYTES] for _, data in packets])
    columns += [heads[i::PREFIX_BYTES] for i in range(PREFIX_BYTES)]
    prefixes = zlib.compress(_difference(b"".join(columns)), 6)
    rests = [data[PREFIX_BYTES:] for _, data in packets]
    return b"".join([_HEAD.pack(LAYOUT, len(packets), len(prefixes)), prefixes, *rests])


def unpack(blob: bytes) -> list[tuple[bool, bytes]]:
    """Return the (verified, packet) pairs of a blob; StoreError if it is none."""
    try:
        layout, count, size = _HEAD.unpack_from(blob)
        if layout != LAYOUT:
            raise StoreError(f"segment: layout {layout}, {LAYOUT} expected")
        inflate = zlib.decompressobj()
        columns = inflate.decompress(blob[_HEAD.size : _HEAD.size + size], _PREFIXES_MAX)
    except (struct.error, zlib.error) as e:
        raise StoreError(f"segment: damaged ({e})") from e
    if len(columns) != count * _COLUMNS:
        raise StoreError(f"segment: damaged, {len(columns)} bytes of prefixes for {count} packets")
    return _join(_accumulate(columns), count, blob, _HEAD.size + size)


def _join(columns: bytes, count: int, blob: bytes, at: int) -> list[tuple[bool, bytes]]:
    heads = bytearray(PREFIX_BYTES * count)
    for i in range(PREFIX_BYTES):
        heads[i::PREFIX_BYTES] = columns[(2 + i) * count : (3 + i) * count]
    packets: list[tuple[bool, bytes]] = []
    for i in range(count):
        length = columns[i] | columns[count + i] << 8
        end = at + (length & ~_VERIFIED) - PREFIX_BYTES
        head = heads[PREFIX_BYTES * i : PREFIX_BYTES * (i + 1)]
        packets.append((length >= _VERIFIED, bytes(head) + blob[at:end]))
        at = end
    if at != len(blob):
        raise StoreError(f"segment: damaged, {len(blob)} bytes, {at} expected")
    return packets
