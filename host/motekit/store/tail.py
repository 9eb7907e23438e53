"""What came since the last sealing: one row a commit, so that a commit writes little else.

    u32 packets | an entry each | the packets

An entry (ENTRY, 22 bytes) has what is asked of a packet without looking into it. Rows are numbered
on for ever, so that a reader knows which of them it has read already.
"""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from motekit.errors import StoreError

COUNT = struct.Struct("<I")
ENTRY = struct.Struct("<IbBIQHH")  # epoch (row), stream, verified, seq, time_us, samples, length


class Row(NamedTuple):
    """A packet on its way into a segment; rows sort by what comes first."""

    epoch: int
    stream: int
    seq: int
    time_us: int
    samples: int
    verified: bool
    data: bytes


Entry = tuple[int, int, bool, int, int, int, int]  # as ENTRY has it


def pack(entries: Sequence[Entry], packets: Sequence[bytes]) -> bytes:
    """Return the row of a commit."""
    packed = [ENTRY.pack(*entry) for entry in entries]
    return b"".join([COUNT.pack(len(entries)), *packed, *packets])


def unpack(data: bytes) -> Iterator[Row]:
    """Yield what `pack` was given; StoreError if it is damaged."""
    try:
        (count,) = COUNT.unpack_from(data)
        at = COUNT.size + count * ENTRY.size
        for epoch, stream, verified, seq, time_us, samples, length in ENTRY.iter_unpack(
            memoryview(data)[COUNT.size : at]
        ):
            end = at + length
            yield Row(epoch, stream, seq, time_us, samples, bool(verified), data[at:end])
            at = end
    except struct.error as e:
        raise StoreError(f"the store is damaged: a group of {len(data)} bytes ({e})") from e
    if at != len(data):
        raise StoreError(f"the store is damaged: a group of {len(data)} bytes, {at} expected")


class Tail:
    """A reader's copy of the unsealed packets, by epoch and stream; brought up to date as asked."""

    def __init__(self) -> None:
        self._sealed = 0
        self._read = 0
        self._series: dict[tuple[int, int], list[Row]] = {}

    def refresh(self, db: sqlite3.Connection) -> None:
        """Read what has come since; forget what was sealed since."""
        sealed = last_sealed(db)
        if sealed != self._sealed:
            self._series = {}
            self._sealed = self._read = sealed
        found = db.execute("SELECT id, data FROM groups WHERE id > ? ORDER BY id", (self._read,))
        changed: set[tuple[int, int]] = set()
        for number, data in found:
            for row in unpack(data):
                self._series.setdefault(row[:2], []).append(row)
                changed.add(row[:2])
            self._read = number
        for key in changed:
            self._series[key].sort()

    def series(self, epoch: int, stream: int) -> Sequence[Row]:
        """Return the packets of an epoch and stream, by seq."""
        return self._series.get((epoch, stream), ())

    def keys(self) -> Iterator[tuple[int, int]]:
        """Return the epochs and streams of which there are any."""
        return iter(self._series)

    def rows(self) -> Iterator[Row]:
        """Return all packets."""
        return chain.from_iterable(self._series.values())


def last_sealed(db: sqlite3.Connection) -> int:
    """Return the number of the last row that was sealed."""
    row = db.execute("SELECT value FROM counters WHERE name = 'sealed'").fetchone()
    return row[0] if row else 0
