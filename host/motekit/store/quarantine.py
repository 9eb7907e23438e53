"""What was not taken, kept to be looked at: at most 64 MiB, the oldest out and counted."""

import hashlib
import sqlite3

QUARANTINE_MAX_BYTES = 64 << 20
PACKET_MAX_BYTES = 1 << 16  # of one entry; more is cut
ROW_BYTES = 64  # what an entry takes beside its packet, at least
WHY_MAX = 200


class Quarantine:
    """The bound of the table; the transaction is the caller's."""

    def __init__(self, max_bytes: int = QUARANTINE_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._held: set[bytes] | None = None  # what is there, as soon as somebody asks

    def load(self, db: sqlite3.Connection) -> None:
        """Find out how much is there."""
        (self._bytes,) = db.execute(
            "SELECT ifnull(sum(length(data) + ?), 0) FROM quarantine", (ROW_BYTES,)
        ).fetchone()
        self._held = None

    def has(self, db: sqlite3.Connection, device: str, data: bytes) -> bool:
        """Tell whether this of that device is there already."""
        if self._held is None:
            rows = db.execute("SELECT device, data FROM quarantine")
            self._held = {_digest(*row) for row in rows}
        return _digest(_clean(device), data[:PACKET_MAX_BYTES]) in self._held

    def add(self, db: sqlite3.Connection, device: str, data: bytes, why: str) -> None:
        """Add one entry; the oldest make room."""
        device, data = _clean(device), data[:PACKET_MAX_BYTES]
        db.execute(
            "INSERT INTO quarantine (device, why, data) VALUES (?, ?, ?)",
            (device, _clean(why), data),
        )
        _count(db, "quarantined", 1)
        if self._held is not None:
            self._held.add(_digest(device, data))
        self._bytes += len(data) + ROW_BYTES
        while self._bytes > self.max_bytes:
            row, *oldest = db.execute(
                "SELECT id, device, data FROM quarantine ORDER BY id LIMIT 1"
            ).fetchone()
            db.execute("DELETE FROM quarantine WHERE id = ?", (row,))
            _count(db, "quarantine_dropped", 1)
            self._bytes -= len(oldest[1]) + ROW_BYTES
            if self._held is not None:
                self._held.discard(_digest(*oldest))


def _digest(device: str, data: bytes) -> bytes:
    return hashlib.sha256(device.encode() + b"\0" + data).digest()


def _clean(text: str) -> str:
    """Return what SQLite can hold of a text that may come from anywhere."""
    return text[:WHY_MAX].encode("utf-8", "backslashreplace").decode()


def _count(db: sqlite3.Connection, name: str, by: int) -> None:
    db.execute(
        "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2",
        (name, by),
    )
