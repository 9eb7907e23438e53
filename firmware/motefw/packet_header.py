"""Header of a packet: who, which, when, how many, in 16 bytes or less (SPEC.md, "Packet").

    0  version:2 kind:2 flags:4       3  lengths: time, index, seq, epoch, 2 bits each
    1  generation:4 stream:4          4  count - 1, low 8 bits
    2  schema:4 channels - 1:4        5  [generation] epoch seq index time_us, little-endian

Each field takes the fewest bytes its value needs: a header has one encoding, and readers refuse
any other. Reading is here; writing is in `packet_write`, so that a board need not load both.
"""

from collections import namedtuple

from .compat import const
from .errors import PacketError
from .keys import TAG_BYTES
from .packet_write import (
    ANCHOR,
    INDEX_LENGTHS,
    INVALID,
    LENGTHS,
    MAX_PACKET_BYTES,
    NOTE,
    RELATIVE,
    SAMPLES,
    TIME_BITS,
    TIME_LENGTHS,
    TIMES,
    VERSION,
    length_code,
    relative,
)
from .packet_write import write_header as write

__all__ = ("ANCHOR", "INVALID", "NOTE", "SAMPLES", "TIMES", "Header", "read", "write")
_COUNT_HIGH = const(8)
_MIN_BYTES = const(11)
_GENERATION_APART = const(15)

Header = namedtuple(
    "Header",
    (
        "version",
        "kind",
        "generation",
        "stream",
        "schema",
        "epoch",
        "seq",
        "index",
        "time_us",
        "count",
        "channels",
        "timed",
        "invalid",
        "body",
    ),
)


def _take(data, at, n):
    value = 0
    for i in range(n):
        value |= data[at + i] << 8 * i
    return value


def _canonical(name, value, lengths, code):
    if length_code(value, lengths) != code:
        raise PacketError(f"packet: {name} {value} in {lengths[code]} bytes")


def _lengths(data):
    """Return where the fields begin, and the bytes of time, index, seq and epoch."""
    codes = data[3]
    at = 6 if data[1] >> 4 == _GENERATION_APART else 5
    lengths = (
        TIME_LENGTHS[codes >> 6],
        INDEX_LENGTHS[codes >> 4 & 3],
        LENGTHS[codes >> 2 & 3],
        LENGTHS[codes & 3],
    )
    end = at + sum(lengths) + TAG_BYTES
    if end > len(data):
        raise PacketError(f"packet: {len(data)} bytes, header and tag need {end}")
    return at, lengths


def _generation(data):
    generation = data[1] >> 4
    if generation == _GENERATION_APART:
        generation = data[5]
        if generation < _GENERATION_APART:
            raise PacketError(f"packet: generation {generation} in a byte of its own")
    return generation


def _index(field, seq, count, flags):
    """Return the index that the field stands for, if in its shortest form."""
    index = field
    d = -1
    if flags & RELATIVE:
        d = field
        index = (seq - d) * count
        if d > seq or index >> 48:
            raise PacketError(f"packet: index of {d} packets before seq {seq}")
    if relative(seq, index, count) != d:
        raise PacketError(f"packet: index {index} is not in its shortest form")
    return index


def read(data: bytes) -> Header:
    """Return the Header of a whole packet (tag included); raise PacketError if it is none.

    `body` is where the header ends. The tag is not checked.
    """
    if not _MIN_BYTES + TAG_BYTES <= len(data) <= MAX_PACKET_BYTES:
        raise PacketError(f"packet: {len(data)} bytes, 19 to 4096 expected")
    flags = data[0] & 15
    kind = data[0] >> 4 & 3
    if data[0] >> 6 != VERSION or kind > NOTE:
        raise PacketError(f"packet: version {data[0] >> 6}, kind {kind}; 1, 0 to 2 are known")
    at, (time_n, index_n, seq_n, epoch_n) = _lengths(data)
    generation = _generation(data)
    epoch = _take(data, at, epoch_n)
    at += epoch_n
    seq = _take(data, at, seq_n)
    at += seq_n
    field = _take(data, at, index_n)
    at += index_n
    time_us = _take(data, at, time_n)
    _canonical("epoch", epoch, LENGTHS, data[3] & 3)
    _canonical("seq", seq, LENGTHS, data[3] >> 2 & 3)
    _canonical("index", field, INDEX_LENGTHS, data[3] >> 4 & 3)
    _canonical("time_us", time_us, TIME_LENGTHS, data[3] >> 6)
    if time_us >> TIME_BITS:
        raise PacketError(f"packet: time_us {time_us} is beyond {TIME_BITS} bits")
    count = data[4] + 1 + (256 if flags & _COUNT_HIGH else 0)
    index = _index(field, seq, count, flags)
    if kind != SAMPLES and (flags or data[1] & 15 or data[2] or data[4] or index):
        raise PacketError(f"packet: kind {kind} with fields of samples")
    return Header(
        VERSION,
        kind,
        generation,
        data[1] & 15,
        data[2] >> 4,
        epoch,
        seq,
        index,
        time_us,
        count,
        (data[2] & 15) + 1,
        bool(flags & TIMES),
        bool(flags & INVALID),
        at + time_n,
    )
