"""Writing a store: groups of packets in, each one durable commit; old ones sealed into segments.

A commit only appends a row to `groups`; which seqs are settled is kept in memory, is written to
`progress` by each sealing, and is found again at opening from `progress` and the packets that came
since. So a commit writes little more than its packets, whatever the number of devices.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from motekit.errors import StoreError

from .database import check_path, connect, translated
from .group import Group
from .ledger import Ledger
from .lock import WriterLock
from .quarantine import Quarantine
from .reader import Reader
from .records import Appended, Received
from .sealing import seal
from .summary import Summary, summarise
from .tail import last_sealed

TAIL_MAX_BYTES = 8 << 20  # unsealed packets; what a reader of one device may have to scan


class Store(Reader):
    """An open store. One writer at a time, as many readers as there are."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None
    ) -> None:
        super().__init__(path, connection)
        self.tail_max_bytes = TAIL_MAX_BYTES
        self._writer = lock
        self._ledger = Ledger(connection)
        self._quarantine = Quarantine()
        self._tail_bytes = 0
        self._last_group = 0
        self._seal_at_bytes = 0
        self._loaded = False
        self.sealing_error: str | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        create: bool = False,
        readonly: bool = False,
        durable: bool = True,
    ) -> "Store":
        """Open a store, to be written unless `readonly`; `create` makes one where none is.

        Not `durable`: nothing waits for the disk, as what is in it can be made again.

        Raises StoreError: no store, of a newer version, in use by another writer, not writable.
        """
        path = Path(path)
        check_path(path, create and not readonly)
        lock = None if readonly else WriterLock(path)
        try:
            with translated(path):
                store = cls(path, connect(path, create, readonly, durable), lock)
                if lock is not None:
                    store._load()
        except BaseException:
            if lock is not None:
                lock.withdraw()
            raise
        return store

    def close(self) -> None:
        """Release the file; SQLite folds its write-ahead log in."""
        try:
            super().close()
        finally:
            if self._writer is not None:
                self._writer.release()

    def append(
        self, group: Sequence[Received], committing: Callable[[], None] = lambda: None
    ) -> Appended:
        """Store a group of packets in one durable commit; none is stored that had come before.

        What is no packet goes to quarantine, and the rest of the group is stored. Raises
        StoreError if nothing of the group could be stored; it may be handed in again. `committing`
        is called when all that is left is to wait for the disk, which lets other threads run.
        """
        with self._changing() as db:
            taken = Group(db, self._ledger, self._quarantine)
            taken.take(group)
            appended = taken.write(self._last_group + 1, committing)
            if appended.new:
                self._last_group += 1
                self._tail_bytes += appended.size
        if self._tail_bytes >= max(self.tail_max_bytes, self._seal_at_bytes):
            self._try_to_seal()
        return appended

    def refuse(self, device: str, generation: int, epoch: int, seq: int) -> None:
        """Give up one packet, which the board is told to skip, so that those behind it count."""
        self._give_up(device, generation, epoch, seq, seq)

    def skipped(self, device: str, generation: int, epoch: int, tail_seq: int) -> int:
        """Give up what has not come below the oldest seq that the board has; return how many."""
        return self._give_up(device, generation, epoch, 0, tail_seq - 1)

    def ended(self, device: str, epoch: int) -> int:
        """Give up the holes in runs before an epoch of a device; return how many packets.

        A board that has begun an epoch has nothing of those before it: its queue was in memory.
        What comes in spite of that, as out of a recording, is stored and counts no longer as lost.
        """
        return sum(
            self._give_up(device, run.generation, run.epoch, 0, run.highest)
            for run in self.epochs(device)
            if run.epoch < epoch and run.missing and run.highest is not None
        )

    def introduce(
        self, device: str, generation: int, epoch: int, about: Mapping[str, str | int | None]
    ) -> None:
        """Keep what a board says of itself when asked, unless its boot note came."""
        key = (device, generation, epoch)
        with self._transaction():
            seen = self._ledger.known(key) or self._ledger.enter(key)
            self._ledger.set_about(seen.id, json.dumps(about))

    def add_schema(self, device: str, epoch: int, table: dict[str, Any]) -> None:
        """Keep a schema that a board told when asked; SchemaError says what is wrong with it."""
        with self._transaction():
            self._ledger.announce(device, epoch, table)

    def quarantine(self, device: str, data: bytes, why: str, *, once: bool = False) -> bool:
        """Set a packet aside: bounded, the oldest go and are counted.

        `once`: not what is there already, as what was set aside before something failed and all
        is tried again; False then.
        """
        with self._transaction() as db:
            if once and self._quarantine.has(db, device, data):
                return False
            self._quarantine.add(db, device, data, why)
            return True

    def seal(self) -> int:
        """Sort what is unsealed by stream and compress it; return how many packets that were."""
        with self._transaction() as db:
            count, epochs = seal(db, self._last_group)
            self._ledger.save(epochs)
            self._tail_bytes = 0
        self.checkpoint()
        return count

    def summary(self) -> Summary:
        """Return per device what came, what is missing and what is lost."""
        return summarise(self, self.sealing_error)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, as far as readers let it be."""
        with self._lock, translated(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _try_to_seal(self) -> None:
        """Seal; if that fails the packets are safe where they are, and it is tried again later."""
        try:
            self.seal()
        except StoreError as e:
            self.sealing_error = str(e)
            self._seal_at_bytes = self._tail_bytes + self.tail_max_bytes
        else:
            self.sealing_error = None
            self._seal_at_bytes = 0

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._changing() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        """Hand out the connection; commit what was begun by the end, roll it back on an error."""
        if self._writer is None:
            raise StoreError(f"{self.path}: was opened to be read only")
        with self._lock, translated(self.path):
            if not self._loaded:
                self._load()
            db = self._connection
            try:
                yield db
                db.commit()  # unlike "COMMIT" executed, it lets go of the interpreter once
            except BaseException:
                self._loaded = False  # memory may be ahead of the file
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _load(self) -> None:
        last, self._tail_bytes = self._connection.execute(
            "SELECT max(id), ifnull(sum(length(data)), 0) FROM groups"
        ).fetchone()
        self._last_group = last or last_sealed(self._connection)
        self._quarantine.load(self._connection)
        self._ledger.load()
        self._loaded = True

    def _give_up(self, device: str, generation: int, epoch: int, first: int, last: int) -> int:
        with self._transaction():
            key = (device, generation, epoch)
            seen = self._ledger.known(key) or self._ledger.enter(key)
            count = seen.give_up(first, last)
            if count:
                self._ledger.save({seen.id})
        return count
