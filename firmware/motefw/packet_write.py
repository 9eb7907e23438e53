"""Writing the header of a packet: the half that a board loads; `packet_header` has the layout."""

from .compat import const
from .errors import PacketError

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
MAX_PACKET_BYTES = const(4096)
MAX_HEADER_BYTES = const(28)

TIME_LENGTHS = (3, 5, 6, 8)
INDEX_LENGTHS = (1, 2, 3, 6)
LENGTHS = (1, 2, 3, 4)


def length_code(value, lengths):
    """Return the place in `lengths` of the fewest bytes that hold the value; 4 if none does."""
    code = 0
    while code < 4 and value >> 8 * lengths[code]:
        code += 1
    return code


def relative(seq, index, count):
    """Return d of index = (seq - d) * count where that is shorter than the index, else -1."""
    d = seq - index // count
    if index < 256 or d < 0 or index % count:
        return -1
    if length_code(d, INDEX_LENGTHS) < length_code(index, INDEX_LENGTHS):
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
    d = relative(seq, index, count)
    if d >= 0:
        index = d
        flags |= RELATIVE
    if count > 256:
        flags |= _COUNT_HIGH
    time_code = length_code(time_us, TIME_LENGTHS)
    index_code = length_code(index, INDEX_LENGTHS)
    seq_code = length_code(seq, LENGTHS)
    epoch_code = length_code(epoch, LENGTHS)
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
