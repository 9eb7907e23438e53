"""Packets: what a board measured, in few bytes, each one whole in itself (SPEC.md, "Packet").

    header | body | tag of 8 bytes

This is the board's side: blocks of samples in, packets out. Reading bodies back is in
`packet_decode`, which a board never loads; what only boot needs is in `packet_setup`.
"""

from array import array

from . import packet_stream, packet_write
from .compat import const
from .errors import PacketError
from .keys import TAG_BYTES, Tagger
from .packet_write import INVALID, MAX_PACKET_BYTES, MAX_SAMPLES, NOTE, SAMPLES, TIMES

_MAX_CHANNELS = const(16)
_DESCRIPTOR_MAX_BYTES = const(24)
_RUNS = const(0)  # what a stream codes: see packet_stream
_STEPS = const(1)
_VALUES = const(2)


class Block:
    """Samples of one sensor on their way into a packet: columns of integers, all preallocated.

    `code` is that of their arrays: "i", or "h" or "H" for 16 bits in half the heap; a value that
    does not fit would lose its upper bits on a board.
    A driver writes columns[channel][count] and then count += 1. `steps_us[i]` is the time since
    sample i - 1, coded where `timed`. `linear` false keeps the encoder from trying linear
    prediction; `rest` is its memory of where that did not pay. `kernel` is the encoder's (None:
    the plain one), whose `burst` fills a block from a FIFO.
    """

    def __init__(self, channels, capacity, timed=False, code="i", kernel=None):
        if kernel is None:
            from . import packet_plain as kernel
        if not 1 <= channels <= _MAX_CHANNELS or not 1 <= capacity <= MAX_SAMPLES:
            raise PacketError(f"block: {channels} channels of {capacity} samples")
        packet_stream.reserve(capacity)
        column = bytes((4 if code == "i" else 2) * capacity)
        self.columns = tuple([array(code, column) for _ in range(channels)])
        self.code = code
        self.kernel = kernel
        self.capacity = capacity
        self.count = 0
        self.invalid = bytearray((channels * capacity + 7) // 8)
        self.any_invalid = False
        self.steps_us = array("i", bytes(4 * capacity)) if timed else None
        self.timed = timed
        self.linear = True
        self.rest = bytearray(channels)

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

    def part(self, start, stop):
        """Return the samples from start to stop in a block of their own."""
        part = Block(len(self.columns), stop - start, self.timed, self.code, self.kernel)
        for c in range(len(self.columns)):
            part.columns[c][:] = self.columns[c][start:stop]
            for i in range(start, stop):
                if self.is_invalid(c, i):
                    part.mark_invalid(c, i - start)
        if self.timed:
            part.steps_us[:] = self.steps_us[start:stop]
        part.count = stop - start
        return part

    def clear(self):
        """Forget the samples."""
        self.count = 0  # first: an interrupt must not find samples that are logged already
        if self.any_invalid:
            for i in range(len(self.invalid)):
                self.invalid[i] = 0
            self.any_invalid = False


def encode(out, generation, stream, schema, epoch, seq, index, time_us, block, kernel=None):
    """Write a packet of the block's samples to `out`, without its tag; return the length.

    Of `out`, a bytearray, 4096 bytes at most are used, 8 of them kept for the tag. `kernel` is
    what `packet_setup.select_kernel` returned (None: the plain one). Raises PacketError for a
    field out of range and for samples that do not fit (see `packet_setup.capacity`).
    """
    if kernel is None:
        from . import packet_plain as kernel
    count = block.count
    channels = len(block.columns)
    invalid = block.any_invalid
    timed = block.timed and count > 1
    flags = (TIMES if timed else 0) | (INVALID if invalid else 0)
    at = begin = packet_write.write_header(
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
    return packet_stream.finish(kernel, out, at, begin, limit)


def _write_validity(kernel, out, at, block):
    for channel in range(len(block.columns)):
        runs, lost = packet_stream.runs(block, channel)
        at = packet_write.put_varint(out, at, runs if lost else 0)
        if lost:
            at = packet_write.put_varint(out, at, lost)
            at = packet_stream.write(kernel, out, at, block, _RUNS, channel)
    return at


def encode_note(out, generation, epoch, seq, time_us, body):
    """Write a note, without its tag; `body` is a JSON object in UTF-8."""
    at = packet_write.write_header(out, NOTE, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
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
