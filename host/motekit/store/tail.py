"""What came since the last sealing: one row a commit, so that a commit writes little else.

    u32 packets | an entry each | the packets

An entry (ENTRY, 22 bytes) has what is asked of a packet without looking into it, in the order in
which packets are sealed. Rows are numbered
on for ever, so that a reader knows which of them it has read already.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, starmap
from typing import NamedTuple

from motekit.errors import StoreError

COUNT = struct.Struct("<I")
ENTRY = struct.Struct("<IbIQHBH")  # epoch (row), stream, seq, time_us, samples, verified, length

Entry = tuple[int, int, int, int, int, bool, int]  # as ENTRY has it
entry = ENTRY.pack


class Row(NamedTuple):
    """An unsealed packet."""

    epoch: int
    stream: int
    seq: int
    time_us: int
    samples: int
    verified: bool
    data: bytes


def pack(entries: Sequence[bytes], packets: Sequence[bytes]) -> bytes:
    """Return the row of a commit; an entry is what `entry` makes of the fields of Entry."""
    return b"".join([COUNT.pack(len(entries)), *entries, *packets])


def unpack(data: bytes) -> list[tuple[Entry, bytes]]:
    """Return the entries and packets that `pack` was given; StoreError if it is damaged."""
    try:
        (count,) = COUNT.unpack_from(data)
        start = COUNT.size + count * ENTRY.size
        entries: list[Entry] = list(ENTRY.iter_unpack(memoryview(data)[COUNT.size : start]))
    except struct.error as e:
        raise StoreError(f"the store is damaged: a group of {len(data)} bytes ({e})") from e
    ends = list(accumulate((entry[-1] for entry in entries), initial=start))
    if ends[-1] != len(data) or len(entries) != count:
        raise StoreError(
            f"the store is damaged: a group of {len(data)} bytes, {ends[-1]} expected"
        )
    return [(entry, data[at:end]) for entry, at, end in zip(entries, ends, ends[1:], strict=False)]


def _row(entry: Entry, data: bytes) -> Row:
    epoch, stream, seq, time_us, samples, verified, _ = entry
    return Row(epoch, stream, seq, time_us, samples, bool(verified), data)


class Tail:
    """A reader's copy of the unsealed packets, by epoch and stream; `refresh` updates it."""

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
            for row in starmap(_row, unpack(data)):
                self._series.setdefault(row[:2], []).append(row)
                changed.add(row[:2])
            self._read = number
        for key in changed:
            self._series[key].sort()

    def series(self, epoch: int, stream: int) -> Sequence[Row]:
        """Return the packets of an epoch and stream, by seq."""
        return self._series.get((epoch, stream), ())

    def items(self) -> Iterable[tuple[tuple[int, int], Sequence[Row]]]:
        """Return the packets of each (epoch, stream) of which there are any."""
        return self._series.items()

    def rows(self) -> Iterator[Row]:
        """Return all packets."""
        return chain.from_iterable(self._series.values())


def last_sealed(db: sqlite3.Connection) -> int:
    """Return the number of the last row that was sealed."""
    row = db.execute("SELECT value FROM counters WHERE name = 'sealed'").fetchone()
    return row[0] if row else 0
