"""Headers of packets, as far as a store needs them; `motefw.packet` knows the layout."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from motefw import packet, packet_header
from motefw.errors import PacketError
from motefw.keys import TAG_BYTES
from motekit import decode
from motekit.errors import StoreError

SAMPLES = packet.SAMPLES
ANCHOR = packet_header.ANCHOR
BATCH_MIN = 256  # packets from which on reading them together is faster
START_BYTES = 5  # of a header: all but the numbers
MAX_PACKET_BYTES = packet.MAX_PACKET_BYTES
STARTS_MAX = 4096  # of them that are remembered
FIELDS = (
    *("kind", "generation", "stream", "schema", "epoch", "seq", "index", "time_us", "count"),
    *("channels", "body"),
)


class Head(NamedTuple):
    """The header of a packet, FIELDS of it; `body` is where it ends."""

    kind: int
    generation: int
    stream: int
    schema: int
    epoch: int
    seq: int
    first_index: int
    time_us: int
    samples: int
    channels: int
    body: int


_read: Callable[[bytes], Any] = packet.read_header


def read_header(data: bytes) -> Head:
    """Return the header of a whole packet; raise PacketError if it is none."""
    return _usual(data) or _whole(data)


def _whole(data: bytes) -> Head:
    header = _read(data)
    return Head._make(getattr(header, field) for field in FIELDS)


Ints = tuple[int, ...]
_tuple: type[tuple[Any, ...]] = tuple
new = _tuple.__new__  # makes a named tuple of its values in a third of the time of a call
# where the header ends, shifts of seq, index and time, masks and least values of the others
Shape = tuple[int, int, int, int, int, int, int, int, int, int]


def _shapes() -> Iterator[Shape]:
    """Yield what each byte of lengths says of the numbers behind it."""
    codec: Any = packet_header
    tables: list[Ints] = [codec.LENGTHS, codec.LENGTHS, codec.INDEX_LENGTHS, codec.TIME_LENGTHS]
    for lengths in range(256):
        codes = [lengths >> 2 * at & 3 for at in range(4)]
        epoch, seq, back, time = (table[c] for table, c in zip(tables, codes, strict=True))
        least = [1 << 8 * table[c - 1] if c else 0 for table, c in zip(tables, codes, strict=True)]
        at_seq, at_back, at_time = accumulate((8 * epoch, 8 * seq, 8 * back))
        epochs, seqs, backs = ((1 << 8 * size) - 1 for size in (epoch, seq, back))
        end = START_BYTES + epoch + seq + back + time
        shifts_masks = (at_seq, at_back, at_time, epochs, seqs, backs)
        yield (end, *shifts_masks, least[0], least[1], least[3])


_SHAPES: tuple[Shape, ...] = tuple(_shapes())
_TIME_END = 1 << packet_header.TIME_BITS


@lru_cache(STARTS_MAX)
def _start(data: bytes) -> tuple[int, int, int, int, int, Shape] | None:
    """Return what the first bytes say, which most packets of a stream have in common."""
    if len(data) != START_BYTES:
        return None
    first, second, third, lengths, low = data
    if (
        first & 0xF4 != 0x44  # version 1, samples, index relative
        or second >= 0xF0
        or lengths & 0x30  # one byte says how far back
    ):
        return None
    count = low + 1 + (first & 8) * 32
    return second >> 4, second & 15, third >> 4, count, (third & 15) + 1, _SHAPES[lengths]


def _usual(data: bytes) -> Head | None:
    """Return the header of what nearly all packets are; None for others, right or wrong.

    That is samples of a steady stream: the index relative and near, nothing rare in the header.
    """
    start = _start(data[:START_BYTES])
    if start is None:
        return None
    generation, stream, schema, count, channels, shape = start
    end, at_seq, at_back, at_time, epochs, seqs, backs, epoch_min, seq_min, time_min = shape
    fields = int.from_bytes(data[START_BYTES:end], "little")
    epoch = fields & epochs
    seq = fields >> at_seq & seqs
    time_us = fields >> at_time
    index = (seq - (fields >> at_back & backs)) * count
    if (
        0xFF < index <= 0xFFFFFFFFFFFF  # the index itself takes more bytes than how far back
        and epoch >= epoch_min
        and seq >= seq_min
        and time_min <= time_us < _TIME_END
        and end + TAG_BYTES <= len(data) <= MAX_PACKET_BYTES
    ):
        head = (0, generation, stream, schema, epoch, seq, index, time_us, count, channels, end)
        return new(Head, head)
    return None


def read_headers(packets: Sequence[bytes]) -> list[Head | PacketError]:
    """Return the header of each packet, or what is wrong with it."""
    if len(packets) >= BATCH_MIN:
        try:
            return list(_read_batch(packets))
        except PacketError:
            pass  # one of them is none: each on its own tells which
    return [_usual(data) or _read_or_error(data) for data in packets]


def heads(packets: Sequence[bytes]) -> list[Head]:
    """Return the headers of packets of a store; StoreError if one is none."""
    read = read_headers(packets)
    found = [head for head in read if isinstance(head, Head)]
    if len(found) < len(read):
        raise StoreError("the store is damaged: " + next(str(e) for e in read if e not in found))
    return found


def _read_batch(packets: Sequence[bytes]) -> Iterator[Head]:
    rows = decode.headers(packets)
    return map(Head._make, zip(*[rows[field].tolist() for field in FIELDS], strict=True))


def _read_or_error(data: bytes) -> Head | PacketError:
    try:
        return _whole(data)
    except PacketError as e:
        return e
