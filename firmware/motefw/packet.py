"""Packets: what a board measured, in few bytes, each one whole in itself (SPEC.md, "Packet").

    header | body | tag of 8 bytes

This is the board's side: blocks of samples in, packets out. Reading bodies back is in
`packet_decode`, which a board never loads.
"""

from array import array

from . import packet_stream, packet_write
from .compat import const
from .crc import crc32
from .errors import PacketError
from .keys import TAG_BYTES, Tagger
from .packet_write import ANCHOR, INVALID, MAX_PACKET_BYTES, MAX_SAMPLES, NOTE, SAMPLES, TIMES, put

_MAX_CHANNELS = const(16)
_DESCRIPTOR_MAX_BYTES = const(24)
_RUNS = const(0)  # what a stream codes: see packet_stream
_STEPS = const(1)
_VALUES = const(2)
_VECTOR_CRC = const(2740128275)


class Block:
    """Samples of one sensor on their way into a packet: columns of int32, all preallocated.

    A driver writes columns[channel][count] and then count += 1. `steps_us[i]` is the time since
    sample i - 1, coded where `timed`. `linear` false keeps the encoder from trying linear
    prediction; `rest` is its memory of where that did not pay.
    """

    def __init__(self, channels, capacity, timed=False):
        if not 1 <= channels <= _MAX_CHANNELS or not 1 <= capacity <= MAX_SAMPLES:
            raise PacketError(f"block: {channels} channels of {capacity} samples")
        zeros = bytes(4 * capacity)
        self.columns = tuple([array("i", zeros) for _ in range(channels)])
        self.capacity = capacity
        self.count = 0
        self.invalid = bytearray((channels * capacity + 7) // 8)
        self.any_invalid = False
        self.steps_us = array("i", zeros) if timed else None
        self.timed = timed
        self.linear = True
        self.rest = bytearray(channels)
        packet_stream.reserve(capacity)

    def mark_invalid(self, channel, sample, invalid=True):
        """Say that this reading of the channel is none, or is one."""
        bit = channel * self.capacity + sample
        if invalid:
            self.any_invalid = True
            self.invalid[bit >> 3] |= 1 << (bit & 7)
        else:
            self.invalid[bit >> 3] &= ~(1 << (bit & 7))

    def is_invalid(self, channel, sample):
        """Tell whether the reading was marked so."""
        bit = channel * self.capacity + sample
        return self.invalid[bit >> 3] >> (bit & 7) & 1

    def clear(self):
        """Forget the samples."""
        self.count = 0  # first: an interrupt must not find samples that are logged already
        if self.any_invalid:
            for i in range(len(self.invalid)):
                self.invalid[i] = 0
            self.any_invalid = False


def capacity(channels, bits=32):
    """Return how many samples always fit into a packet; `bits` is the spread of their values."""
    reserve = packet_write.MAX_HEADER_BYTES + TAG_BYTES
    reserve += _DESCRIPTOR_MAX_BYTES * channels + 2
    return min(MAX_SAMPLES, 8 * (MAX_PACKET_BYTES - reserve) // (channels * bits))


def encode(out, generation, stream, schema, epoch, seq, index, time_us, block, kernel=None):
    """Write a packet of the block's samples to `out`, without its tag; return the length.

    Of `out`, a bytearray, 4096 bytes at most are used, 8 of them kept for the tag. `kernel` is
    what `select_kernel` returned (None: the plain one). Raises PacketError for a field out of
    range and for samples that do not fit (see `capacity`).
    """
    if kernel is None:
        kernel = _plain()
    count = block.count
    channels = len(block.columns)
    invalid = block.any_invalid
    timed = block.timed and count > 1
    flags = (TIMES if timed else 0) | (INVALID if invalid else 0)
    at = begin = packet_write.write(
        out,
        SAMPLES,
        flags,
        generation,
        stream,
        schema,
        epoch,
        seq,
        index,
        time_us,
        count,
        channels,
    )
    begin += _DESCRIPTOR_MAX_BYTES * (channels * (2 if invalid else 1) + timed)
    limit = min(len(out), MAX_PACKET_BYTES) - TAG_BYTES
    packet_stream.start(begin, limit)
    if invalid:
        at = _write_validity(kernel, out, at, block)
    if timed:
        at = packet_stream.write(kernel, out, at, block, _STEPS, 0)
    write = packet_stream.write
    for channel in range(channels):
        at = write(kernel, out, at, block, _VALUES, channel)
    return packet_stream.finish(out, at, begin, limit)


def _write_validity(kernel, out, at, block):
    for channel in range(len(block.columns)):
        runs, lost = packet_stream.runs(block, channel)
        at = packet_write.put_varint(out, at, runs if lost else 0)
        if lost:
            at = packet_write.put_varint(out, at, lost)
            at = packet_stream.write(kernel, out, at, block, _RUNS, channel)
    return at


def encode_anchor(out, generation, epoch, seq, time_us, utc_us, quality, error_us):
    """Write an anchor, without its tag: at board time `time_us` it was `utc_us` (since 1970)."""
    if not (0 <= utc_us < 1 << 64 and 0 <= quality < 256 and 0 <= error_us < 1 << 32):
        raise PacketError(f"anchor: {utc_us}, {quality} or {error_us} is out of range")
    at = packet_write.write(out, ANCHOR, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
    at = put(out, at, utc_us, 8)
    return put(out, put(out, at, quality, 1), error_us, 4)


def encode_note(out, generation, epoch, seq, time_us, body):
    """Write a note, without its tag; `body` is a JSON object in UTF-8."""
    at = packet_write.write(out, NOTE, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
    end = at + len(body)
    if end + TAG_BYTES > min(len(out), MAX_PACKET_BYTES):
        raise PacketError(f"note: {len(body)} bytes do not fit")
    out[at:end] = body
    return end


def seal(out, n, tagger):
    """Put the tag of out[:n] behind it; return the packet's length."""
    out[n : n + TAG_BYTES] = tagger.tag(memoryview(out)[:n])
    return n + TAG_BYTES


def verify(data: bytes, tagger: Tagger) -> bool:
    """Tell whether the packet ends in its tag."""
    n = len(data) - TAG_BYTES
    return n > 0 and tagger.check(data[n:], memoryview(data)[:n])


def read_header(data: bytes):
    """Return the Header of a whole packet; see `packet_header.read`, loaded by readers only."""
    from .packet_header import read

    return read(data)


def decode(data: bytes):
    """Return the Packet of a whole packet; see `packet_decode.decode`, loaded by readers only."""
    from .packet_decode import decode as decode_packet

    return decode_packet(data)


def _plain():
    from . import packet_plain

    return packet_plain


def _vector(kernel):
    """Return the CRC of packets that take every path of a kernel."""
    out = bytearray(1400)
    total = 0
    x = 12345
    block = Block(6, 72)
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
    return total


def select_kernel():
    """Return ("viper", kernel) if it runs here and gives the right bytes, or ("plain", kernel)."""
    try:
        from . import packet_viper

        if _vector(packet_viper) == _VECTOR_CRC:
            return "viper", packet_viper
    except (ImportError, ValueError, MemoryError, PacketError):
        pass  # ValueError: of another architecture; MemoryError: no room for machine code
    return "plain", _plain()
