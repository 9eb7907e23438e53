"""Moving packets from the tail into segments: sorted by epoch, stream and seq, and compressed.

Segments of one epoch and stream never overlap in seq: packets that came late, after those around
them were sealed, are sealed into the segment that spans their place.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter

from . import segment, tail
from .header import heads
from .tail import Row

SEGMENT_MAX_BYTES = 256 << 10  # before compression; what reading one packet costs at most
SEGMENT_MIN_BYTES = 4 << 10  # a last segment smaller than this is sealed anew with what follows


def seal(db: sqlite3.Connection, last: int) -> tuple[int, set[int]]:
    """Seal all up to row `last` of `groups`, which is all there is, in the caller's transaction.

    Returns the number of packets, and the epochs (rows) that they are of.
    """
    found = db.execute("SELECT data FROM groups WHERE id <= ?", (last,))
    rows = sorted(row for (data,) in found for row in tail.unpack(data))
    db.execute("DELETE FROM groups")  # first, so that the segments go where they were
    for (epoch, stream), run in groupby(rows, itemgetter(0, 1)):
        _seal_run(db, epoch, stream, list(run))
    db.execute("INSERT OR REPLACE INTO counters VALUES ('sealed', ?)", (last,))
    return len(rows), {row.epoch for row in rows}


def _seal_run(db: sqlite3.Connection, epoch: int, stream: int, rows: list[Row]) -> None:
    """Seal the packets of one epoch and stream, sorted by seq."""
    sealed = db.execute(
        "SELECT last_seq, id FROM segments WHERE epoch = ? AND stream = ? AND last_seq >= ?"
        " ORDER BY last_seq",
        (epoch, stream, rows[0].seq),
    ).fetchall()
    at = [0, *(bisect_left(rows, last + 1, key=attrgetter("seq")) for last, _ in sealed)]
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


def _take(db: sqlite3.Connection, row: int) -> list[Row]:
    """Return the packets of a segment, which is removed."""
    epoch, stream, data = db.execute(
        "DELETE FROM segments WHERE id = ? RETURNING epoch, stream, data", (row,)
    ).fetchone()
    packets = segment.unpack(data)
    return [
        Row(epoch, stream, h.seq, h.time_us, h.count if stream >= 0 else 0, verified, packet)
        for (verified, packet), h in zip(packets, heads([p for _, p in packets]), strict=True)
    ]


def _write(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write packets of one epoch and stream as segments of at most SEGMENT_MAX_BYTES."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        if size + len(row.data) > SEGMENT_MAX_BYTES:
            _write_one(db, chunk, size)
            chunk, size = [], 0
        chunk.append(row)
        size += len(row.data)
    _write_one(db, chunk, size)


def _write_one(db: sqlite3.Connection, rows: Sequence[Row], size: int) -> None:
    times = [row.time_us for row in rows]
    db.execute(
        "INSERT INTO segments (epoch, stream, first_seq, last_seq, first_us, last_us, packets,"
        " samples, bytes, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *rows[0][:3],
            rows[-1].seq,
            min(times),
            max(times),
            len(rows),
            sum(row.samples for row in rows),
            size,
            segment.pack([(row.verified, row.data) for row in rows]),
        ),
    )
