"""Header of a packet: who, which, when, how many, in 16 bytes or less (SPEC.md, "Packet").

    0  version:2 kind:2 flags:4       3  lengths: time, index, seq, epoch, 2 bits each
    1  generation:4 stream:4          4  count - 1, low 8 bits
    2  schema:4 channels - 1:4        5  [generation] epoch seq index time_us, little-endian

Each field takes the fewest bytes its value needs: a header has one encoding, and readers refuse any
other.
"""

from collections import namedtuple

from .compat import const
from .errors import PacketError
from .keys import TAG_BYTES

VERSION = const(1)
SAMPLES = const(0)
ANCHOR = const(1)
NOTE = const(2)
TIMES = const(1)
INVALID = const(2)
RELATIVE = const(4)
_COUNT_HIGH = const(8)

MAX_SAMPLES = const(512)
MAX_CHANNELS = const(16)
MAX_STREAMS = const(16)
MAX_PACKET_BYTES = const(4096)
MAX_HEADER_BYTES = const(28)
_MIN_HEADER_BYTES = const(11)

TIME_LENGTHS = (3, 5, 6, 8)
INDEX_LENGTHS = (1, 2, 3, 6)
LENGTHS = (1, 2, 3, 4)

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


def _code(value, lengths):
    """Return the place in `lengths` of the fewest bytes that hold the value; 4 if none does."""
    code = 0
    while code < 4 and value >> 8 * lengths[code]:
        code += 1
    return code


def _relative(seq, index, count):
    """Return d of index = (seq - d) * count where that is shorter than the index, else -1."""
    d = seq - index // count
    if index > 255 and d >= 0 and not index % count and _code(d, INDEX_LENGTHS) < _code(index, INDEX_LENGTHS):
        return d
    return -1


def put(out, at, value, n):
    """Write value to out[at:] in n bytes, little-endian; return the end."""
    for _ in range(n):
        out[at] = value & 0xFF
        value >>= 8
        at += 1
    return at


def put_varint(out, at, value):
    """Write value to out[at:], 7 bits a byte, low first, in the fewest bytes; return the end."""
    while value > 127:
        out[at] = value & 127 | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


def write(
    out, kind, flags, generation, stream, schema, epoch, seq, index, time_us, count, channels
):
    """Write a header to `out` and return its length.

    Raises PacketError for a field out of range. `flags` are TIMES and INVALID; the others follow.
    """
    relative = _relative(seq, index, count)
    if relative >= 0:
        index = relative
        flags |= RELATIVE
    if count > 256:
        flags |= _COUNT_HIGH
    time_code = _code(time_us, TIME_LENGTHS)
    index_code = _code(index, INDEX_LENGTHS)
    seq_code = _code(seq, LENGTHS)
    epoch_code = _code(epoch, LENGTHS)
    if (
        not (0 <= generation <= 255 and 0 <= stream <= 15 and 0 <= schema <= 15)
        or not (0 < count <= MAX_SAMPLES and 0 < channels <= MAX_CHANNELS)
        or max(time_code, index_code, seq_code, epoch_code) > 3
    ):
        fields = (generation, stream, schema, epoch, seq, index, time_us, count, channels)
        raise PacketError(f"packet: a header field is out of range in {fields}")
    out[0] = VERSION << 6 | kind << 4 | flags
    out[1] = min(generation, 15) << 4 | stream
    out[2] = schema << 4 | channels - 1
    out[3] = time_code << 6 | index_code << 4 | seq_code << 2 | epoch_code
    out[4] = count - 1 & 0xFF
    at = 5 if generation < 15 else put(out, 5, generation, 1)
    at = put(out, at, epoch, LENGTHS[epoch_code])
    at = put(out, at, seq, LENGTHS[seq_code])
    at = put(out, at, index, INDEX_LENGTHS[index_code])
    return put(out, at, time_us, TIME_LENGTHS[time_code])


def _take(data, at, n):
    value = 0
    for i in range(n):
        value |= data[at + i] << 8 * i
    return value


def _canonical(name, value, lengths, code):
    if _code(value, lengths) != code:
        raise PacketError(f"packet: {name} {value} in {lengths[code]} bytes")


def read(data: bytes) -> Header:
    """Return the Header of a whole packet (tag included); raise PacketError if it is none.

    `body` is where the header ends. The tag is not checked.
    """
    size = len(data)
    if not _MIN_HEADER_BYTES + TAG_BYTES <= size <= MAX_PACKET_BYTES:
        raise PacketError(f"packet: {size} bytes, 19 to 4096 expected")
    flags = data[0] & 15
    kind = data[0] >> 4 & 3
    if data[0] >> 6 != VERSION or kind > NOTE:
        raise PacketError(f"packet: version {data[0] >> 6}, kind {kind} unknown")
    generation = data[1] >> 4
    codes = data[3]
    time_n = TIME_LENGTHS[codes >> 6]
    index_n = INDEX_LENGTHS[codes >> 4 & 3]
    seq_n = LENGTHS[codes >> 2 & 3]
    epoch_n = LENGTHS[codes & 3]
    at = 6 if generation == 15 else 5
    body = at + epoch_n + seq_n + index_n + time_n
    if body + TAG_BYTES > size:
        raise PacketError(f"packet: {size} bytes, header and tag need {body + TAG_BYTES}")
    if generation == 15:
        generation = data[5]
        if generation < 15:
            raise PacketError(f"packet: generation {generation} in a byte of its own")
    epoch = _take(data, at, epoch_n)
    seq = _take(data, at + epoch_n, seq_n)
    at += epoch_n + seq_n
    index = _take(data, at, index_n)
    time_us = _take(data, at + index_n, time_n)
    _canonical("epoch", epoch, LENGTHS, codes & 3)
    _canonical("seq", seq, LENGTHS, codes >> 2 & 3)
    _canonical("index", index, INDEX_LENGTHS, codes >> 4 & 3)
    _canonical("time_us", time_us, TIME_LENGTHS, codes >> 6)
    count = data[4] + 1 + (256 if flags & _COUNT_HIGH else 0)
    d = -1
    if flags & RELATIVE:
        d = index
        index = (seq - d) * count
        if d > seq or index >> 48:
            raise PacketError(f"packet: index {d} before seq {seq}")
    if _relative(seq, index, count) != d:
        raise PacketError(f"packet: index {index} not in its shortest form")
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
        body,
    )
