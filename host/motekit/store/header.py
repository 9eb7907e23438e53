"""Headers of packets, as far as a store needs them; `motefw.packet` knows the layout."""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from motefw import packet, packet_header
from motefw.errors import PacketError
from motefw.keys import TAG_BYTES
from motekit import decode
from motekit.errors import StoreError

SAMPLES = packet.SAMPLES
ANCHOR = packet.ANCHOR
BATCH_MIN = 256  # packets from which on reading them together is faster
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
    usual = _usual(data)
    if usual is not None:
        return usual
    header = _read(data)
    return Head._make(getattr(header, field) for field in FIELDS)


def _shapes() -> Iterator[tuple[int, ...]]:
    """Yield for each byte of lengths: where the header ends, shifts, masks and least values."""
    codec: Any = packet_header
    tables: list[tuple[int, ...]] = [codec.LENGTHS, codec.LENGTHS]
    tables += [codec.INDEX_LENGTHS, codec.TIME_LENGTHS]
    for lengths in range(256):
        sizes = [table[lengths >> 2 * at & 3] for at, table in enumerate(tables)]
        least = [
            1 << 8 * table[(lengths >> 2 * at & 3) - 1] if lengths >> 2 * at & 3 else 0
            for at, table in enumerate(tables)
        ]
        shifts = [8 * sum(sizes[:at]) for at in range(1, 4)]
        masks = [(1 << 8 * size) - 1 for size in sizes[:3]]
        yield (5 + sum(sizes), *shifts, *masks, *least)


_START = struct.Struct("<5B")
_SHAPES: tuple[tuple[int, ...], ...] = tuple(_shapes())


def _usual(data: bytes) -> Head | None:
    """Return the header of what nearly all packets are; None for others, right or wrong.

    That is samples of a steady stream: the index relative and near, nothing rare in the header.
    """
    if not 19 <= len(data) <= packet.MAX_PACKET_BYTES:
        return None
    start: tuple[int, ...] = _START.unpack_from(data)
    first, second, third, lengths, low = start
    shape = _SHAPES[lengths]
    end, at_seq, at_back, at_time, epochs, seqs, backs, epoch_min, seq_min, _, time_min = shape
    fields = int.from_bytes(data[5:end], "little")
    epoch = fields & epochs
    seq = fields >> at_seq & seqs
    back = fields >> at_back & backs
    time_us = fields >> at_time
    count = low + 1 + (first & 8) * 32
    index = (seq - back) * count
    if (
        first & 0xF4 != 0x44  # version 1, samples, index relative
        or second >= 0xF0
        or lengths & 0x30  # one byte says how far back
        or not 0xFF < index <= 0xFFFFFFFFFFFF  # and the index itself takes more
        or epoch < epoch_min
        or seq < seq_min
        or time_us < time_min
        or time_us >> packet_header.TIME_BITS
        or end + TAG_BYTES > len(data)
    ):
        return None
    channels = (third & 15) + 1
    head = (0, second >> 4, second & 15, third >> 4, epoch, seq, index, time_us, count, channels)
    return Head._make((*head, end))


def read_headers(packets: Sequence[bytes]) -> list[Head | PacketError]:
    """Return the header of each packet, or what is wrong with it."""
    if len(packets) >= BATCH_MIN:
        try:
            return list(_read_batch(packets))
        except PacketError:
            pass  # one of them is none: each on its own tells which
    return [_read_or_error(data) for data in packets]


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
        return read_header(data)
    except PacketError as e:
        return e
