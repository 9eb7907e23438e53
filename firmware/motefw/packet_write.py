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
TIME_BITS = const(62)  # 146,000 years: times of samples stay within 63 bits

TIME_LENGTHS = (3, 5, 6, 8)
INDEX_LENGTHS = (1, 2, 3, 6)
LENGTHS = (1, 2, 3, 4)
_TIME_CODE = (0, 0, 0, 0, 1, 1, 2, 3, 3)  # by the bytes needed


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
    """Write value to out[at:] in n bytes or the fewest that hold it; return the end."""
    n += at
    while value or at < n:
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


def write_header(
    out, kind, flags, generation, stream, schema, epoch, seq, index, time_us, count, channels
):
    """Write a header to `out` and return its length.

    Raises PacketError for a field out of range. `flags` are TIMES and INVALID; the others follow.
    """
    if (
        not (0 < count <= MAX_SAMPLES and 0 < channels <= MAX_CHANNELS)
        or (generation >> 8 or stream >> 4 or schema >> 4)
        or (epoch >> 32 or seq >> 32 or index >> 48 or time_us >> TIME_BITS)
    ):
        fields = (generation, stream, schema, epoch, seq, index, time_us, count, channels)
        raise PacketError(f"packet: a header field is out of range in {fields}")
    if index > 255:
        d = relative(seq, index, count)
        if d >= 0:
            index = d
            flags |= RELATIVE
    if count > 256:
        flags |= _COUNT_HIGH
    out[0] = VERSION << 6 | kind << 4 | flags
    out[2] = schema << 4 | channels - 1
    out[4] = count - 1 & 0xFF
    at = 5
    if generation > 14:
        out[5] = generation
        generation = 15
        at = 6
    out[1] = generation << 4 | stream
    epoch_end = put(out, at, epoch, 1)
    seq_end = put(out, epoch_end, seq, 1)
    index_end = put(out, seq_end, index, 1 if index < 0x1000000 else 6)
    end = put(out, index_end, time_us, 3)
    code = _TIME_CODE[end - index_end]
    end = put(out, end, 0, TIME_LENGTHS[code] - end + index_end)
    code = code << 2 | min(3, index_end - seq_end - 1)
    code = code << 2 | seq_end - epoch_end - 1
    out[3] = code << 2 | epoch_end - at - 1
    return end
