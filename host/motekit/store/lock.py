"""One writer at a time: an SQLite file beside the store, locked as long as the writer lives.

The kernel frees it when the process dies, however it dies. Readers do not look at it.
"""

import sqlite3
from pathlib import Path

from motekit.errors import StoreError


class WriterLock:
    """Held from construction to `release`; StoreError if another process holds it."""

    def __init__(self, store: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        path = self._path = store.with_name(store.name + "-lock")
        self._made = not path.exists()
        try:
            connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as e:
            raise StoreError(f"{path}: cannot be made ({e}); is the folder writable?") from e
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as e:
            connection.close()
            raise self._explain(store, path, e) from e
        self._connection = connection

    @staticmethod
    def _explain(store: Path, path: Path, error: sqlite3.Error) -> StoreError:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(
                f"{store}: another collector is writing to it; stop that one, "
                "or give this one a store of its own with --store"
            )
        return StoreError(f"{path}: cannot be locked ({error}); is the folder writable?")

    def release(self) -> None:
        """Let the next writer in."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def withdraw(self) -> None:
        """Leave nothing beside what turned out to be no store of ours."""
        if self._made:
            self._path.unlink(missing_ok=True)
        self.release()
