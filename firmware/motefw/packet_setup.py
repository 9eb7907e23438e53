"""What is asked of the encoder once: which kernel runs here, how many samples a packet takes.

A board loads this at boot and lets it go.
"""

from .compat import const
from .crc import crc32
from .errors import PacketError
from .keys import TAG_BYTES
from .packet import Block, encode
from .packet_write import MAX_HEADER_BYTES, MAX_PACKET_BYTES, MAX_SAMPLES

_DESCRIPTOR_MAX_BYTES = const(24)
_VECTOR_CRC = const(3120419458)


def capacity(channels, bits=32):
    """Return how many samples always fit into a packet; `bits` is the spread of their values."""
    reserve = MAX_HEADER_BYTES + TAG_BYTES
    reserve += _DESCRIPTOR_MAX_BYTES * channels + 2
    return min(MAX_SAMPLES, 8 * (MAX_PACKET_BYTES - reserve) // (channels * bits))


def _word(_address, register, data):
    for i in range(len(data)):
        data[i] = data[i] * 5 + register + 99 * i & 0xFF


def _vector(kernel):
    """Return the CRC of packets that take every path of a kernel."""
    out = bytearray(1400)
    total = 0
    x = 12345
    block = Block(6, 72, kernel=kernel)
    columns = block.columns
    block.count = 72
    for scale in (0, 2, 8, 15):
        wave, before, slope, curve, walk = 700, 100, 0, 0, 0
        for i in range(72):
            x = (x * 5 + 0x3C6F) & 0xFFFF
            wave, before = (wave * 13 >> 3) - before + (x >> 13), wave
            slope += (x >> 14) - 1
            curve += slope
            walk = walk + ((x >> 12) - 7 << scale) & 0x1FFFFF
            columns[0][i] = wave
            columns[1][i] = curve << scale
            columns[2][i] = i // 9 * 5 + (x >> 15 << scale)
            columns[3][i] = (x >> 1 << scale) - (1 << scale + 8)
            columns[4][i] = (x * 77 & 0x7FF) + (x >> 5 & 0x7FF) - (x >> 3 & 0x7FF)
            columns[5][i] = walk << (8 if scale == 2 else 0)
        n = encode(out, 0, 0, 0, 0, 0, 0, 0, block, kernel)
        total = crc32(memoryview(out)[:n], total)
    for code, spread in (("h", 0x3FF), ("H", 0xFFFF)):
        narrow = Block(1, 71, False, code, kernel)
        few = Block(2, 9, False, "i" if code == "H" else code, kernel)
        kernel.burst(_word, 0, 7, bytearray(4), int(code == "h"), 3, 9, few)
        for column in few.columns:
            total = crc32(column, total)
        narrow.count = 71
        for i in range(71):
            narrow.columns[0][i] = (columns[4][i] & spread) - (0 if code == "H" else 500)
        n = encode(out, 0, 0, 0, 0, 0, 0, 0, narrow, kernel)
        total = crc32(memoryview(out)[:n], total)
    return total


def select_kernel():
    """Return ("viper", kernel) if it runs here and gives the right bytes, or ("plain", kernel)."""
    try:
        from . import packet_viper

        if _vector(packet_viper) == _VECTOR_CRC:
            return "viper", packet_viper
    except (ImportError, ValueError, MemoryError, PacketError):
        pass  # ValueError: of another architecture; MemoryError: no room for machine code
    from . import packet_plain

    return "plain", packet_plain
