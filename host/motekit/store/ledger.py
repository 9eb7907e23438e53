"""Who sent what: devices, their epochs and settled seqs, their schemas and anchors.

What is settled is kept in memory; see writer.py for why.
"""

import sqlite3
from typing import Any, cast

from motekit.errors import SchemaError, StoreError

from . import schema
from .reader import all_seen
from .records import Anchor
from .seen import Seen
from .tail import Tail

DEVICE_MAX = 64
UTC_MAX_US = 9_223_372_036_000_000  # year 2262, the end of 64-bit nanoseconds
QUALITY_MAX = 3

Key = tuple[str, int, int]  # device, generation, epoch


class Ledger:
    """The small tables of a store; transactions are the caller's."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seen: dict[Key, Seen] = {}
        self.known = self._seen.get  # what is settled of an epoch that was entered, or None

    def load(self) -> None:
        """Read what is settled, as after opening or after a transaction that failed."""
        tail = Tail()
        tail.refresh(self._db)
        seen = all_seen(self._db, tail)
        rows = self._db.execute(
            "SELECT epochs.id, devices.device, generation, epochs.epoch FROM epochs"
            " JOIN devices ON devices.id = epochs.device"
        )
        self._seen.clear()
        self._seen.update((row[1:], seen.get(row[0]) or Seen(row[0])) for row in rows)

    def enter(self, key: Key) -> Seen:
        """Enter an epoch that is new; StoreError if its device has no right name."""
        device, generation, epoch = key
        row = self._db.execute(
            "INSERT INTO epochs (device, generation, epoch) VALUES (?, ?, ?)",
            (self._device(device), generation, epoch),
        ).lastrowid
        seen = self._seen[key] = Seen(cast("int", row))
        return seen

    def _device(self, device: str) -> int:
        if not 0 < len(device) <= DEVICE_MAX or not device.isascii() or not device.isprintable():
            raise StoreError(f"device id {device!r:.80}: 1 to 64 printable characters expected")
        self._db.execute("INSERT OR IGNORE INTO devices (device) VALUES (?)", (device,))
        return self._db.execute("SELECT id FROM devices WHERE device = ?", (device,)).fetchone()[0]

    def save(self, rows: set[int]) -> None:
        """Write what is settled of these epochs (their rows) to the table."""
        self._db.executemany(
            "INSERT OR REPLACE INTO progress (epoch, next, ahead, lost) VALUES (?, ?, ?, ?)",
            [(seen.id, *seen.progress()) for seen in self._seen.values() if seen.id in rows],
        )

    def set_boot(self, row: int, boot: str) -> None:
        """Keep the boot note of an epoch."""
        self._db.execute("UPDATE epochs SET boot = ? WHERE id = ?", (boot, row))

    def set_about(self, row: int, about: str) -> None:
        """Keep what a board said of itself, in the place of a boot note that has not come."""
        self._db.execute("UPDATE epochs SET boot = ? WHERE id = ? AND boot IS NULL", (about, row))

    def announce(self, device: str, epoch: int, table: object) -> None:
        """Keep a schema; SchemaError if it is wrong, or another one has its number."""
        parsed = schema.parse(table)
        content = schema.content(cast("dict[str, Any]", table))
        self._db.execute("INSERT OR IGNORE INTO schemas (content) VALUES (?)", (content,))
        (row,) = self._db.execute(
            "SELECT id FROM schemas WHERE content = ?", (content,)
        ).fetchone()
        key = (self._device(device), epoch, parsed.number)
        self._db.execute("INSERT OR IGNORE INTO announced VALUES (?, ?, ?, ?)", (*key, row))
        (stands,) = self._db.execute(
            "SELECT schema FROM announced WHERE device = ? AND epoch = ? AND number = ?", key
        ).fetchone()
        if stands != row:
            raise SchemaError(
                f"schema {parsed.number}: was announced otherwise before; that stands"
            )

    def add_anchor(self, device: str, epoch: int, anchor: Anchor) -> None:
        """Keep an anchor; of several at one moment the best, or last. StoreError if absurd."""
        if not 0 < anchor.utc_us <= UTC_MAX_US or anchor.quality > QUALITY_MAX:
            raise StoreError(
                f"anchor: UTC {anchor.utc_us} us, quality {anchor.quality}; "
                f"1970 to 2262 and 0 to {QUALITY_MAX} expected"
            )
        self._db.execute(
            "INSERT INTO anchors VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (device, epoch, time_us) DO UPDATE SET utc_us = excluded.utc_us,"
            " quality = excluded.quality, error_us = excluded.error_us"
            " WHERE excluded.quality >= quality",
            (self._device(device), epoch, *anchor),
        )
