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
TIME_LENGTHS = np.array([3, 5, 6, 8])
INDEX_LENGTHS = np.array([1, 2, 3, 6])
LENGTHS = np.array([1, 2, 3, 4])

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
    first = words[starts]
    byte = [(first >> np.uint64(8 * i)).astype(np.int64) & 0xFF for i in range(5)]
    flags, kind = byte[0] & 15, byte[0] >> 4 & 3
    own = byte[1] >> 4 == OWN_GENERATION
    rows = np.zeros(len(starts), DTYPE)
    rows["kind"] = kind
    rows["generation"] = np.where(own, data[starts + 5], byte[1] >> 4)
    rows["stream"] = byte[1] & 15
    rows["schema"] = byte[2] >> 4
    rows["count"] = byte[4] + 1 + np.where(flags & COUNT_HIGH, 256, 0)
    rows["channels"] = (byte[2] & 15) + 1
    rows["timed"] = flags & TIMES
    rows["invalid"] = flags & INVALID
    bad = (byte[0] >> 6 != VERSION) | (kind > NOTE)
    bad |= own & (rows["generation"] < OWN_GENERATION)
    end, wrong = _long_fields(words, starts + 5 + own, byte[3], rows)
    rows["body"] = end - starts
    # What is too short was read on into the packet behind it, or into the room behind the last.
    bad |= wrong | (sizes < MIN_PACKET_BYTES) | (sizes > MAX_PACKET_BYTES)
    bad |= end - starts + TAG_BYTES > sizes
    bad |= _resolve_index(rows, (flags & RELATIVE) != 0)
    strange = flags | byte[1] & 15 | byte[2] | byte[4] | rows["index"]
    bad |= (kind != SAMPLES) & (strange != 0)
    return rows, bad


def _long_fields(words: Words, at: Ints, codes: Ints, rows: NDArray[np.void]) -> tuple[Ints, Mask]:
    """Fill in the fields of varying length; return where they end, and which are too long."""
    bad = np.zeros(len(at), np.bool_)
    fields = (("epoch", LENGTHS), ("seq", LENGTHS), ("index", INDEX_LENGTHS))
    for place, (name, lengths) in enumerate((*fields, ("time_us", TIME_LENGTHS))):
        code = codes >> 2 * place & 3
        unused = (64 - 8 * lengths[code]).astype(np.uint64)
        values = words[at] << unused >> unused
        bad |= _code(values, lengths) != code
        rows[name] = values
        at = at + lengths[code]
    return at, bad


def _resolve_index(rows: NDArray[np.void], relative: Mask) -> Mask:
    """Turn relative indexes to absolute ones; return which are not in their shortest form."""
    seq, index = rows["seq"].astype(np.int64), rows["index"]
    count = rows["count"].astype(np.int64)
    bad = relative & (index > seq)
    index[relative] = ((seq - index) * count)[relative]
    back = seq - index // count
    exact = (index % count == 0) & (back >= 0)
    short = _code(np.where(exact, back, 0).astype(np.uint64), INDEX_LENGTHS)
    shorter = exact & (short < _code(index.astype(np.uint64), INDEX_LENGTHS))
    return bad | (shorter != relative)


def _code(values: Words, lengths: Ints) -> Ints:
    """Return the place in `lengths` of the fewest bytes that hold each value."""
    code = np.zeros(len(values), np.int64)
    for length in lengths[:3]:
        code += values >> np.uint64(8 * length) != 0
    return code
