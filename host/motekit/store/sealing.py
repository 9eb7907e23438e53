"""Moving packets from the tail into segments: sorted by epoch, stream and seq, and compressed.

Segments of one epoch and stream never overlap in seq: packets that came late, after those around
them were sealed, are sealed into the segment that spans their place.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

from . import segment
from .header import heads
from .tail import Entry, unpack

Packet = tuple[Entry, bytes]  # sorts by epoch, stream, seq

SEGMENT_MAX_BYTES = 256 << 10  # before compression; what reading one packet costs at most
SEGMENT_MIN_BYTES = 4 << 10  # a last segment smaller than this is sealed anew with what follows


def seal(db: sqlite3.Connection, last: int) -> tuple[int, set[int]]:
    """Seal all up to row `last` of `groups`, which is all there is, in the caller's transaction.

    Returns the number of packets, and the epochs (rows) that they are of.
    """
    rows: list[Packet] = []
    for (data,) in db.execute("SELECT data FROM groups WHERE id <= ?", (last,)):
        rows += unpack(data)
    rows.sort()
    db.execute("DELETE FROM groups")  # first, so that the segments go where they were
    epochs: set[int] = set()
    for (epoch, stream), run in groupby(rows, _epoch_and_stream):
        epochs.add(epoch)
        _seal_run(db, epoch, stream, list(run))
    db.execute("INSERT OR REPLACE INTO counters VALUES ('sealed', ?)", (last,))
    return len(rows), epochs


def _epoch_and_stream(row: Packet) -> tuple[int, int]:
    return row[0][:2]


def _seq(row: Packet) -> int:
    return row[0][2]


def _seal_run(db: sqlite3.Connection, epoch: int, stream: int, rows: list[Packet]) -> None:
    """Seal the packets of one epoch and stream, sorted by seq."""
    sealed = db.execute(
        "SELECT last_seq, id FROM segments WHERE epoch = ? AND stream = ? AND last_seq >= ?"
        " ORDER BY last_seq",
        (epoch, stream, _seq(rows[0])),
    ).fetchall()
    at = [0, *(bisect_left(rows, last + 1, key=_seq) for last, _ in sealed)]
    for (start, end), (_, row) in zip(pairwise(at), sealed, strict=True):
        if start < end:
            _write(db, sorted(_take(db, row) + rows[start:end]))
    rest = rows[at[-1] :]
    if rest:
        last = db.execute(
            "SELECT id, bytes FROM segments WHERE epoch = ? AND stream = ?"
            " ORDER BY last_seq DESC LIMIT 1",
            (epoch, stream),
        ).fetchone()
        if last and last[1] < SEGMENT_MIN_BYTES:
            rest = _take(db, last[0]) + rest
        _write(db, rest)


def _take(db: sqlite3.Connection, row: int) -> list[Packet]:
    """Return the packets of a segment, which is removed."""
    epoch, stream, data = db.execute(
        "DELETE FROM segments WHERE id = ? RETURNING epoch, stream, data", (row,)
    ).fetchone()
    packets = segment.unpack(data)
    return [
        (
            (epoch, stream, h.seq, h.time_us, h.samples * (stream >= 0), verified, len(packet)),
            packet,
        )
        for (verified, packet), h in zip(packets, heads([p for _, p in packets]), strict=True)
    ]


def _write(db: sqlite3.Connection, rows: Sequence[Packet]) -> None:
    """Write packets of one epoch and stream as segments of at most SEGMENT_MAX_BYTES."""
    ends = list(accumulate(len(data) for _, data in rows))
    start = done = 0
    while start < len(rows):
        end = max(bisect_right(ends, done + SEGMENT_MAX_BYTES), start + 1)
        _write_one(db, rows[start:end], ends[end - 1] - done)
        start, done = end, ends[end - 1]


def _write_one(db: sqlite3.Connection, rows: Sequence[Packet], size: int) -> None:
    times = [entry[3] for entry, _ in rows]
    db.execute(
        "INSERT INTO segments (epoch, stream, first_seq, last_seq, first_us, last_us, packets,"
        " samples, bytes, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *rows[0][0][:3],
            _seq(rows[-1]),
            min(times),
            max(times),
            len(rows),
            sum(entry[4] for entry, _ in rows),
            size,
            segment.pack([(bool(entry[5]), data) for entry, data in rows]),
        ),
    )
