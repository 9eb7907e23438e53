"""Headers of packets, as far as a store needs them; `motefw.packet` knows the layout."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from motefw import packet
from motefw.errors import PacketError
from motekit import decode
from motekit.errors import StoreError

SAMPLES = packet.SAMPLES
ANCHOR = packet.ANCHOR
TIME_MAX_US = (1 << 63) - 1  # what SQLite holds
BATCH_MIN = 12  # packets from which on reading them together is faster


class Head(NamedTuple):
    """The header of a packet; `body` is where it ends."""

    kind: int
    generation: int
    stream: int
    schema: int
    epoch: int
    seq: int
    index: int
    time_us: int
    count: int
    body: int


_read: Callable[[bytes], Any] = packet.read_header


def read(data: bytes) -> Head:
    """Return the header of a whole packet; raise PacketError if it is none that can be stored."""
    header = _read(data)
    if header.time_us > TIME_MAX_US:
        raise PacketError(f"packet: monotonic time {header.time_us} us is beyond 63 bits")
    return Head._make(getattr(header, field) for field in Head._fields)


def read_many(packets: Sequence[bytes]) -> list[Head | PacketError]:
    """Return the header of each packet, or what is wrong with it."""
    if len(packets) >= BATCH_MIN:
        try:
            return list(_read_batch(packets))
        except PacketError:
            pass  # one of them is none: each on its own tells which
    return [_read_or_error(data) for data in packets]


def heads(packets: Sequence[bytes]) -> list[Head]:
    """Return the headers of packets of a store; StoreError if one is none."""
    read = read_many(packets)
    found = [head for head in read if isinstance(head, Head)]
    if len(found) < len(read):
        raise StoreError("the store is damaged: " + next(str(e) for e in read if e not in found))
    return found


def _read_batch(packets: Sequence[bytes]) -> Iterator[Head]:
    rows = decode.headers(packets)
    if int(rows["time_us"].max()) > TIME_MAX_US:
        raise PacketError("packet: a monotonic time is beyond 63 bits")
    return map(Head._make, zip(*[rows[field].tolist() for field in Head._fields], strict=True))


def _read_or_error(data: bytes) -> Head | PacketError:
    try:
        return read(data)
    except PacketError as e:
        return e
