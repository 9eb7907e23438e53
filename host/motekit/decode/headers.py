"""Headers of many packets at once, as SPEC.md section "Packet" and `motefw.packet` have them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Packets = Sequence[bytes | bytearray | memoryview]

# Around the packets, so that words may be read beyond the ends of one that turns out to be none.
FRONT_BYTES = 256
BACK_BYTES = 64
MIN_PACKET_BYTES = 19
MAX_PACKET_BYTES = 4096
TAG_BYTES = 8
VERSION = 1
SAMPLES = 0
NOTE = 2
TIMES, INVALID, RELATIVE, COUNT_HIGH = 1, 2, 4, 8
OWN_GENERATION = 15
TIME_BITS = np.uint64(62)
TIME_LENGTHS = np.array([3, 5, 6, 8])
INDEX_LENGTHS = np.array([1, 2, 3, 6])
LENGTHS = np.array([1, 2, 3, 4])


def _least(lengths: "Ints") -> "Words":
    """Return the least value of each length that no shorter one holds."""
    return np.array([0, *(1 << 8 * int(length) for length in lengths[:3])], np.uint64)


LEAST, INDEX_LEAST, TIME_LEAST = map(_least, (LENGTHS, INDEX_LENGTHS, TIME_LENGTHS))

DTYPE = np.dtype(
    [
        ("kind", "u1"),
        ("generation", "u1"),
        ("stream", "u1"),
        ("schema", "u1"),
        ("epoch", "u4"),
        ("seq", "u4"),
        ("index", "i8"),
        ("time_us", "u8"),
        ("count", "u2"),
        ("channels", "u1"),
        ("timed", "?"),
        ("invalid", "?"),
        ("body", "u2"),
    ]
)


class Joined(NamedTuple):
    """Packets in one buffer: packet i is `data[starts[i]:starts[i] + sizes[i]]`, tag included."""

    data: Bytes
    starts: Ints
    sizes: Ints

    def words(self, order: str = "<") -> Words:
        """Return the 64-bit word at every byte: `words()[i]` is `data[i:i + 8]`."""
        return np.ndarray((len(self.data) - 7,), order + "u8", self.data.data, strides=(1,))


def join(packets: Packets) -> Joined:
    """Return the packets joined, with room around them."""
    sizes = np.fromiter(map(len, packets), np.int64, len(packets))
    data = np.frombuffer(b"".join([bytes(FRONT_BYTES), *packets, bytes(BACK_BYTES)]), np.uint8)
    return Joined(data, FRONT_BYTES + np.cumsum(sizes) - sizes, sizes)


def parse(joined: Joined) -> tuple[NDArray[np.void], Mask]:
    """Return the headers, one row a packet, and which of the packets have no right header."""
    data, starts, sizes = joined
    words = joined.words()
    rows = np.zeros(len(starts), DTYPE)
    first = words[starts]
    byte = [(first >> np.uint64(8 * i)).astype(np.int64) & 0xFF for i in range(5)]
    flags, kind = byte[0] & 15, byte[0] >> 4 & 3
    codes = byte[3]
    own = byte[1] >> 4 == OWN_GENERATION
    at = starts + 5 + own
    code = (codes & 3, codes >> 2 & 3, codes >> 4 & 3, codes >> 6)
    lengths = _lengths(code)
    body = at - starts + sum(lengths)
    bad = (sizes < MIN_PACKET_BYTES) | (sizes > MAX_PACKET_BYTES) | (body + TAG_BYTES > sizes)
    bad |= (byte[0] >> 6 != VERSION) | (kind > NOTE)
    # What is too short reads into the packet behind it: harmless, for it is bad already. The last
    # of a batch reads into the padding, a header being shorter than that.
    generation = np.where(own, data[starts + 5], byte[1] >> 4)
    bad |= own & (generation < OWN_GENERATION)
    (epoch, seq, index, time_us), longer = _numbers(words, at, lengths, code)
    bad |= longer | (time_us >> TIME_BITS != 0)
    count = byte[4] + 1 + np.where(flags & COUNT_HIGH, 256, 0)
    signed_index, odd = _indexes(seq, index, count, (flags & RELATIVE) != 0)
    bad |= odd
    strange = flags | byte[1] & 15 | byte[2] | byte[4] | signed_index
    bad |= (kind != SAMPLES) & (strange != 0)
    rows["kind"] = kind
    rows["generation"] = generation
    rows["stream"] = byte[1] & 15
    rows["schema"] = byte[2] >> 4
    rows["epoch"] = epoch
    rows["seq"] = seq
    rows["index"] = signed_index
    rows["time_us"] = time_us
    rows["count"] = count
    rows["channels"] = (byte[2] & 15) + 1
    rows["timed"] = flags & TIMES
    rows["invalid"] = flags & INVALID
    rows["body"] = body
    return rows, bad


def _lengths(code: tuple[Ints, ...]) -> tuple[Ints, ...]:
    """Return how many bytes epoch, seq, index and time take."""
    tables = (LENGTHS, LENGTHS, INDEX_LENGTHS, TIME_LENGTHS)
    return tuple(table[which] for table, which in zip(tables, code, strict=True))


def _numbers(
    words: Words, at: Ints, lengths: tuple[Ints, ...], code: tuple[Ints, ...]
) -> tuple[list[Words], Mask]:
    """Return epoch, seq, index and time, and where one of them takes more bytes than it needs."""
    numbers: list[Words] = []
    longer = np.zeros(len(at), bool)
    for length, least, which in zip(
        lengths, (LEAST, LEAST, INDEX_LEAST, TIME_LEAST), code, strict=True
    ):
        number = _take(words, at, length)
        numbers.append(number)
        longer |= number < least[which]
        at = at + length
    return numbers, longer


def _take(words: Words, at: Ints, lengths: Ints) -> Words:
    """Return the little-endian integers of `lengths` bytes (1 to 8) at the places `at`."""
    unused = (64 - 8 * lengths).astype(np.uint64)
    return words[at] << unused >> unused


def _indexes(seq: Words, index: Words, count: Ints, relative: Mask) -> tuple[Ints, Mask]:
    """Return the first samples' indexes, and where they are not written the shorter way."""
    signed_seq, signed_index = seq.astype(np.int64), index.astype(np.int64)
    bad = relative & (signed_index > signed_seq)
    signed_index = np.where(relative, (signed_seq - signed_index) * count, signed_index)
    bad |= _shorter_relative(signed_seq, signed_index, count) != relative
    return signed_index, bad


def _shorter_relative(seq: Ints, index: Ints, count: Ints) -> Mask:
    """Tell where index = (seq - d) * count with a d that takes fewer bytes than the index."""
    d = seq - index // count
    right = (index % count == 0) & (d >= 0)
    short = _index_bytes(np.where(right, d, 0))
    return right & (short < _index_bytes(index))


def _index_bytes(values: Ints) -> Ints:
    """Return the place in INDEX_LENGTHS of the fewest bytes that hold each value, plus one."""
    return INDEX_LEAST.searchsorted(values.astype(np.uint64), "right")
