"""Reading a store: any number of readers beside the one writer, none of them ever blocks it.

Every question is answered from one snapshot, and no snapshot is held between two of them, so that
the writer's log never grows because somebody reads slowly.
"""

import json
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

from . import schema, segment
from .database import translated
from .header import heads
from .health import Health, load
from .records import Anchor, Epoch, Quarantined, Stored, Stream
from .schema import Schema
from .seen import Progress, Seen
from .succession import Term, terms
from .tail import Row, Tail

BATCH_PACKETS = 1024
_SEQ = attrgetter("seq")


class Reader:
    """An open store, to be read; `close` it, or use it in a `with`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._tail = Tail()

    def close(self) -> None:
        """Release the file."""
        with self._lock, translated(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _snapshot(self) -> Generator[sqlite3.Connection]:
        with self._lock, translated(self.path):
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def _unsealed(self, db: sqlite3.Connection) -> Tail:
        self._tail.refresh(db)
        return self._tail

    def devices(self) -> list[str]:
        """Return the ids of all devices, in the order in which they were met."""
        with self._snapshot() as db:
            return [row[0] for row in db.execute("SELECT device FROM devices ORDER BY id")]

    def succession(self) -> list[Term]:
        """Return which device has had which role, by role and time."""
        with self._snapshot() as db:
            return terms(db)

    def health(self) -> dict[str, Health]:
        """Return how each board said last that it is, by device."""
        with self._snapshot() as db:
            return load(db)

    def epochs(self, device: str | None = None) -> list[Epoch]:
        """Return the runs of one device, or of all, in the order in which they were met."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT epochs.id, devices.device, generation, epochs.epoch, boot FROM epochs "
                "JOIN devices ON devices.id = epochs.device "
                "WHERE ?1 IS NULL OR devices.device = ?1 ORDER BY epochs.id",
                (device,),
            ).fetchall()
            seen = all_seen(db, self._unsealed(db))
        return [_epoch(row, seen.get(row[0]) or Seen(row[0])) for row in rows]

    def acknowledged(self, device: str) -> list[tuple[int, int, int | None]]:
        """Return (generation, epoch, last contiguous seq or None) of each run of a device."""
        return [
            (e.generation, e.epoch, e.next - 1 if e.next else None) for e in self.epochs(device)
        ]

    def missing(self, device: str, generation: int, epoch: int) -> list[tuple[int, int]]:
        """Return the (first, last) gaps below the highest seq of a run, less those given up."""
        with self._snapshot() as db:
            row = _epoch_row(db, device, generation, epoch)
            return [] if row is None else _seen_of(db, row, self._unsealed(db)).missing()

    def lost(self, device: str, generation: int, epoch: int) -> list[tuple[int, int]]:
        """Return the (first, last) runs of seqs that were given up: they will never come."""
        with self._snapshot() as db:
            row = _epoch_row(db, device, generation, epoch)
            return [] if row is None else list(_seen_of(db, row, self._unsealed(db)).lost)

    def streams(self, device: str | None = None) -> list[Stream]:
        """Return what is held of each stream of each run; notes and anchors are not in it."""
        with self._snapshot() as db:
            found = db.execute(
                "SELECT epoch, stream, sum(packets), sum(samples), sum(bytes), min(first_us),"
                " max(last_us) FROM segments WHERE stream >= 0 GROUP BY epoch, stream"
            )
            totals = {(row[0], row[1]): row[2:] for row in found}
            tail = self._unsealed(db)
            for key, rows in tail.items():
                if key[1] >= 0:
                    totals[key] = _add(totals.get(key), rows)
            devices: dict[int, str] = dict(
                db.execute(
                    "SELECT e.id, d.device FROM epochs e JOIN devices d ON d.id = e.device"
                    " WHERE ?1 IS NULL OR d.device = ?1",
                    (device,),
                ).fetchall()
            )
        return [
            Stream(epoch, devices[epoch], stream, *totals[epoch, stream])
            for epoch, stream in sorted(totals)
            if epoch in devices
        ]

    def schemas(self, device: str, epoch: int) -> dict[int, Schema]:
        """Return the schemas that a device announced in an epoch, by number."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT number, content FROM announced a JOIN schemas s ON s.id = a.schema "
                "JOIN devices d ON d.id = a.device WHERE d.device = ? AND epoch = ?",
                (device, epoch),
            )
            return {number: schema.parse(json.loads(content)) for number, content in rows}

    def anchors(self, device: str, epoch: int) -> list[Anchor]:
        """Return the anchors of an epoch by monotonic time."""
        with self._snapshot() as db:
            rows = db.execute(
                "SELECT time_us, utc_us, quality, error_us FROM anchors a "
                "JOIN devices d ON d.id = a.device WHERE d.device = ? AND epoch = ? "
                "ORDER BY time_us",
                (device, epoch),
            )
            return [Anchor(*row) for row in rows]

    def counter(self, name: str) -> int:
        """Return a running total: `quarantined`, `quarantine_dropped`."""
        with self._snapshot() as db:
            row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            return row[0] if row else 0

    def quarantined(self) -> Iterator[Quarantined]:
        """Yield what is in quarantine, oldest first."""
        after = 0
        while True:
            with self._snapshot() as db:
                rows = db.execute(
                    "SELECT id, device, why, data FROM quarantine WHERE id > ?"
                    " ORDER BY id LIMIT 256",
                    (after,),
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield from (Quarantined(*row[1:]) for row in rows)

    def find(
        self, device: str, generation: int, epoch: int, first: int, last: int
    ) -> dict[int, bytes]:
        """Return what is held of a run from seq first to last, of all streams, by seq."""
        with self._snapshot() as db:
            row = _epoch_row(db, device, generation, epoch)
            if row is None:
                return {}
            tail = self._unsealed(db)
            found = {each.seq: each.data for each in tail.rows() if each.epoch == row}
            for (blob,) in db.execute(
                "SELECT data FROM segments WHERE epoch = ? AND last_seq >= ? AND first_seq <= ?",
                (row, first, last),
            ):
                packets = [data for _, data in segment.unpack(blob)]
                found.update(zip((head.seq for head in heads(packets)), packets, strict=True))
        return {seq: data for seq, data in found.items() if first <= seq <= last}

    def batches(
        self,
        epoch: int,
        stream: int,
        since_us: int | None = None,
        until_us: int | None = None,
        around: int = 0,
    ) -> Iterator[list[Stored]]:
        """Yield lists of at most a few thousand packets of a stream of `Epoch.id`, by seq.

        All that overlap since_us..until_us (monotonic) are in them, at least `around` more on
        either side as far as there are, and some beside. Packets that come while this runs may or
        may not be among them.
        """
        with self._snapshot() as db:
            unsealed = self._unsealed(db).series(epoch, stream)
            after = _start(db, epoch, stream, since_us, around, unsealed) - 1
        beyond = 0
        while True:
            with self._snapshot() as db:
                unsealed = self._unsealed(db).series(epoch, stream)
                batch = _next_batch(db, epoch, stream, after, unsealed)
            if not batch:
                return
            after = batch[-1].seq
            yield batch
            if until_us is not None:
                beyond += sum(head.time_us > until_us for head in heads([s.data for s in batch]))
                if beyond > around:
                    return

    def packets(
        self,
        device: str,
        stream: int,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Iterator[tuple[Epoch, Stored]]:
        """Yield the packets of a stream by (epoch as met, seq); bounds as for `batches`."""
        for epoch in self.epochs(device):
            for batch in self.batches(epoch.id, stream, since_us, until_us):
                for stored in batch:
                    yield epoch, stored


def _epoch_row(db: sqlite3.Connection, device: str, generation: int, epoch: int) -> int | None:
    row = db.execute(
        "SELECT epochs.id FROM epochs JOIN devices ON devices.id = epochs.device "
        "WHERE devices.device = ? AND generation = ? AND epochs.epoch = ?",
        (device, generation, epoch),
    ).fetchone()
    return row[0] if row else None


def _seen_of(db: sqlite3.Connection, row: int, tail: Tail) -> Seen:
    """Return what is settled of an epoch: the table, and what came since it was written."""
    return all_seen(db, tail).get(row) or Seen(row)


def all_seen(db: sqlite3.Connection, tail: Tail) -> dict[int, Seen]:
    """Return what is settled of every epoch of which anything is."""
    rows = db.execute("SELECT epoch, next, ahead, lost FROM progress")
    seen = {row[0]: Seen(row[0], Progress(*row[1:])) for row in rows}
    for row in tail.rows():
        if row.epoch not in seen:
            seen[row.epoch] = Seen(row.epoch)
        seen[row.epoch].add(row.seq)
    return seen


def _add(total: tuple[int, ...] | None, rows: Sequence[Row]) -> tuple[int, ...]:
    """Add unsealed packets to (packets, samples, bytes, first_us, last_us)."""
    packets, samples, size, first_us, last_us = total or (0, 0, 0, rows[0].time_us, 0)
    return (
        packets + len(rows),
        samples + sum(row.samples for row in rows),
        size + sum(len(row.data) for row in rows),
        min(first_us, *(row.time_us for row in rows)),
        max(last_us, *(row.time_us for row in rows)),
    )


def _epoch(row: tuple[int, str, int, int, str | None], seen: Seen) -> Epoch:
    boot: dict[str, Any] | None = json.loads(row[4]) if row[4] else None
    missing = sum(last - first + 1 for first, last in seen.missing())
    return Epoch(*row[:4], boot, seen.next, seen.highest(), missing, seen.lost_count())


def _start(
    db: sqlite3.Connection,
    epoch: int,
    stream: int,
    since_us: int | None,
    around: int,
    unsealed: Sequence[Row],
) -> int:
    """Return the seq to read from, for what reaches into since_us.. and `around` more."""
    if since_us is None:
        return 0
    earlier = [row.seq for row in unsealed if row.time_us <= since_us]
    if len(earlier) > around:
        return earlier[-around - 1]
    before = -1  # packets of segments that are known to lie before the last one that counts
    for first_seq, packets in db.execute(
        "SELECT first_seq, packets FROM segments WHERE epoch = ? AND stream = ? AND first_us <= ?"
        " ORDER BY last_seq DESC",
        (epoch, stream, since_us),
    ):
        before += 1 if before < 0 else packets
        if before >= around:
            return first_seq
    return 0


def _next_batch(
    db: sqlite3.Connection, epoch: int, stream: int, after: int, unsealed: Sequence[Row]
) -> list[Stored]:
    """Return the next segment's packets beyond `after`, with the unsealed ones among them."""
    found = db.execute(
        "SELECT last_seq, data FROM segments WHERE epoch = ? AND stream = ? AND last_seq > ?"
        " ORDER BY last_seq LIMIT 1",
        (epoch, stream, after),
    ).fetchone()
    start = bisect_right(unsealed, after, key=_SEQ)
    if not found:
        return [
            Stored(row.seq, row.verified, row.data) for row in unsealed[start:][:BATCH_PACKETS]
        ]
    sealed = segment.unpack(found[1])
    batch = [
        Stored(head.seq, verified, data)
        for (verified, data), head in zip(sealed, heads([data for _, data in sealed]), strict=True)
        if head.seq > after
    ]
    among = unsealed[start : bisect_right(unsealed, found[0], key=_SEQ)]
    if among:
        batch.extend(Stored(row.seq, row.verified, row.data) for row in among)
        batch.sort()
    return batch
